//! `TOPKDISTINCT`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value, value_at};

use super::comparable;
use super::state::array;
use super::top::{count, insert};
use crate::signature::Returns;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, ArgumentType, Binding, Parameter, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The K largest distinct values of a column, largest first; nulls do not count.";
    let overloads = comparable::parameters("value").into_iter().map(|(parameter, _)| {
        let parameters = vec![parameter, Parameter::new("k", SqlType::Integer, "how many")];
        AggregateOverload::new(
            description,
            Signature::new(parameters, Returns::Computed(array_of_first)),
            1,
            |binding: &Binding, init: &[Value]| {
                let element = binding.arguments.first().ok_or("an argument is missing")?.clone();
                Ok(Arc::new(TopKDistinct { element, count: count(init)? }))
            },
        )
    });
    AggregateDefinition::built_in("TOPKDISTINCT", description, overloads.collect()).with_examples(&[AggregateExample {
        columns: "X INT",
        rows: &["3", "7", "NULL", "7"],
        expression: "TOPKDISTINCT(X, 2)",
        result: "[7,3]",
    }])
}

fn array_of_first(arguments: &[ArgumentType], _literals: &[Option<Value>]) -> Result<SqlType, String> {
    match arguments.first() {
        Some(ArgumentType::Sql(ty)) => Ok(SqlType::array(ty.clone())),
        _ => Ok(SqlType::array(SqlType::Varchar)),
    }
}

struct TopKDistinct {
    element: SqlType,
    count: usize,
}

impl TopKDistinct {
    fn add(&self, entries: &mut Vec<Value>, value: Value) {
        if entries.binary_search_by(|kept| value.compare(kept)).is_err() {
            insert(entries, value, self.count, Value::compare);
        }
    }
}

impl Aggregate for TopKDistinct {
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
        if arguments[0].is_valid(row) {
            self.add(array(state)?, value_at(&arguments[0], row));
        }
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("A value cannot be taken out of the largest ones: those below them are not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let entries = array(&mut older)?;
        for value in array(&mut newer)?.drain(..) {
            self.add(entries, value);
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_count_once() {
        let top = TopKDistinct { element: SqlType::Integer, count: 3 };
        let mut entries = Vec::new();
        [3, 1, 3, 2, 5, 5, 4].into_iter().for_each(|v| top.add(&mut entries, Value::Integer(v)));
        assert_eq!(entries, [5, 4, 3].map(Value::Integer));
    }
}
