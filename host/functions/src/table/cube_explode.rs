//! `CUBE_EXPLODE`.

use calzone_types::Value;

use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

/// Most elements that are not null: 2^16 rows from one record is more than a cube is good for.
const DIMENSIONS_MAX: usize = 16;

pub fn definition() -> ScalarDefinition {
    let description =
        "A row for each combination of the elements of an array and nulls in their places, as GROUP BY CUBE has them.";
    let array = || ParameterType::Array(Box::new(ParameterType::Generic('T')));
    let parameters = vec![Parameter::new("columns", array(), "the values to combine")];
    let returns = Returns::Type(ParameterType::Array(Box::new(array())));
    let overload = ScalarOverload::new(description, Signature::new(parameters, returns), |binding| {
        per_row(&binding.returns, |arguments| evaluate(&arguments[0]))
    });
    ScalarDefinition::built_in(
        "CUBE_EXPLODE",
        "TABLE",
        description,
        vec![overload],
        &[
            ("CUBE_EXPLODE(ARRAY[1, 2])", "[[null,null],[null,2],[1,null],[1,2]]"),
            ("CUBE_EXPLODE(ARRAY[1, NULL])", "[[null,null],[1,null]]"),
        ],
    )
}

fn evaluate(columns: &Value) -> Result<Value, String> {
    let Value::Array(columns) = columns else { return Ok(Value::Null) };
    // An element that is null already has one form only.
    let present: Vec<usize> = (0..columns.len()).filter(|i| !columns[*i].is_null()).collect();
    if present.len() > DIMENSIONS_MAX {
        return Err(format!(
            "A cube of {} values has too many combinations; at most {DIMENSIONS_MAX} are allowed.",
            present.len()
        ));
    }
    let combination = |mask: usize| {
        let mut row = vec![Value::Null; columns.len()];
        for (bit, column) in present.iter().rev().enumerate() {
            if mask & (1 << bit) != 0 {
                row[*column] = columns[*column].clone();
            }
        }
        Value::Array(row)
    };
    Ok(Value::Array((0..1usize << present.len()).map(combination).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_count_up_from_all_nulls() {
        let row = |values: &[Option<i32>]| Value::Array(values.iter().map(|v| v.map_or(Value::Null, Value::Integer)).collect());
        let cube = |values: &[Option<i32>]| evaluate(&row(values));
        let expected = [row(&[None, None]), row(&[None, Some(2)]), row(&[Some(1), None]), row(&[Some(1), Some(2)])];
        assert_eq!(cube(&[Some(1), Some(2)]), Ok(Value::Array(expected.into())));
        assert_eq!(cube(&[Some(1), None]), Ok(Value::Array(vec![row(&[None, None]), row(&[Some(1), None])])));
        assert_eq!(cube(&[]), Ok(Value::Array(vec![row(&[])])));
        assert!(cube(&[Some(1); 17]).is_err());
        assert_eq!(evaluate(&Value::Null), Ok(Value::Null));
    }
}
