//! `ATTR`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::cast::same_value;
use calzone_types::{Field, SqlType, Value, value_at};

use super::state::{array, bigint, structure};
use crate::signature::Returns;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Binding, Parameter, ParameterType, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The value of a column if it is the same in all rows, else null.";
    let parameters = vec![Parameter::new("value", ParameterType::Generic('T'), "")];
    let signature = Signature::new(parameters, Returns::Type(ParameterType::Generic('T')));
    let overload = AggregateOverload::new(description, signature, 0, |binding: &Binding, _: &[Value]| {
        let ty = binding.arguments.first().ok_or("an argument is missing")?.clone();
        Ok(Arc::new(Attr { ty }))
    });
    AggregateDefinition::built_in("ATTR", description, vec![overload]).with_examples(&[
        AggregateExample { columns: "X VARCHAR", rows: &["'a'", "'a'"], expression: "ATTR(X)", result: r#""a""# },
        AggregateExample { columns: "X VARCHAR", rows: &["'a'", "NULL"], expression: "ATTR(X)", result: "null" },
    ])
}

/// The state is an array of the distinct values, null among them, and how many rows have each.
struct Attr {
    ty: SqlType,
}

/// Changes how many rows have `value` by `change`; a value that none has is dropped.
fn change(entries: &mut Vec<Value>, value: Value, change: i64) -> Result<(), String> {
    for (i, entry) in entries.iter_mut().enumerate() {
        let [seen, count] = structure::<2>(entry)?;
        if same_value(seen, &value) {
            let count = bigint(count)?;
            *count += change;
            if *count <= 0 {
                entries.remove(i);
            }
            return Ok(());
        }
    }
    if change > 0 {
        entries.push(Value::Struct(vec![value, Value::Bigint(change)]));
    }
    Ok(())
}

impl Aggregate for Attr {
    fn state_type(&self) -> SqlType {
        SqlType::array(SqlType::structure([Field::new("VALUE", self.ty.clone()), Field::new("COUNT", SqlType::Bigint)]))
    }

    fn result_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn initial(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        change(array(state)?, value_at(&arguments[0], row), 1)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        change(array(state)?, value_at(&arguments[0], row), -1)
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let entries = array(&mut older)?;
        for mut entry in array(&mut newer)?.drain(..) {
            let [value, count] = structure::<2>(&mut entry)?;
            change(entries, value.clone(), *bigint(count)?)?;
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        let Value::Array(entries) = state else { return Value::Null };
        match entries.as_slice() {
            [Value::Struct(fields)] => fields.first().cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use calzone_types::column_from_values;

    use super::*;

    #[test]
    fn the_value_comes_back_when_the_other_one_goes() {
        let attr = Attr { ty: SqlType::Varchar };
        let column = [column_from_values(&SqlType::Varchar, &["a".into(), Value::Null])];
        let mut state = attr.initial();
        assert_eq!(attr.result(&state), Value::Null);
        attr.accumulate(&mut state, &column, 0).unwrap();
        assert_eq!(attr.result(&state), "a".into());
        attr.accumulate(&mut state, &column, 1).unwrap();
        assert_eq!(attr.result(&state), Value::Null);
        attr.retract(&mut state, &column, 1).unwrap();
        assert_eq!(attr.result(&state), "a".into());
    }
}
