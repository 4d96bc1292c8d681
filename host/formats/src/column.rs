//! Columns with their types resolved once a batch, for encoders.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
    Time32MillisecondArray, TimestampMillisecondArray,
};
use calzone_types::SqlType;

use crate::FormatColumn;

/// A column behind its concrete type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column<'a> {
    Boolean(&'a BooleanArray),
    Integer(&'a Int32Array),
    Bigint(&'a Int64Array),
    Double(&'a Float64Array),
    Decimal(&'a Decimal128Array, u16),
    Varchar(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time32MillisecondArray),
    Timestamp(&'a TimestampMillisecondArray),
    Nested(&'a dyn Array, &'a SqlType),
    /// The array is not of the declared type: a fault of the plan.
    Mismatch,
}

impl<'a> Column<'a> {
    pub(crate) fn of(array: &'a dyn Array, ty: &'a SqlType) -> Column<'a> {
        let column = match ty {
            SqlType::Boolean => array.as_boolean_opt().map(Column::Boolean),
            SqlType::Integer => array.as_primitive_opt::<Int32Type>().map(Column::Integer),
            SqlType::Bigint => array.as_primitive_opt::<Int64Type>().map(Column::Bigint),
            SqlType::Double => array.as_primitive_opt::<Float64Type>().map(Column::Double),
            SqlType::Decimal { scale, .. } => {
                array.as_primitive_opt::<Decimal128Type>().map(|array| Column::Decimal(array, *scale))
            }
            SqlType::Varchar => array.as_string_opt::<i32>().map(Column::Varchar),
            SqlType::Bytes => array.as_binary_opt::<i32>().map(Column::Bytes),
            SqlType::Date => array.as_primitive_opt::<Date32Type>().map(Column::Date),
            SqlType::Time => array.as_primitive_opt::<Time32MillisecondType>().map(Column::Time),
            SqlType::Timestamp => array.as_primitive_opt::<TimestampMillisecondType>().map(Column::Timestamp),
            SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => Some(Column::Nested(array, ty)),
        };
        column.unwrap_or(Column::Mismatch)
    }

    /// The columns of a batch, in the declared order.
    pub(crate) fn bind(declared: &'a [FormatColumn], arrays: &'a [ArrayRef]) -> Vec<Column<'a>> {
        debug_assert_eq!(declared.len(), arrays.len(), "one array a column");
        declared.iter().zip(arrays).map(|(column, array)| Column::of(array.as_ref(), &column.ty)).collect()
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Boolean(array) => array.is_null(row),
            Column::Integer(array) => array.is_null(row),
            Column::Bigint(array) => array.is_null(row),
            Column::Double(array) => array.is_null(row),
            Column::Decimal(array, _) => array.is_null(row),
            Column::Varchar(array) => array.is_null(row),
            Column::Bytes(array) => array.is_null(row),
            Column::Date(array) => array.is_null(row),
            Column::Time(array) => array.is_null(row),
            Column::Timestamp(array) => array.is_null(row),
            Column::Nested(array, _) => array.is_null(row),
            Column::Mismatch => false,
        }
    }
}

/// What an encoder answers for a [`Column::Mismatch`].
pub(crate) const MISMATCH: &str = "a column does not have the type that its schema declares; the query's plan is faulty";
