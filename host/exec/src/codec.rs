//! Bytes of keys and rows in the state stores.
//!
//! Keys are order-preserving: the bytes of two keys compare as their values do, and no key is a prefix of another, so a
//! store can be scanned by key, by prefix of columns, or by a time put before or after the key. Rows are compact: a
//! version, the row's timestamp, then one cell after the other, whose types the reader must know.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use calzone_types::{ColumnBuilder, Decimal, SqlType, Value, value_at};

/// First byte of a row.
const ROW_VERSION: u8 = 1;
const NULL: u8 = 0;
const PRESENT: u8 = 1;

/// The bytes in a store are not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry of a state store cannot be read: it is damaged or was written by another version")]
pub struct DecodeError;

/// Appends the key cell at `row`.
pub fn write_key_cell(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    if array.is_null(row) {
        return out.push(NULL);
    }
    match array.data_type() {
        DataType::Utf8 => {
            out.push(PRESENT);
            write_terminated(array.as_string::<i32>().value(row).as_bytes(), out);
        }
        DataType::Int64 => {
            out.push(PRESENT);
            out.extend_from_slice(&ordered_i64(array.as_primitive::<Int64Type>().value(row)));
        }
        DataType::Int32 => {
            out.push(PRESENT);
            out.extend_from_slice(&ordered_i32(array.as_primitive::<Int32Type>().value(row)));
        }
        _ => write_key_value(&value_at(array, row), out),
    }
}

/// Appends all key cells of `row`.
pub fn write_key(columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
    for column in columns {
        write_key_cell(column, row, out);
    }
}

/// Appends a key cell from a value, which must have exactly the column's type.
pub fn write_key_value(value: &Value, out: &mut Vec<u8>) {
    out.push(if value.is_null() { NULL } else { PRESENT });
    match value {
        Value::Null => {}
        Value::Boolean(v) => out.push(u8::from(*v)),
        Value::Integer(v) | Value::Date(v) | Value::Time(v) => out.extend_from_slice(&ordered_i32(*v)),
        Value::Bigint(v) | Value::Timestamp(v) => out.extend_from_slice(&ordered_i64(*v)),
        Value::Double(v) => {
            let bits = v.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            out.extend_from_slice(&ordered.to_be_bytes());
        }
        Value::Decimal(v) => out.extend_from_slice(&((v.unscaled as u128) ^ (1 << 127)).to_be_bytes()),
        Value::Varchar(v) => write_terminated(v.as_bytes(), out),
        Value::Bytes(v) => write_terminated(v, out),
        Value::Array(items) => {
            for item in items {
                out.push(PRESENT);
                write_key_value(item, out);
            }
            out.push(NULL);
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                out.push(PRESENT);
                write_key_value(key, out);
                write_key_value(value, out);
            }
            out.push(NULL);
        }
        Value::Struct(fields) => fields.iter().for_each(|field| write_key_value(field, out)),
    }
}

/// Reads one key cell and moves `bytes` behind it.
pub fn read_key_value(ty: &SqlType, bytes: &mut &[u8]) -> Result<Value, DecodeError> {
    if take(bytes, 1)?[0] == NULL {
        return Ok(Value::Null);
    }
    Ok(match ty {
        SqlType::Boolean => Value::Boolean(take(bytes, 1)?[0] != 0),
        SqlType::Integer => Value::Integer(read_ordered_i32(bytes)?),
        SqlType::Date => Value::Date(read_ordered_i32(bytes)?),
        SqlType::Time => Value::Time(read_ordered_i32(bytes)?),
        SqlType::Bigint => Value::Bigint(read_time(bytes)?),
        SqlType::Timestamp => Value::Timestamp(read_time(bytes)?),
        SqlType::Double => {
            let ordered = u64::from_be_bytes(array_of(take(bytes, 8)?));
            Value::Double(f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered }))
        }
        SqlType::Decimal { scale, .. } => {
            let ordered = u128::from_be_bytes(array_of(take(bytes, 16)?));
            Value::Decimal(Decimal::new((ordered ^ (1 << 127)) as i128, *scale))
        }
        SqlType::Varchar => Value::Varchar(String::from_utf8(read_terminated(bytes)?).map_err(|_| DecodeError)?),
        SqlType::Bytes => Value::Bytes(read_terminated(bytes)?),
        SqlType::Array(element) => {
            let mut items = Vec::new();
            while take(bytes, 1)?[0] == PRESENT {
                items.push(read_key_value(element, bytes)?);
            }
            Value::Array(items)
        }
        SqlType::Map(key, value) => {
            let mut entries = Vec::new();
            while take(bytes, 1)?[0] == PRESENT {
                entries.push((read_key_value(key, bytes)?, read_key_value(value, bytes)?));
            }
            Value::Map(entries)
        }
        SqlType::Struct(fields) => {
            Value::Struct(fields.iter().map(|field| read_key_value(&field.ty, bytes)).collect::<Result<_, _>>()?)
        }
    })
}

/// A time that sorts, negative ones first: 8 bytes.
pub fn ordered_i64(value: i64) -> [u8; 8] {
    ((value as u64) ^ (1 << 63)).to_be_bytes()
}

fn ordered_i32(value: i32) -> [u8; 4] {
    ((value as u32) ^ (1 << 31)).to_be_bytes()
}

/// Reads what [`ordered_i64`] wrote.
pub fn read_time(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    Ok((u64::from_be_bytes(array_of(take(bytes, 8)?)) ^ (1 << 63)) as i64)
}

fn read_ordered_i32(bytes: &mut &[u8]) -> Result<i32, DecodeError> {
    Ok((u32::from_be_bytes(array_of(take(bytes, 4)?)) ^ (1 << 31)) as i32)
}

/// Zero bytes are escaped as 00 FF, the end is 00 00.
fn write_terminated(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b == 0) {
        out.extend_from_slice(&rest[..=at]);
        out.push(0xFF);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
}

fn read_terminated(bytes: &mut &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut content = Vec::new();
    loop {
        let at = bytes.iter().position(|b| *b == 0).ok_or(DecodeError)?;
        content.extend_from_slice(take(bytes, at)?);
        match take(bytes, 2)?[1] {
            0 => return Ok(content),
            _ => content.push(0),
        }
    }
}

/// The first key after all keys that begin with `prefix`; empty (no end) if there is none.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// Starts a row: the cells follow.
pub fn start_row(timestamp: i64, out: &mut Vec<u8>) {
    out.push(ROW_VERSION);
    write_integer(timestamp, out);
}

/// Appends a row made of the cells of `columns` at `row`.
pub fn write_row(timestamp: i64, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) {
    start_row(timestamp, out);
    for column in columns {
        write_cell(column, row, out);
    }
}

/// Reads the head of a row: its timestamp.
pub fn read_row_start(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    match take(bytes, 1)?[0] {
        ROW_VERSION => read_integer(bytes),
        _ => Err(DecodeError),
    }
}

/// Reads a whole row into builders, one per column, and gives its timestamp. On an error some builders may have a cell more.
pub fn read_row_into(types: &[SqlType], mut bytes: &[u8], builders: &mut [ColumnBuilder]) -> Result<i64, DecodeError> {
    let timestamp = read_row_start(&mut bytes)?;
    for (ty, builder) in types.iter().zip(builders) {
        read_cell_into(ty, &mut bytes, builder)?;
    }
    Ok(timestamp)
}

/// Reads a whole row.
pub fn read_row(types: &[SqlType], mut bytes: &[u8]) -> Result<(i64, Vec<Value>), DecodeError> {
    let timestamp = read_row_start(&mut bytes)?;
    let values = types.iter().map(|ty| read_value(ty, &mut bytes)).collect::<Result<_, _>>()?;
    Ok((timestamp, values))
}

/// Appends the cell at `row`.
pub fn write_cell(array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    if array.is_null(row) {
        return out.push(NULL);
    }
    match array.data_type() {
        DataType::Utf8 => {
            out.push(PRESENT);
            write_bytes(array.as_string::<i32>().value(row).as_bytes(), out);
        }
        DataType::Int64 => {
            out.push(PRESENT);
            write_integer(array.as_primitive::<Int64Type>().value(row), out);
        }
        DataType::Int32 => {
            out.push(PRESENT);
            write_integer(array.as_primitive::<Int32Type>().value(row).into(), out);
        }
        DataType::Float64 => {
            out.push(PRESENT);
            out.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_le_bytes());
        }
        DataType::Date32 => {
            out.push(PRESENT);
            write_integer(array.as_primitive::<Date32Type>().value(row).into(), out);
        }
        DataType::Time32(_) => {
            out.push(PRESENT);
            write_integer(array.as_primitive::<Time32MillisecondType>().value(row).into(), out);
        }
        DataType::Timestamp(..) => {
            out.push(PRESENT);
            write_integer(array.as_primitive::<TimestampMillisecondType>().value(row), out);
        }
        DataType::Decimal128(..) => {
            out.push(PRESENT);
            out.extend_from_slice(&array.as_primitive::<Decimal128Type>().value(row).to_le_bytes());
        }
        _ => write_untyped(&value_at(array, row), out),
    }
}

/// Appends a value of type `ty`, or null; an integer is widened and a decimal rescaled where the type says so.
pub fn write_value(ty: &SqlType, value: &Value, out: &mut Vec<u8>) {
    match (ty, value) {
        (SqlType::Decimal { precision, scale }, v) if !v.is_null() => {
            match v.to_decimal().and_then(|d| d.fit(*precision, *scale)) {
                Some(d) => write_untyped(&Value::Decimal(d), out),
                None => out.push(NULL),
            }
        }
        (SqlType::Double, v) if !v.is_null() => match v.as_f64() {
            Some(v) => write_untyped(&Value::Double(v), out),
            None => out.push(NULL),
        },
        (SqlType::Array(element), Value::Array(items)) => {
            out.push(PRESENT);
            write_length(items.len(), out);
            items.iter().for_each(|item| write_value(element, item, out));
        }
        (SqlType::Map(key_type, value_type), Value::Map(entries)) => {
            out.push(PRESENT);
            write_length(entries.len(), out);
            for (key, value) in entries {
                write_value(key_type, key, out);
                write_value(value_type, value, out);
            }
        }
        (SqlType::Struct(fields), Value::Struct(values)) => {
            out.push(PRESENT);
            for (i, field) in fields.iter().enumerate() {
                write_value(&field.ty, values.get(i).unwrap_or(&Value::Null), out);
            }
        }
        (_, v) => write_untyped(v, out),
    }
}

fn write_untyped(value: &Value, out: &mut Vec<u8>) {
    out.push(if value.is_null() { NULL } else { PRESENT });
    match value {
        Value::Null => {}
        Value::Boolean(v) => out.push(u8::from(*v)),
        Value::Integer(v) | Value::Date(v) | Value::Time(v) => write_integer((*v).into(), out),
        Value::Bigint(v) | Value::Timestamp(v) => write_integer(*v, out),
        Value::Double(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Decimal(v) => out.extend_from_slice(&v.unscaled.to_le_bytes()),
        Value::Varchar(v) => write_bytes(v.as_bytes(), out),
        Value::Bytes(v) => write_bytes(v, out),
        Value::Array(items) => {
            write_length(items.len(), out);
            items.iter().for_each(|item| write_untyped(item, out));
        }
        Value::Map(entries) => {
            write_length(entries.len(), out);
            for (key, value) in entries {
                write_untyped(key, out);
                write_untyped(value, out);
            }
        }
        Value::Struct(fields) => fields.iter().for_each(|field| write_untyped(field, out)),
    }
}

/// Reads a cell and moves `bytes` behind it.
pub fn read_value(ty: &SqlType, bytes: &mut &[u8]) -> Result<Value, DecodeError> {
    if take(bytes, 1)?[0] == NULL {
        return Ok(Value::Null);
    }
    Ok(match ty {
        SqlType::Boolean => Value::Boolean(take(bytes, 1)?[0] != 0),
        SqlType::Integer => Value::Integer(read_integer(bytes)? as i32),
        SqlType::Date => Value::Date(read_integer(bytes)? as i32),
        SqlType::Time => Value::Time(read_integer(bytes)? as i32),
        SqlType::Bigint => Value::Bigint(read_integer(bytes)?),
        SqlType::Timestamp => Value::Timestamp(read_integer(bytes)?),
        SqlType::Double => Value::Double(f64::from_le_bytes(array_of(take(bytes, 8)?))),
        SqlType::Decimal { scale, .. } => Value::Decimal(Decimal::new(i128::from_le_bytes(array_of(take(bytes, 16)?)), *scale)),
        SqlType::Varchar => Value::Varchar(std::str::from_utf8(read_bytes(bytes)?).map_err(|_| DecodeError)?.to_owned()),
        SqlType::Bytes => Value::Bytes(read_bytes(bytes)?.to_owned()),
        SqlType::Array(element) => {
            let count = read_length(bytes)?;
            Value::Array((0..count).map(|_| read_value(element, bytes)).collect::<Result<_, _>>()?)
        }
        SqlType::Map(key, value) => {
            let count = read_length(bytes)?;
            Value::Map((0..count).map(|_| Ok((read_value(key, bytes)?, read_value(value, bytes)?))).collect::<Result<_, _>>()?)
        }
        SqlType::Struct(fields) => {
            Value::Struct(fields.iter().map(|field| read_value(&field.ty, bytes)).collect::<Result<_, _>>()?)
        }
    })
}

/// Reads a cell into a column of its type and moves `bytes` behind it. After an error nothing was appended.
pub fn read_cell_into(ty: &SqlType, bytes: &mut &[u8], builder: &mut ColumnBuilder) -> Result<(), DecodeError> {
    // What rows are mostly made of goes from the bytes into the column without a value between.
    match builder {
        ColumnBuilder::Varchar(builder) => match take(bytes, 1)?[0] {
            NULL => builder.append_null(),
            _ => builder.append_value(std::str::from_utf8(read_bytes(bytes)?).map_err(|_| DecodeError)?),
        },
        ColumnBuilder::Bigint(builder) => match take(bytes, 1)?[0] {
            NULL => builder.append_null(),
            _ => builder.append_value(read_integer(bytes)?),
        },
        ColumnBuilder::Integer(builder) => match take(bytes, 1)?[0] {
            NULL => builder.append_null(),
            _ => builder.append_value(read_integer(bytes)? as i32),
        },
        ColumnBuilder::Double(builder) => match take(bytes, 1)?[0] {
            NULL => builder.append_null(),
            _ => builder.append_value(f64::from_le_bytes(array_of(take(bytes, 8)?))),
        },
        ColumnBuilder::Timestamp(builder) => match take(bytes, 1)?[0] {
            NULL => builder.append_null(),
            _ => builder.append_value(read_integer(bytes)?),
        },
        _ => builder.push(&read_value(ty, bytes)?),
    }
    Ok(())
}

/// LEB128 of the zigzag form: small magnitudes take few bytes.
pub fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Reads what [`write_integer`] wrote.
pub fn read_integer(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(DecodeError)
}

/// Appends a length and the bytes.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Reads what [`write_bytes`] wrote.
pub fn read_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = read_length(bytes)?;
    take(bytes, length)
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    write_integer(length as i64, out);
}

fn read_length(bytes: &mut &[u8]) -> Result<usize, DecodeError> {
    usize::try_from(read_integer(bytes)?).ok().filter(|length| *length <= bytes.len()).ok_or(DecodeError)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (head, tail) = bytes.split_at_checked(length).ok_or(DecodeError)?;
    *bytes = tail;
    Ok(head)
}

fn array_of<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_types::{Field, column_from_values};

    #[test]
    fn keys_sort_as_their_values() {
        let ascending = |values: &[Value]| {
            let keys: Vec<Vec<u8>> = values
                .iter()
                .map(|value| {
                    let mut key = Vec::new();
                    write_key_value(value, &mut key);
                    key
                })
                .collect();
            assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        };
        ascending(&[Value::Null, Value::Bigint(i64::MIN), Value::Bigint(-1), Value::Bigint(0), Value::Bigint(i64::MAX)]);
        ascending(&[Value::Double(f64::NEG_INFINITY), Value::Double(-1.5), Value::Double(0.0), Value::Double(2.0)]);
        ascending(&["".into(), "\0".into(), "\0a".into(), "a".into(), "a\0".into(), "aa".into(), "b".into()]);
        ascending(&[Value::Array(vec![]), Value::Array(vec![Value::Null]), Value::Array(vec![Value::Integer(1)])]);
        ascending(&[Value::Decimal(Decimal::new(-5, 1)), Value::Decimal(Decimal::new(3, 1))]);
    }

    #[test]
    fn keys_and_rows_are_read_back() {
        let ty = SqlType::structure([
            Field::new("A", SqlType::array(SqlType::Varchar)),
            Field::new("M", SqlType::map(SqlType::Varchar, SqlType::decimal(5, 2))),
            Field::new("D", SqlType::Double),
            Field::new("T", SqlType::Time),
        ]);
        let value = Value::Struct(vec![
            Value::Array(vec!["a\0b".into(), Value::Null]),
            Value::Map(vec![("k".into(), Value::Decimal(Decimal::new(-125, 2)))]),
            Value::Double(-0.5),
            Value::Time(7),
        ]);
        let mut key = Vec::new();
        write_key_value(&value, &mut key);
        let mut rest = key.as_slice();
        assert_eq!(read_key_value(&ty, &mut rest), Ok(value.clone()));
        assert!(rest.is_empty());

        let column = column_from_values(&ty, [&value, &Value::Null]);
        for (row, expected) in [value, Value::Null].iter().enumerate() {
            let mut bytes = Vec::new();
            write_row(-3, std::slice::from_ref(&column), row, &mut bytes);
            assert_eq!(read_row(std::slice::from_ref(&ty), &bytes), Ok((-3, vec![expected.clone()])));
            for cut in 0..bytes.len() {
                assert!(read_row(std::slice::from_ref(&ty), &bytes[..cut]).is_err());
            }
        }
    }

    #[test]
    fn states_take_the_type_that_is_stored() {
        let mut bytes = Vec::new();
        write_value(&SqlType::decimal(6, 2), &Value::Decimal(Decimal::new(5, 0)), &mut bytes);
        write_value(&SqlType::Bigint, &Value::Integer(9), &mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(read_value(&SqlType::decimal(6, 2), &mut rest), Ok(Value::Decimal(Decimal::new(500, 2))));
        assert_eq!(read_value(&SqlType::Bigint, &mut rest), Ok(Value::Bigint(9)));
    }
}
