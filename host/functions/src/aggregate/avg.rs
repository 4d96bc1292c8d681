//! `AVG`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use calzone_types::{Field, SqlType, Value};

use super::state::{mismatch, structure};
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Binding, Parameter, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The average of a column; nulls do not count. 0.0 if there is nothing else.";
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double].map(|ty| {
        let signature = Signature::new(vec![Parameter::new("value", ty, "")], SqlType::Double.into());
        AggregateOverload::new(description, signature, 0, |binding: &Binding, _: &[Value]| {
            Ok(Arc::new(Avg { of_doubles: binding.arguments.first() == Some(&SqlType::Double) }))
        })
    });
    AggregateDefinition::built_in("AVG", description, overloads.to_vec()).with_examples(&[AggregateExample {
        columns: "X INT",
        rows: &["1", "2", "NULL"],
        expression: "AVG(X)",
        result: "1.5",
    }])
}

struct Avg {
    /// Otherwise the sum is a BIGINT.
    of_doubles: bool,
}

impl Avg {
    fn add(&self, state: &mut Value, arguments: &[ArrayRef], row: usize, sign: i8) -> Result<(), String> {
        let column = &arguments[0];
        if column.is_null(row) {
            return Ok(());
        }
        let [sum, Value::Bigint(count)] = structure::<2>(state)? else { return Err(mismatch()) };
        *count += i64::from(sign);
        match sum {
            Value::Double(sum) => match column.as_primitive_opt::<Float64Type>() {
                Some(doubles) => *sum += f64::from(sign) * doubles.value(row),
                None => return Err(mismatch()),
            },
            Value::Bigint(sum) => {
                let value = match (column.as_primitive_opt::<Int64Type>(), column.as_primitive_opt::<Int32Type>()) {
                    (Some(bigints), _) => bigints.value(row),
                    (_, Some(integers)) => integers.value(row).into(),
                    _ => return Err(mismatch()),
                };
                *sum = sum.wrapping_add(value.wrapping_mul(sign.into()));
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }
}

impl Aggregate for Avg {
    fn state_type(&self) -> SqlType {
        let sum = if self.of_doubles { SqlType::Double } else { SqlType::Bigint };
        SqlType::structure([Field::new("SUM", sum), Field::new("COUNT", SqlType::Bigint)])
    }

    fn result_type(&self) -> SqlType {
        SqlType::Double
    }

    fn initial(&self) -> Value {
        let sum = if self.of_doubles { Value::Double(0.0) } else { Value::Bigint(0) };
        Value::Struct(vec![sum, Value::Bigint(0)])
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, 1)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, -1)
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let merged = match (structure::<2>(&mut older)?, structure::<2>(&mut newer)?) {
            ([Value::Double(a), Value::Bigint(m)], [Value::Double(b), Value::Bigint(n)]) => {
                [Value::Double(*a + *b), Value::Bigint(*m + *n)]
            }
            ([Value::Bigint(a), Value::Bigint(m)], [Value::Bigint(b), Value::Bigint(n)]) => {
                [Value::Bigint(a.wrapping_add(*b)), Value::Bigint(*m + *n)]
            }
            _ => return Err(mismatch()),
        };
        Ok(Value::Struct(merged.into()))
    }

    fn result(&self, state: &Value) -> Value {
        let Value::Struct(fields) = state else { return Value::Null };
        match fields.as_slice() {
            [_, Value::Bigint(0)] => Value::Double(0.0),
            [sum, Value::Bigint(count)] => sum.as_f64().map_or(Value::Null, |sum| Value::Double(sum / *count as f64)),
            _ => Value::Null,
        }
    }
}
