//! `= <> < <= > >=` over columns.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use std::cmp::Ordering;

use crate::Value;
use crate::column::value_at;

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl CompareOp {
    /// Does a pair of that order satisfy the operator?
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            CompareOp::Eq => order == Ordering::Equal,
            CompareOp::Ne => order != Ordering::Equal,
            CompareOp::Lt => order == Ordering::Less,
            CompareOp::Le => order != Ordering::Greater,
            CompareOp::Gt => order == Ordering::Greater,
            CompareOp::Ge => order != Ordering::Less,
        }
    }
}

/// `left op right` for every row, null where a side is null. Both columns have the same type (DECIMALs may differ in
/// scale; numbers of different types are compared by magnitude, one cell at a time). NaN is only unequal.
pub fn compare_columns(op: CompareOp, left: &ArrayRef, right: &ArrayRef) -> BooleanArray {
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    macro_rules! primitive {
        ($ty:ty) => {
            compared(op, left.as_primitive::<$ty>().values(), right.as_primitive::<$ty>().values())
        };
    }
    let values = match (left.data_type(), right.data_type()) {
        (DataType::Int32, DataType::Int32) => primitive!(Int32Type),
        (DataType::Int64, DataType::Int64) => primitive!(Int64Type),
        (DataType::Float64, DataType::Float64) => primitive!(Float64Type),
        (DataType::Date32, DataType::Date32) => primitive!(Date32Type),
        (DataType::Time32(_), DataType::Time32(_)) => primitive!(Time32MillisecondType),
        (DataType::Timestamp(..), DataType::Timestamp(..)) => primitive!(TimestampMillisecondType),
        (DataType::Decimal128(_, a), DataType::Decimal128(_, b)) if a == b => primitive!(Decimal128Type),
        (DataType::Boolean, DataType::Boolean) => {
            let (a, b) = (left.as_boolean(), right.as_boolean());
            rows(left.len(), |row| op.accepts(a.value(row).cmp(&b.value(row))))
        }
        (DataType::Utf8, DataType::Utf8) => {
            let (a, b) = (left.as_string::<i32>(), right.as_string::<i32>());
            match op {
                CompareOp::Eq => rows(left.len(), |row| a.value(row) == b.value(row)),
                CompareOp::Ne => rows(left.len(), |row| a.value(row) != b.value(row)),
                _ => rows(left.len(), |row| op.accepts(a.value(row).cmp(b.value(row)))),
            }
        }
        (DataType::Binary, DataType::Binary) => {
            let (a, b) = (left.as_binary::<i32>(), right.as_binary::<i32>());
            rows(left.len(), |row| op.accepts(a.value(row).cmp(b.value(row))))
        }
        (DataType::Map(..) | DataType::List(_) | DataType::Struct(_), _) if matches!(op, CompareOp::Eq | CompareOp::Ne) => {
            rows(left.len(), |row| (op == CompareOp::Eq) == same_value(&value_at(left, row), &value_at(right, row)))
        }
        _ => rows(left.len(), |row| op.accepts(value_at(left, row).compare(&value_at(right, row)))),
    };
    BooleanArray::new(values, nulls)
}

/// Are these the same value? Nulls are the same, so are NaNs; the order of a map's entries does not matter.
pub fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.iter().any(|(l, w)| same_value(k, l) && same_value(v, w)))
        }
        (Value::Array(a), Value::Array(b)) | (Value::Struct(a), Value::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| same_value(x, y))
        }
        _ => a.compare(b).is_eq(),
    }
}

/// The operator is chosen outside the loop, so that each loop is a plain pass over two slices.
fn compared<T: Copy + PartialOrd>(op: CompareOp, a: &[T], b: &[T]) -> BooleanBuffer {
    let len = a.len();
    match op {
        CompareOp::Eq => rows(len, |row| a[row] == b[row]),
        CompareOp::Ne => rows(len, |row| a[row] != b[row]),
        CompareOp::Lt => rows(len, |row| a[row] < b[row]),
        CompareOp::Le => rows(len, |row| a[row] <= b[row]),
        CompareOp::Gt => rows(len, |row| a[row] > b[row]),
        CompareOp::Ge => rows(len, |row| a[row] >= b[row]),
    }
}

fn rows(len: usize, accepts: impl Fn(usize) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(len, accepts)
}
