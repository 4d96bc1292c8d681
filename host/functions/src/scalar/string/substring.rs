//! `SUBSTRING(text, position[, length])`, and of bytes.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value};

use super::utf16;
use crate::definition::category;
use crate::evaluate::{columnar, per_row_of_values};
use crate::{Binding, Scalar, ScalarDefinition, ScalarOverload, Signature};

/// Setting that brings back the first releases' meaning: zero-based start and end.
const LEGACY: &str = "legacy.args";

pub fn definition() -> ScalarDefinition {
    let signature = |ty: SqlType, with_length: bool| {
        let input = if ty == SqlType::Bytes { "bytes" } else { "str" };
        let mut parameters = vec![(input, ty.clone()), ("pos", SqlType::Integer)];
        if with_length {
            parameters.push(("length", SqlType::Integer));
        }
        Signature::of(&parameters, ty)
    };
    ScalarDefinition::built_in(
        "SUBSTRING",
        category::STRING,
        "The part of a text or of bytes that begins at pos, the first character being 1, and has at most length characters. \
         A negative pos counts from the end.",
        vec![
            ScalarOverload::new("", signature(SqlType::Varchar, false), of_text),
            ScalarOverload::new("", signature(SqlType::Varchar, true), of_text),
            ScalarOverload::new("", signature(SqlType::Bytes, false), |_| columnar(bytes_parts)),
            ScalarOverload::new("", signature(SqlType::Bytes, true), |_| columnar(bytes_parts)),
        ],
        &[("SUBSTRING('stream', 1, 4)", "\"stre\""), ("SUBSTRING('stream', -3)", "\"eam\"")],
    )
}

fn of_text(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    let legacy = binding.properties.get(LEGACY).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if legacy { per_row_of_values(&binding.returns, legacy_part) } else { columnar(text_parts) }
}

fn text_parts(columns: &[ArrayRef], rows: usize) -> ArrayRef {
    let texts = columns[0].as_string::<i32>();
    let ascii = texts.is_ascii();
    let mut builder = StringBuilder::with_capacity(rows, texts.value_data().len());
    for row in 0..rows {
        if columns.iter().any(|c| c.is_null(row)) {
            builder.append_null();
            continue;
        }
        let text = texts.value(row);
        let total = if ascii { text.len() } else { utf16::length(text) };
        let (start, end) = range(columns, row, total);
        builder.append_value(if ascii {
            &text[start..end]
        } else {
            &text[utf16::byte_position(text, start)..utf16::byte_position(text, end)]
        });
    }
    Arc::new(builder.finish())
}

fn bytes_parts(columns: &[ArrayRef], rows: usize) -> ArrayRef {
    let bytes = columns[0].as_binary::<i32>();
    let mut builder = BinaryBuilder::with_capacity(rows, bytes.value_data().len());
    for row in 0..rows {
        if columns.iter().any(|c| c.is_null(row)) {
            builder.append_null();
            continue;
        }
        let whole = bytes.value(row);
        let (start, end) = range(columns, row, whole.len());
        builder.append_value(&whole[start..end]);
    }
    Arc::new(builder.finish())
}

/// First position and the position behind the last, both within `total`.
fn range(columns: &[ArrayRef], row: usize, total: usize) -> (usize, usize) {
    let position = i64::from(columns[1].as_primitive::<Int32Type>().value(row));
    let total = total as i64;
    let start = if position < 0 { (total + position).max(0) } else { (position - 1).clamp(0, total) };
    let end = match columns.get(2) {
        Some(lengths) => (start + i64::from(lengths.as_primitive::<Int32Type>().value(row))).clamp(start, total),
        None => total,
    };
    (start as usize, end as usize)
}

/// Start and end count from zero and must lie within the text.
fn legacy_part(values: &[Value]) -> Result<Value, String> {
    let (Some(text), Some(start)) = (values[0].as_str(), values[1].as_i64()) else { return Ok(Value::Null) };
    let total = utf16::length(text) as i64;
    let end = values.get(2).and_then(Value::as_i64).unwrap_or(total).min(total);
    if start < 0 || start > end {
        return Err(format!("SUBSTRING cannot take positions {start} to {end} of a text of {total} characters."));
    }
    let (from, to) = (utf16::byte_position(text, start as usize), utf16::byte_position(text, end as usize));
    Ok(Value::from(&text[from..to]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{call_with, check, text};

    #[test]
    fn positions_count_from_one_or_from_the_end() {
        let int = Value::Integer;
        for (position, length, expected) in [
            (1, None, "stream"),
            (0, None, "stream"),
            (4, None, "eam"),
            (9, None, ""),
            (-2, None, "am"),
            (-9, None, "stream"),
            (2, Some(3), "tre"),
            (2, Some(-1), ""),
            (-3, Some(2), "ea"),
            (0, Some(2), "st"),
            (5, Some(i32::MAX), "am"),
        ] {
            let mut arguments = vec![text("stream"), int(position)];
            arguments.extend(length.map(int));
            check(definition, &[(&arguments, text(expected))]);
        }
        check(definition, &[(&[text("a😀b"), int(2), int(2)], text("😀"))]);
        check(definition, &[(&[text("abc"), Value::Null], Value::Null)]);
        check(definition, &[(&[Value::Bytes(vec![1, 2, 3]), int(2), int(1)], Value::Bytes(vec![2]))]);
    }

    #[test]
    fn legacy_arguments_are_start_and_end() {
        let settings = [("ksql.functions.substring.legacy.args", "true")];
        let call = |a: i32, b: i32| call_with(definition(), &[text("stream"), Value::Integer(a), Value::Integer(b)], &settings);
        assert_eq!(call(1, 3), Ok(text("tr")));
        assert!(call(4, 3).is_err());
    }
}
