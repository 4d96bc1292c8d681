//! What EARLIEST_BY_OFFSET and LATEST_BY_OFFSET share.

use std::sync::atomic::{AtomicI64, Ordering};

use arrow_array::{Array, ArrayRef};
use calzone_types::{Field, SqlType, Value, value_at};

use super::state::array;
use crate::definition::MakeAggregate;
use crate::signature::Returns;
use crate::{Aggregate, AggregateDefinition, AggregateOverload, Binding, Parameter, ParameterType, Signature};

pub(super) fn definition(name: &str, description: &str, make: MakeAggregate) -> AggregateDefinition {
    let value = || Parameter::new("value", ParameterType::Generic('T'), "");
    let count = || Parameter::new("n", SqlType::Integer, "how many values to keep, as an array");
    let ignore_nulls = || Parameter::new("ignore_nulls", SqlType::Boolean, "do nulls not count? true if left out");
    let one = || Returns::Type(ParameterType::Generic('T'));
    let several = || Returns::Type(ParameterType::Array(Box::new(ParameterType::Generic('T'))));
    let overloads = vec![
        AggregateOverload::new(description, Signature::new(vec![value()], one()), 0, make),
        AggregateOverload::new(description, Signature::new(vec![value(), ignore_nulls()], one()), 1, make),
        AggregateOverload::new(description, Signature::new(vec![value(), count()], several()), 1, make),
        AggregateOverload::new(description, Signature::new(vec![value(), count(), ignore_nulls()], several()), 2, make),
    ];
    AggregateDefinition::built_in(name, description, overloads)
}

/// Which end of the records is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Earliest,
    Latest,
}

/// The state is an array of structs of a sequence number and a value, ascending by number. The numbers say which of two
/// merged sessions took its records first; only their order within one group matters.
pub(super) struct ByOffset {
    end: End,
    element: SqlType,
    /// None: one value, not an array.
    several: Option<usize>,
    ignore_nulls: bool,
    next: AtomicI64,
}

impl ByOffset {
    /// From the init literals `()`, `(ignore_nulls)`, `(n)` or `(n, ignore_nulls)`.
    pub(super) fn new(end: End, binding: &Binding, init: &[Value]) -> Result<ByOffset, String> {
        let element = binding.arguments.first().ok_or("an argument is missing")?.clone();
        let several = match init.first() {
            Some(Value::Integer(n)) => match usize::try_from(*n) {
                Ok(n) if n > 0 => Some(n),
                _ => return Err(format!("the number of values to keep must be at least 1, not {n}")),
            },
            _ => None,
        };
        let ignore_nulls = !matches!(init.last(), Some(Value::Boolean(false)));
        Ok(ByOffset { end, element, several, ignore_nulls, next: AtomicI64::new(0) })
    }

    fn capacity(&self) -> usize {
        self.several.unwrap_or(1)
    }

    /// A number above all so far. States from before a restart may have higher numbers than the counter: it passes them.
    fn sequence(&self, entries: &[Value]) -> i64 {
        let floor = entries.last().map_or(0, |entry| sequence_of(entry) + 1);
        let drawn = self.next.fetch_add(1, Ordering::Relaxed);
        if drawn >= floor {
            return drawn;
        }
        self.next.fetch_max(floor + 1, Ordering::Relaxed);
        floor
    }
}

fn sequence_of(entry: &Value) -> i64 {
    match entry {
        Value::Struct(fields) => fields.first().and_then(Value::as_i64).unwrap_or(0),
        _ => 0,
    }
}

fn value_of(entry: &Value) -> Value {
    match entry {
        Value::Struct(fields) => fields.get(1).cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

impl Aggregate for ByOffset {
    fn state_type(&self) -> SqlType {
        SqlType::array(SqlType::structure([Field::new("SEQ", SqlType::Bigint), Field::new("VAL", self.element.clone())]))
    }

    fn result_type(&self) -> SqlType {
        match self.several {
            Some(_) => SqlType::array(self.element.clone()),
            None => self.element.clone(),
        }
    }

    fn initial(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let column = &arguments[0];
        let entries = array(state)?;
        if (self.ignore_nulls && column.is_null(row)) || (self.end == End::Earliest && entries.len() >= self.capacity()) {
            return Ok(());
        }
        let sequence = self.sequence(entries);
        if entries.len() >= self.capacity() {
            entries.remove(0);
        }
        entries.push(Value::Struct(vec![Value::Bigint(sequence), value_at(column, row)]));
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("A value by offset cannot be taken back: the values around it are not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let entries = array(&mut older)?;
        entries.append(array(&mut newer)?);
        entries.sort_by_key(sequence_of);
        match self.end {
            End::Earliest => entries.truncate(self.capacity()),
            End::Latest => {
                entries.drain(..entries.len().saturating_sub(self.capacity()));
            }
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        let Value::Array(entries) = state else { return Value::Null };
        match self.several {
            Some(_) => Value::Array(entries.iter().map(value_of).collect()),
            None => entries.first().map_or(Value::Null, value_of),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use calzone_types::column_from_values;

    use super::*;

    fn aggregate(end: End, init: &[Value]) -> ByOffset {
        let binding = Binding { arguments: vec![SqlType::Integer], returns: SqlType::Integer, properties: BTreeMap::new() };
        ByOffset::new(end, &binding, init).unwrap()
    }

    fn of(aggregate: &ByOffset, state: Value, values: &[Option<i32>]) -> Value {
        let values: Vec<Value> = values.iter().map(|v| v.map_or(Value::Null, Value::Integer)).collect();
        let column = [column_from_values(&SqlType::Integer, &values)];
        let mut state = state;
        (0..values.len()).for_each(|row| aggregate.accumulate(&mut state, &column, row).unwrap());
        state
    }

    #[test]
    fn ends_are_kept() {
        let values = [None, Some(1), Some(2), None];
        let (one, two) = (Value::Integer(1), Value::Integer(2));
        for (end, init, expected) in [
            (End::Earliest, vec![], one.clone()),
            (End::Latest, vec![], two.clone()),
            (End::Earliest, vec![Value::Boolean(false)], Value::Null),
            (End::Latest, vec![Value::Boolean(false)], Value::Null),
            (End::Earliest, vec![Value::Integer(2), Value::Boolean(false)], Value::Array(vec![Value::Null, one.clone()])),
            (End::Latest, vec![Value::Integer(2), Value::Boolean(false)], Value::Array(vec![two.clone(), Value::Null])),
            (End::Latest, vec![Value::Integer(3)], Value::Array(vec![one, two])),
        ] {
            let aggregate = aggregate(end, &init);
            let state = of(&aggregate, aggregate.initial(), &values);
            assert_eq!(aggregate.result(&state), expected, "{end:?} {init:?}");
        }
    }

    #[test]
    fn merges_go_by_the_order_of_records() {
        let latest = aggregate(End::Latest, &[]);
        let first = of(&latest, latest.initial(), &[Some(1)]);
        let second = of(&latest, latest.initial(), &[Some(2)]);
        let merged = latest.merge(second, first).unwrap();
        assert_eq!(latest.result(&merged), Value::Integer(2));
        // A new instance, as after a restart, goes on above the numbers it finds.
        let restarted = aggregate(End::Latest, &[]);
        let state = of(&restarted, merged, &[Some(3)]);
        assert_eq!(restarted.result(&state), Value::Integer(3));
        assert!(restarted.next.load(Ordering::Relaxed) > 2);
    }

    #[test]
    fn counts_must_be_positive() {
        let binding = Binding { arguments: vec![SqlType::Integer], returns: SqlType::Integer, properties: BTreeMap::new() };
        assert!(ByOffset::new(End::Latest, &binding, &[Value::Integer(0)]).is_err());
    }
}
