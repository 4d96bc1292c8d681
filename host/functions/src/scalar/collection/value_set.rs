//! A set of values of one type, by [`same_value`].

use std::hash::{BuildHasher, Hash, Hasher};

use calzone_types::Value;
use calzone_types::cast::same_value;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Borrowed values, each once.
#[derive(Default)]
pub(crate) struct ValueSet<'a> {
    table: HashTable<&'a Value>,
}

impl<'a> ValueSet<'a> {
    pub(crate) fn of(values: &'a [Value]) -> ValueSet<'a> {
        let mut set = ValueSet::default();
        values.iter().for_each(|value| {
            set.insert(value);
        });
        set
    }

    pub(crate) fn contains(&self, value: &Value) -> bool {
        self.table.find(hash(value), |seen| same_value(seen, value)).is_some()
    }

    /// Was the value new?
    pub(crate) fn insert(&mut self, value: &'a Value) -> bool {
        if self.contains(value) {
            return false;
        }
        self.table.insert_unique(hash(value), value, |seen| hash(seen));
        true
    }
}

fn hash(value: &Value) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    write(value, &mut hasher);
    hasher.finish()
}

/// Values that are the same must hash the same; numbers of different types never meet in one set.
fn write(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => 0u8.hash(hasher),
        Value::Boolean(v) => v.hash(hasher),
        Value::Integer(v) | Value::Date(v) | Value::Time(v) => v.hash(hasher),
        Value::Bigint(v) | Value::Timestamp(v) => v.hash(hasher),
        Value::Double(v) => v.to_bits().hash(hasher),
        // Within a column the scale is fixed, so equal decimals have equal digits.
        Value::Decimal(v) => v.unscaled.hash(hasher),
        Value::Varchar(v) => v.hash(hasher),
        Value::Bytes(v) => v.hash(hasher),
        Value::Array(items) | Value::Struct(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| write(item, hasher));
        }
        // Entries may come in any order, so only their number counts here.
        Value::Map(entries) => entries.len().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_in_another_order_are_the_same() {
        let (a, b) = ((Value::from("a"), Value::Integer(1)), (Value::from("b"), Value::Null));
        let values = [Value::Map(vec![a.clone(), b.clone()]), Value::Map(vec![b, a]), Value::Null, Value::Null];
        let mut set = ValueSet::default();
        assert_eq!(values.iter().map(|v| set.insert(v)).collect::<Vec<_>>(), [true, false, true, false]);
    }
}
