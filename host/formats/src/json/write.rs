//! Cells and values to JSON.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use calzone_types::text::{format_date, format_time, format_timestamp};
use calzone_types::{SqlType, Value, value_at};

use super::plain::plain_len;
use crate::column::{Column, MISMATCH};
use crate::text;

/// How DATE, TIME and TIMESTAMP are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Records: days, milliseconds.
    Storage,
    /// Answers of the REST API: ISO texts.
    Api,
}

/// Appends the value as records hold it: TIMESTAMP in milliseconds since the epoch, DATE in days, TIME in milliseconds,
/// BYTES in base64, DECIMAL as a plain number with its declared scale. A value that is not of type `ty` becomes null.
pub fn write_value(value: &Value, ty: &SqlType, out: &mut Vec<u8>) {
    value_as(Form::Storage, value, ty, out);
}

/// Appends the value as query answers show it: `"2024-02-03T04:05:06.789"`, `"2024-02-03"`, `"04:05:06"`; everything else
/// as [`write_value`] does.
pub fn write_api_value(value: &Value, ty: &SqlType, out: &mut Vec<u8>) {
    value_as(Form::Api, value, ty, out);
}

/// Appends a cell of a column of type `ty` as [`write_api_value`] does. An array of another type gives null.
pub fn write_api_cell(array: &dyn Array, ty: &SqlType, row: usize, out: &mut Vec<u8>) {
    let start = out.len();
    if cell(Form::Api, &Column::of(array, ty), row, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Appends the text in quotes, with quotes, backslashes and control characters escaped.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        write_escaped(*byte, out);
        rest = after;
    }
    out.push(b'"');
}

fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        0..0x20 => return out.extend([b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        itself => itself,
    };
    out.extend([b'\\', short]);
}

/// Appends a cell; null as `null`.
pub(super) fn cell(form: Form, column: &Column<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match column {
        Column::Varchar(array) => write_string(array.value(row), out),
        Column::Integer(array) => text::write_integer(array.value(row), out),
        Column::Bigint(array) => text::write_integer(array.value(row), out),
        Column::Double(array) => double(array.value(row), out),
        Column::Boolean(array) => text::write_boolean(array.value(row), out),
        Column::Decimal(array, scale) => text::write_decimal(array.value(row), *scale, out),
        Column::Bytes(array) => base64(array.value(row), out),
        Column::Date(array) => date(form, array.value(row), out),
        Column::Time(array) => time(form, array.value(row), out),
        Column::Timestamp(array) => timestamp(form, array.value(row), out),
        Column::Nested(array, ty) => return nested(form, *array, ty, row, out),
        Column::Mismatch => return Err(MISMATCH.to_owned()),
    }
    Ok(())
}

fn nested(form: Form, array: &dyn Array, ty: &SqlType, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    match ty {
        SqlType::Array(element) => {
            let list = array.as_list_opt::<i32>().ok_or(MISMATCH)?;
            let items = Column::of(list.values().as_ref(), element);
            out.push(b'[');
            for (at, item) in bounds(list.value_offsets(), row).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                cell(form, &items, item, out)?;
            }
            out.push(b']');
        }
        SqlType::Map(key_type, value_type) => {
            let map = array.as_map_opt().ok_or(MISMATCH)?;
            let values = Column::of(map.values().as_ref(), value_type);
            out.push(b'{');
            for (at, entry) in bounds(map.value_offsets(), row).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                map_key(&value_at(map.keys().as_ref(), entry), key_type, out);
                out.push(b':');
                cell(form, &values, entry, out)?;
            }
            out.push(b'}');
        }
        SqlType::Struct(fields) => {
            let structure = array.as_struct_opt().filter(|s| s.num_columns() == fields.len()).ok_or(MISMATCH)?;
            out.push(b'{');
            for (at, (field, column)) in fields.iter().zip(structure.columns()).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(&field.name, out);
                out.push(b':');
                cell(form, &Column::of(column.as_ref(), &field.ty), row, out)?;
            }
            out.push(b'}');
        }
        _ => return Err(MISMATCH.to_owned()),
    }
    Ok(())
}

/// The elements of a row of a list or map.
fn bounds(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

fn value_as(form: Form, value: &Value, ty: &SqlType, out: &mut Vec<u8>) {
    match (value, ty) {
        (Value::Boolean(v), SqlType::Boolean) => text::write_boolean(*v, out),
        (Value::Integer(v), SqlType::Integer | SqlType::Bigint) => text::write_integer(*v, out),
        (Value::Bigint(v), SqlType::Bigint) => text::write_integer(*v, out),
        (Value::Double(v), SqlType::Double) => double(*v, out),
        (Value::Integer(_) | Value::Bigint(_) | Value::Decimal(_), SqlType::Double) => match value.as_f64() {
            Some(v) => double(v, out),
            None => out.extend_from_slice(b"null"),
        },
        (Value::Integer(_) | Value::Bigint(_) | Value::Decimal(_), SqlType::Decimal { precision, scale }) => {
            match value.to_decimal().and_then(|decimal| decimal.fit(*precision, *scale)) {
                Some(decimal) => text::write_decimal(decimal.unscaled, decimal.scale, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        (Value::Varchar(v), SqlType::Varchar) => write_string(v, out),
        (Value::Bytes(v), SqlType::Bytes) => base64(v, out),
        (Value::Date(v), SqlType::Date) => date(form, *v, out),
        (Value::Time(v), SqlType::Time) => time(form, *v, out),
        (Value::Timestamp(v), SqlType::Timestamp) => timestamp(form, *v, out),
        (Value::Array(items), SqlType::Array(element)) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                value_as(form, item, element, out);
            }
            out.push(b']');
        }
        (Value::Map(entries), SqlType::Map(key_type, value_type)) => {
            out.push(b'{');
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                map_key(key, key_type, out);
                out.push(b':');
                value_as(form, item, value_type, out);
            }
            out.push(b'}');
        }
        (Value::Struct(values), SqlType::Struct(fields)) => {
            out.push(b'{');
            for (at, field) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(&field.name, out);
                out.push(b':');
                value_as(form, values.get(at).unwrap_or(&Value::Null), &field.ty, out);
            }
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

/// Names of objects are strings: keys of other types, which only query answers can have, are put into quotes.
fn map_key(key: &Value, ty: &SqlType, out: &mut Vec<u8>) {
    match key {
        Value::Varchar(key) => write_string(key, out),
        other => {
            let mut plain = Vec::new();
            value_as(Form::Api, other, ty, &mut plain);
            let plain = String::from_utf8_lossy(&plain);
            let unquoted = plain.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&plain);
            write_string(unquoted, out);
        }
    }
}

/// NaN and the infinities are strings, as JSON has no such numbers.
fn double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        return text::write_double(value, out);
    }
    out.push(b'"');
    text::write_double(value, out);
    out.push(b'"');
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    text::write_base64(bytes, out);
    out.push(b'"');
}

fn date(form: Form, days: i32, out: &mut Vec<u8>) {
    match form {
        Form::Storage => text::write_integer(days, out),
        Form::Api => quoted(&format_date(days), out),
    }
}

fn time(form: Form, ms: i32, out: &mut Vec<u8>) {
    match form {
        Form::Storage => text::write_integer(ms, out),
        Form::Api => quoted(&format_time(ms), out),
    }
}

fn timestamp(form: Form, ms: i64, out: &mut Vec<u8>) {
    match form {
        Form::Storage => text::write_integer(ms, out),
        Form::Api => quoted(&format_timestamp(ms), out),
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
