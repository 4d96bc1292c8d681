//! CAST of a column.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Decimal128Array, Float64Array, Int32Array, Int64Array, PrimitiveArray};

use super::arithmetic::without;
use super::value::cast_value;
use crate::column::{ColumnBuilder, value_at};
use crate::decimal::pow10;
use crate::text::{DAY_MS, format_timestamp, parse_date, parse_double, parse_time, parse_timestamp, push_double_java};
use crate::{Decimal, SqlType};

/// Converts every row of a column of type `from` to type `to`, as [`cast_value`] does. The second part has the rows
/// that failed, in order, with the reason; they are null.
pub fn cast_column(column: &ArrayRef, from: &SqlType, to: &SqlType) -> (ArrayRef, Vec<(u32, String)>) {
    if from == to {
        return (column.clone(), Vec::new());
    }
    match fast(column, from, to) {
        Some(cast) => (cast, Vec::new()),
        None => match to {
            SqlType::Integer if *from == SqlType::Varchar => parsed::<Int32Type>(column, to, |text| text.trim().parse().ok()),
            SqlType::Bigint if *from == SqlType::Varchar => parsed::<Int64Type>(column, to, |text| text.trim().parse().ok()),
            SqlType::Double if *from == SqlType::Varchar => parsed::<Float64Type>(column, to, parse_double),
            SqlType::Date if *from == SqlType::Varchar => parsed::<Date32Type>(column, to, parse_date),
            SqlType::Time if *from == SqlType::Varchar => parsed::<Time32MillisecondType>(column, to, parse_time),
            SqlType::Timestamp if *from == SqlType::Varchar => parsed::<TimestampMillisecondType>(column, to, parse_timestamp),
            SqlType::Decimal { precision, scale }
                if matches!(from, SqlType::Integer | SqlType::Bigint | SqlType::Decimal { .. }) =>
            {
                to_decimals(column, from, *precision, *scale)
            }
            _ => row_by_row(column, from, to),
        },
    }
}

/// Conversions that no row can fail in.
fn fast(column: &ArrayRef, from: &SqlType, to: &SqlType) -> Option<ArrayRef> {
    use SqlType::*;
    Some(match (from, to) {
        (Integer, Bigint) => Arc::new(column.as_primitive::<Int32Type>().unary::<_, Int64Type>(i64::from)),
        (Integer, Double) => Arc::new(column.as_primitive::<Int32Type>().unary::<_, Float64Type>(f64::from)),
        (Bigint, Integer) => Arc::new(column.as_primitive::<Int64Type>().unary::<_, Int32Type>(|v| v as i32)),
        (Bigint, Double) => Arc::new(column.as_primitive::<Int64Type>().unary::<_, Float64Type>(|v| v as f64)),
        (Double, Integer) => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Int32Type>(|v| v as i32)),
        (Double, Bigint) => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Int64Type>(|v| v as i64)),
        (Decimal { scale, .. }, Double) => {
            let array: Float64Array = column.as_primitive::<Decimal128Type>().unary(|v| crate::Decimal::new(v, *scale).to_f64());
            Arc::new(array)
        }
        (Decimal { scale, .. }, Integer) => {
            let array: Int32Array =
                column.as_primitive::<Decimal128Type>().unary(|v| crate::Decimal::new(v, *scale).truncate() as i32);
            Arc::new(array)
        }
        (Decimal { scale, .. }, Bigint) => {
            let array: Int64Array =
                column.as_primitive::<Decimal128Type>().unary(|v| crate::Decimal::new(v, *scale).truncate() as i64);
            Arc::new(array)
        }
        (Date, Timestamp) => {
            Arc::new(column.as_primitive::<Date32Type>().unary::<_, TimestampMillisecondType>(|v| i64::from(v) * DAY_MS))
        }
        (Integer, Varchar) => {
            let array = column.as_primitive::<Int32Type>();
            texts(column, |row, out| out.push_str(itoa::Buffer::new().format(array.value(row))))
        }
        (Bigint, Varchar) => {
            let array = column.as_primitive::<Int64Type>();
            texts(column, |row, out| out.push_str(itoa::Buffer::new().format(array.value(row))))
        }
        (Double, Varchar) => {
            let array = column.as_primitive::<Float64Type>();
            texts(column, |row, out| push_double_java(out, array.value(row)))
        }
        (Timestamp, Varchar) => {
            let array = column.as_primitive::<TimestampMillisecondType>();
            texts(column, |row, out| out.push_str(&format_timestamp(array.value(row))))
        }
        (Boolean, Varchar) => {
            let array = column.as_boolean();
            texts(column, |row, out| out.push_str(if array.value(row) { "true" } else { "false" }))
        }
        (Decimal { scale, .. }, Varchar) => {
            let array = column.as_primitive::<Decimal128Type>();
            texts(column, |row, out| {
                let _ = write!(out, "{}", crate::Decimal::new(array.value(row), *scale));
            })
        }
        _ => return None,
    })
}

fn texts(column: &ArrayRef, write: impl Fn(usize, &mut String)) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(column.len(), column.len() * 8);
    let mut text = String::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        write(row, &mut text);
        builder.append_value(&text);
    }
    Arc::new(builder.finish())
}

fn parsed<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    to: &SqlType,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> (ArrayRef, Vec<(u32, String)>) {
    let texts = column.as_string::<i32>();
    let mut errors = Vec::new();
    let rows = texts.iter().enumerate().map(|(row, text)| {
        let text = text?;
        let value = parse(text);
        if value.is_none() {
            let reason = cast_value(&text.into(), &SqlType::Varchar, to).err();
            errors.extend(reason.map(|reason| (row as u32, reason)));
        }
        value
    });
    let array: PrimitiveArray<T> = rows.collect();
    (Arc::new(array), errors)
}

fn to_decimals(column: &ArrayRef, from: &SqlType, precision: u16, scale: u16) -> (ArrayRef, Vec<(u32, String)>) {
    let to = SqlType::decimal(precision, scale);
    let (array, from_scale): (Decimal128Array, u16) = match from {
        SqlType::Integer => (column.as_primitive::<Int32Type>().unary(i128::from), 0),
        SqlType::Bigint => (column.as_primitive::<Int64Type>().unary(i128::from), 0),
        SqlType::Decimal { scale, .. } => (column.as_primitive::<Decimal128Type>().clone(), *scale),
        _ => return row_by_row(column, from, &to),
    };
    let limit = pow10(precision).unwrap_or(i128::MAX);
    let mut errors = Vec::new();
    let mut values = vec![0i128; array.len()];
    for (row, value) in values.iter_mut().enumerate() {
        if array.is_null(row) {
            continue;
        }
        match Decimal::new(array.value(row), from_scale).rescale(scale) {
            Some(d) if d.unscaled > -limit && d.unscaled < limit => *value = d.unscaled,
            _ => errors.extend(cast_value(&value_at(column, row), from, &to).err().map(|reason| (row as u32, reason))),
        }
    }
    let failed: Vec<u32> = errors.iter().map(|(row, _)| *row).collect();
    let nulls = without(array.nulls().cloned(), &failed, array.len());
    (Arc::new(Decimal128Array::new(values.into(), nulls).with_data_type(to.to_arrow())), errors)
}

fn row_by_row(column: &ArrayRef, from: &SqlType, to: &SqlType) -> (ArrayRef, Vec<(u32, String)>) {
    let mut builder = ColumnBuilder::new(to, column.len());
    let mut errors = Vec::new();
    for row in 0..column.len() {
        match cast_value(&value_at(column, row), from, to) {
            Ok(value) => builder.push(&value),
            Err(reason) => {
                builder.push_null();
                errors.push((row as u32, reason));
            }
        }
    }
    (builder.finish(), errors)
}
