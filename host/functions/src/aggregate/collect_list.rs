//! `COLLECT_LIST`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::cast::same_value;
use calzone_types::{SqlType, Value, value_at};

use super::collected::{element_type, limit};
use super::state::array;
use crate::signature::Returns;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Binding, Parameter, ParameterType, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "All values of a column as an array, nulls among them, in the order of the records. \
        At most ksql.functions.collect_list.limit values are kept, the first ones.";
    let parameters = vec![Parameter::new("value", ParameterType::Generic('T'), "")];
    let returns = Returns::Type(ParameterType::Array(Box::new(ParameterType::Generic('T'))));
    let overload =
        AggregateOverload::new(description, Signature::new(parameters, returns), 0, |binding: &Binding, _: &[Value]| {
            Ok(Arc::new(CollectList { element: element_type(binding)?, limit: limit(binding)? }))
        });
    AggregateDefinition::built_in("COLLECT_LIST", description, vec![overload]).with_examples(&[AggregateExample {
        columns: "X INT",
        rows: &["2", "NULL", "1", "2"],
        expression: "COLLECT_LIST(X)",
        result: "[2,null,1,2]",
    }])
}

struct CollectList {
    element: SqlType,
    limit: usize,
}

impl Aggregate for CollectList {
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
        let items = array(state)?;
        if items.len() < self.limit {
            items.push(value_at(&arguments[0], row));
        }
        Ok(())
    }

    /// Takes the last equal value out: which of several equal ones the row had put in is not known.
    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let items = array(state)?;
        let value = value_at(&arguments[0], row);
        if let Some(last) = items.iter().rposition(|item| same_value(item, &value)) {
            items.remove(last);
        }
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let items = array(&mut older)?;
        items.append(array(&mut newer)?);
        items.truncate(self.limit);
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}

#[cfg(test)]
mod tests {
    use calzone_types::column_from_values;

    use super::*;

    #[test]
    fn values_are_kept_up_to_the_limit_and_taken_back_from_the_end() {
        let list = CollectList { element: SqlType::Integer, limit: 4 };
        let values = [1, 2, 1, 3, 4].map(Value::Integer);
        let column = [column_from_values(&SqlType::Integer, &values)];
        let mut state = list.initial();
        (0..5).for_each(|row| list.accumulate(&mut state, &column, row).unwrap());
        assert_eq!(state, Value::Array([1, 2, 1, 3].map(Value::Integer).into()));
        list.retract(&mut state, &column, 0).unwrap();
        assert_eq!(state, Value::Array([1, 2, 3].map(Value::Integer).into()));
        let merged = list.merge(state.clone(), state).unwrap();
        assert_eq!(merged, Value::Array([1, 2, 3, 1].map(Value::Integer).into()));
    }
}
