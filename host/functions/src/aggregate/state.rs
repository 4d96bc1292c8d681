//! Access to the parts of a state, which is a [`Value`] of the aggregate's own making.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use calzone_types::Value;

/// What to say when a stored state does not have the type that the aggregate gave it.
pub(super) fn mismatch() -> String {
    "The stored state of an aggregate has another type than the aggregate. The store belongs to another query.".to_owned()
}

pub(super) fn bigint(state: &mut Value) -> Result<&mut i64, String> {
    match state {
        Value::Bigint(v) => Ok(v),
        _ => Err(mismatch()),
    }
}

pub(super) fn double(state: &mut Value) -> Result<&mut f64, String> {
    match state {
        Value::Double(v) => Ok(v),
        _ => Err(mismatch()),
    }
}

pub(super) fn array(state: &mut Value) -> Result<&mut Vec<Value>, String> {
    match state {
        Value::Array(items) => Ok(items),
        _ => Err(mismatch()),
    }
}

pub(super) fn structure<const N: usize>(state: &mut Value) -> Result<&mut [Value; N], String> {
    match state {
        Value::Struct(fields) => fields.as_mut_slice().try_into().map_err(|_| mismatch()),
        _ => Err(mismatch()),
    }
}

/// The number at `row` of an INTEGER, BIGINT or DOUBLE column as a double; None where it is null.
pub(super) fn double_at(column: &ArrayRef, row: usize) -> Option<f64> {
    if column.is_null(row) {
        return None;
    }
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        return Some(doubles.value(row));
    }
    if let Some(bigints) = column.as_primitive_opt::<Int64Type>() {
        return Some(bigints.value(row) as f64);
    }
    column.as_primitive_opt::<Int32Type>().map(|integers| f64::from(integers.value(row)))
}
