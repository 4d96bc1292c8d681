//! `COLLECT_SET`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::cast::same_value;
use calzone_types::{SqlType, Value, value_at};

use super::collected::{element_type, limit};
use super::state::array;
use crate::signature::Returns;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Binding, Parameter, ParameterType, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The distinct values of a column as an array, null among them, in the order of their first records. \
        At most ksql.functions.collect_set.limit values are kept, the first ones.";
    let parameters = vec![Parameter::new("value", ParameterType::Generic('T'), "")];
    let returns = Returns::Type(ParameterType::Array(Box::new(ParameterType::Generic('T'))));
    let overload =
        AggregateOverload::new(description, Signature::new(parameters, returns), 0, |binding: &Binding, _: &[Value]| {
            Ok(Arc::new(CollectSet { element: element_type(binding)?, limit: limit(binding)? }))
        });
    AggregateDefinition::built_in("COLLECT_SET", description, vec![overload]).with_examples(&[AggregateExample {
        columns: "X INT",
        rows: &["2", "NULL", "1", "2"],
        expression: "COLLECT_SET(X)",
        result: "[2,null,1]",
    }])
}

struct CollectSet {
    element: SqlType,
    limit: usize,
}

impl CollectSet {
    fn add(&self, items: &mut Vec<Value>, value: Value) {
        if items.len() < self.limit && !items.iter().any(|item| same_value(item, &value)) {
            items.push(value);
        }
    }
}

impl Aggregate for CollectSet {
    fn state_type(&self) -> SqlType {
        SqlType::array(self.element.clone())
    }

    fn result_type(&self) -> SqlType {
        self.state_type()
    }

    fn initial(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(array(state)?, value_at(&arguments[0], row));
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("A value cannot be taken out of a set: how many rows have it is not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let items = array(&mut older)?;
        for value in array(&mut newer)?.drain(..) {
            self.add(items, value);
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
