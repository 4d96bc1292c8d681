//! `REDUCE`.

use arrow_array::{Array, ArrayRef, UInt32Array};
use calzone_types::SqlType;

use super::flat::{evaluate_lambda, flatten};
use super::generic::{array_of, map_of, one};
use super::hash_order;
use crate::signature::Returns;
use crate::{
    Argument, Binding, Evaluated, Parameter, ParameterType, RowError, Scalar, ScalarDefinition, ScalarOverload, Signature,
};

pub fn definition() -> ScalarDefinition {
    let description = "Folds the elements of an array, or the entries of a map, into one value with a lambda, from an initial state on. \
        A null array gives the initial state.";
    let fold =
        |inputs: &[char]| ParameterType::Lambda { inputs: inputs.iter().map(|v| one(*v)).collect(), output: Box::new(one('S')) };
    let state = || Parameter::new("state", one('S'), "the initial state");
    let array = vec![
        Parameter::new("array", array_of('T'), "the array"),
        state(),
        Parameter::new("lambda", fold(&['S', 'T']), "makes the next state of a state and an element"),
    ];
    let map = vec![
        Parameter::new("map", map_of('K', 'V'), "the map"),
        state(),
        Parameter::new("lambda", fold(&['S', 'K', 'V']), "makes the next state of a state, a key and its value"),
    ];
    let overloads = vec![
        ScalarOverload::new(description, Signature::new(array, Returns::Type(one('S'))), make),
        ScalarOverload::new(description, Signature::new(map, Returns::Type(one('S'))), make),
    ];
    let examples = [("REDUCE(ARRAY[3, 6], 2, (s, x) => s + x)", "11")];
    ScalarDefinition::built_in("REDUCE", "LAMBDA", description, overloads, &examples)
}

fn make(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    Ok(Box::new(Reduce { state: binding.returns.clone() }))
}

struct Reduce {
    state: SqlType,
}

impl Scalar for Reduce {
    /// Step i evaluates the lambda on the i-th elements of all rows that have so many. Where each row's last state is
    /// found is noted when it has no further element.
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let mut flat = flatten(arguments[0].column());
        hash_order::order(&mut flat);
        let initial = arguments[1].column().clone();
        let length = |row: u32| flat.offsets[row as usize + 1] - flat.offsets[row as usize];
        // `found[row]` is (step, position in the states after that step).
        let mut found: Vec<(usize, usize)> = (0..rows).map(|row| (0, row)).collect();
        let mut states: Vec<ArrayRef> = vec![initial.clone()];
        let mut failed = vec![false; rows];
        let mut errors: Vec<RowError> = Vec::new();
        let mut active: Vec<u32> = (0..rows as u32).filter(|row| initial.is_valid(*row as usize) && length(*row) > 0).collect();
        let mut step = 0;
        while !active.is_empty() {
            let positions = UInt32Array::from_iter_values(active.iter().map(|row| found[*row as usize].1 as u32));
            let elements = UInt32Array::from_iter_values(active.iter().map(|row| (flat.offsets[*row as usize] + step) as u32));
            let take = |column: &ArrayRef, indices: &UInt32Array| {
                arrow_select::take::take(column, indices, None).expect("positions lie inside the column")
            };
            let mut parameters = vec![take(&states[states.len() - 1], &positions)];
            parameters.extend(flat.columns.iter().map(|column| take(column, &elements)));
            let next = evaluate_lambda(&mut arguments[2], &parameters, &active, &self.state);
            for error in next.errors {
                failed[error.row as usize] = true;
                errors.push(error);
            }
            for (position, row) in active.iter().enumerate() {
                found[*row as usize] = (states.len(), position);
            }
            states.push(next.column);
            step += 1;
            active.retain(|row| !failed[*row as usize] && length(*row) > step);
        }
        errors.sort_by_key(|e| e.row);
        // One null after the last state, for the rows that failed.
        let none = arrow_array::new_null_array(&self.state.to_arrow(), 1);
        for error in &errors {
            found[error.row as usize] = (states.len(), 0);
        }
        states.push(none);
        let arrays: Vec<&dyn Array> = states.iter().map(AsRef::as_ref).collect();
        let column = arrow_select::interleave::interleave(&arrays, &found).expect("all states have the same type");
        Evaluated { column, errors }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int32Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use calzone_types::cast::{ArithmeticOp, arithmetic_column, null_operands};
    use calzone_types::{Value, column_from_values};

    use super::*;
    use crate::LambdaEvaluator;

    /// `(s, x) => s + x`, which fails on nulls.
    struct Sum;

    impl LambdaEvaluator for Sum {
        fn evaluate(&mut self, parameters: &[ArrayRef], outer_rows: &[u32]) -> Evaluated {
            assert_eq!(parameters[0].len(), outer_rows.len());
            let (column, _) = arithmetic_column(ArithmeticOp::Add, &parameters[0], &parameters[1], &SqlType::Integer);
            let errors = null_operands(&parameters[0], &parameters[1]);
            Evaluated { column, errors: errors.into_iter().map(|(row, message)| RowError { row, message }).collect() }
        }

        fn output_type(&self) -> &SqlType {
            &SqlType::Integer
        }
    }

    #[test]
    fn rows_of_all_lengths_end_with_their_own_state() {
        let array =
            |numbers: &[Option<i32>]| Value::Array(numbers.iter().map(|n| n.map_or(Value::Null, Value::Integer)).collect());
        let arrays = [
            array(&[Some(3), Some(6)]),
            Value::Null,
            array(&[]),
            array(&[Some(1), None, Some(1)]),
            array(&[Some(1), Some(2), Some(3)]),
            array(&[Some(9)]),
        ];
        let column = column_from_values(&SqlType::array(SqlType::Integer), &arrays);
        let initial: ArrayRef = Arc::new(Int32Array::from(vec![Some(2), Some(2), Some(2), Some(2), Some(0), None]));
        let mut sum = Sum;
        let mut arguments = [Argument::Column(column), Argument::Column(initial), Argument::Lambda(&mut sum)];
        let reduced = Reduce { state: SqlType::Integer }.call(&mut arguments, 6);
        let states: Vec<_> = reduced.column.as_primitive::<Int32Type>().iter().collect();
        assert_eq!(states, [Some(11), Some(2), Some(2), None, Some(6), None]);
        assert_eq!(reduced.errors.iter().map(|e| e.row).collect::<Vec<_>>(), [3]);
    }
}
