//! ARRAY[…], MAP(…), STRUCT(…). An item that fails is null and reported; the others are kept.

use arrow_array::Array;
use calzone_functions::RowError;
use calzone_types::{ColumnBuilder, SqlType, Value, value_at};

use super::{Node, Outcome, Scope, nulled};

/// Evaluates an item; its errors are reported and make the item null, not the whole expression.
fn item(node: &mut Node, scope: &Scope<'_>) -> arrow_array::ArrayRef {
    let outcome = node.evaluate(scope);
    let errors = outcome.errors.iter().map(|e| RowError { row: scope.origin(e.row), message: e.message.clone() });
    scope.reported.borrow_mut().extend(errors);
    nulled(&outcome.column, &outcome.errors)
}

fn build(ty: &SqlType, rows: usize, value: impl Fn(usize) -> Value) -> Outcome {
    let mut builder = ColumnBuilder::new(ty, rows);
    (0..rows).for_each(|row| builder.push(&value(row)));
    builder.finish().into()
}

pub(super) fn array(items: &mut [Node], ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let items: Vec<_> = items.iter_mut().map(|node| item(node, scope)).collect();
    build(ty, scope.len, |row| Value::Array(items.iter().map(|column| value_at(column, row)).collect()))
}

/// Later entries win over earlier ones of the same key. A null key is the text `null`, as formats write it; in maps with
/// other keys than text such an entry is left out.
pub(super) fn map(entries: &mut [(Node, Node)], ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let entries: Vec<_> = entries.iter_mut().map(|(key, value)| (item(key, scope), item(value, scope))).collect();
    let null_key = match ty {
        SqlType::Map(key, _) if **key == SqlType::Varchar => Some(Value::from("null")),
        _ => None,
    };
    build(ty, scope.len, |row| {
        let mut map: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in &entries {
            let key = if key.is_valid(row) { value_at(key, row) } else { null_key.clone().unwrap_or(Value::Null) };
            let value = value_at(value, row);
            if key.is_null() {
                continue;
            }
            match map.iter_mut().find(|(k, _)| k.compare(&key).is_eq()) {
                Some(entry) => entry.1 = value,
                None => map.push((key, value)),
            }
        }
        Value::Map(map)
    })
}

pub(super) fn structure(fields: &mut [Node], ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let fields: Vec<_> = fields.iter_mut().map(|node| item(node, scope)).collect();
    build(ty, scope.len, |row| Value::Struct(fields.iter().map(|column| value_at(column, row)).collect()))
}
