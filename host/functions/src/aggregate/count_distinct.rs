//! `COUNT_DISTINCT`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value, value_at};

use super::sketch;
use super::state::mismatch;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Parameter, ParameterType, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "About how many distinct values (or combinations of values) a column has: exact up to 128, then within \
        a few percent. Rows with a null do not count.";
    let parameters = vec![
        Parameter::new("value", ParameterType::Any, ""),
        Parameter::new("others", ParameterType::Any, "more columns of the combination"),
    ];
    let overload = AggregateOverload::new(description, Signature::variadic(parameters, SqlType::Bigint.into()), 0, |_, _| {
        Ok(Arc::new(CountDistinct))
    });
    AggregateDefinition::built_in("COUNT_DISTINCT", description, vec![overload]).with_examples(&[AggregateExample {
        columns: "X VARCHAR",
        rows: &["'a'", "'b'", "NULL", "'a'"],
        expression: "COUNT_DISTINCT(X)",
        result: "2",
    }])
}

/// The state is a [`sketch`] of the values.
struct CountDistinct;

fn bytes(state: &mut Value) -> Result<&mut Vec<u8>, String> {
    match state {
        Value::Bytes(bytes) => Ok(bytes),
        _ => Err(mismatch()),
    }
}

impl Aggregate for CountDistinct {
    fn state_type(&self) -> SqlType {
        SqlType::Bytes
    }

    fn result_type(&self) -> SqlType {
        SqlType::Bigint
    }

    fn initial(&self) -> Value {
        Value::Bytes(sketch::empty())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        if arguments.iter().any(|column| column.is_null(row)) {
            return Ok(());
        }
        let mut hash = sketch::Hash::default();
        arguments.iter().for_each(|column| hash.write(&value_at(column, row)));
        sketch::add(bytes(state)?, hash.finish());
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("A value cannot be taken out of a count of distinct values: how many rows have it is not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        sketch::merge(bytes(&mut older)?, bytes(&mut newer)?);
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        match state {
            Value::Bytes(bytes) => Value::Bigint(sketch::estimate(bytes)),
            _ => Value::Null,
        }
    }
}
