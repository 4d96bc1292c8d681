//! `COUNT`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value};

use super::state::bigint;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Parameter, ParameterType, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The number of rows, or of rows in which the argument is not null.";
    let overloads = [vec![], vec![Parameter::new("value", ParameterType::Any, "what must not be null")]].map(|parameters| {
        AggregateOverload::new(description, Signature::new(parameters, SqlType::Bigint.into()), 0, |_, _| Ok(Arc::new(Count)))
    });
    AggregateDefinition::built_in("COUNT", description, overloads.to_vec()).with_examples(&[
        AggregateExample { columns: "X INT", rows: &["1", "NULL"], expression: "COUNT(*)", result: "2" },
        AggregateExample { columns: "X INT", rows: &["1", "NULL"], expression: "COUNT(X)", result: "1" },
    ])
}

struct Count;

impl Aggregate for Count {
    fn state_type(&self) -> SqlType {
        SqlType::Bigint
    }

    fn result_type(&self) -> SqlType {
        SqlType::Bigint
    }

    fn initial(&self) -> Value {
        Value::Bigint(0)
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        if arguments.first().is_none_or(|column| column.is_valid(row)) {
            *bigint(state)? += 1;
        }
        Ok(())
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        if arguments.first().is_none_or(|column| column.is_valid(row)) {
            *bigint(state)? -= 1;
        }
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        *bigint(&mut older)? += *bigint(&mut newer)?;
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
