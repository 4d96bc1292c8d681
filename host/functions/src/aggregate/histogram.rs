//! `HISTOGRAM`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value};

use super::state::mismatch;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Parameter, Signature};

/// Most distinct values that are counted; others are left out.
const ENTRIES_MAX: usize = 1000;

pub fn definition() -> AggregateDefinition {
    let description =
        "How often each value of a column occurs, as a map; nulls do not count. At most 1000 values are counted, the first ones.";
    let returns = SqlType::map(SqlType::Varchar, SqlType::Bigint);
    let signature = Signature::new(vec![Parameter::new("value", SqlType::Varchar, "")], returns.into());
    let overload = AggregateOverload::new(description, signature, 0, |_, _| Ok(Arc::new(Histogram)));
    AggregateDefinition::built_in("HISTOGRAM", description, vec![overload]).with_examples(&[AggregateExample {
        columns: "X VARCHAR",
        rows: &["'a'", "'b'", "NULL", "'a'"],
        expression: "HISTOGRAM(X)",
        result: r#"{"a":2,"b":1}"#,
    }])
}

struct Histogram;

type Entries = Vec<(Value, Value)>;

fn entries(state: &mut Value) -> Result<&mut Entries, String> {
    match state {
        Value::Map(entries) => Ok(entries),
        _ => Err(mismatch()),
    }
}

fn add(entries: &mut Entries, key: &str, count: i64) {
    match entries.iter().position(|(k, _)| k.as_str() == Some(key)) {
        Some(at) => {
            if let Value::Bigint(total) = &mut entries[at].1 {
                *total += count;
            }
        }
        None if entries.len() < ENTRIES_MAX => entries.push((key.into(), Value::Bigint(count))),
        None => {}
    }
}

impl Aggregate for Histogram {
    fn state_type(&self) -> SqlType {
        SqlType::map(SqlType::Varchar, SqlType::Bigint)
    }

    fn result_type(&self) -> SqlType {
        self.state_type()
    }

    fn initial(&self) -> Value {
        Value::Map(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let texts = arguments[0].as_string::<i32>();
        if texts.is_valid(row) {
            add(entries(state)?, texts.value(row), 1);
        }
        Ok(())
    }

    /// A value that no row has any more leaves the map.
    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let texts = arguments[0].as_string::<i32>();
        if texts.is_null(row) {
            return Ok(());
        }
        let (entries, key) = (entries(state)?, texts.value(row));
        if let Some(at) = entries.iter().position(|(k, _)| k.as_str() == Some(key)) {
            match &mut entries[at].1 {
                Value::Bigint(count) if *count > 1 => *count -= 1,
                _ => {
                    entries.remove(at);
                }
            }
        }
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let merged = entries(&mut older)?;
        for (key, count) in entries(&mut newer)?.iter() {
            if let (Some(key), Value::Bigint(count)) = (key.as_str(), count) {
                add(merged, key, *count);
            }
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
