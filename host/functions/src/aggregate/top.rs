//! What TOPK and TOPKDISTINCT share.

use std::cmp::Ordering;

use calzone_types::Value;

/// Puts `entry` behind the entries of a descending list that are not smaller, and cuts the list at `count`.
pub(super) fn insert(entries: &mut Vec<Value>, entry: Value, count: usize, order: impl Fn(&Value, &Value) -> Ordering) {
    let position = entries.partition_point(|kept| order(kept, &entry).is_ge());
    if position < count {
        entries.truncate(count - 1);
        entries.insert(position, entry);
    }
}

/// The last init literal: how many values to keep.
pub(super) fn count(init: &[Value]) -> Result<usize, String> {
    match init.last() {
        Some(Value::Integer(k)) if *k > 0 => Ok(*k as usize),
        Some(other) => Err(format!("the number of values to keep must be at least 1, not {other:?}")),
        None => Err("the number of values to keep is missing".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_kept_in_order_and_equals_in_their_order() {
        let mut entries = Vec::new();
        for (key, name) in [(0, "a"), (100, "b"), (99, "c"), (7, "d"), (100, "e")] {
            let entry = Value::Struct(vec![Value::Integer(key), name.into()]);
            insert(&mut entries, entry, 3, |a, b| match (a, b) {
                (Value::Struct(a), Value::Struct(b)) => a[0].compare(&b[0]),
                _ => Ordering::Equal,
            });
        }
        let names: Vec<&str> = entries
            .iter()
            .map(|e| match e {
                Value::Struct(fields) => fields[1].as_str().unwrap_or(""),
                _ => "",
            })
            .collect();
        assert_eq!(names, ["b", "e", "c"]);
    }
}
