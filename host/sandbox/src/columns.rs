//! Arrow arrays ⇄ the flat buffers that cross to a guest.
//!
//! Going in, buffers are shared, not copied. Coming back nothing is believed: lengths, offsets, UTF-8, nulls in keys and
//! the digits of decimals are checked before an array is made.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType,
    TimestampMillisecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray, new_empty_array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Fields};
use calzone_types::SqlType;

/// One column on its way to a guest; what its buffers hold says `types.wit`.
#[derive(Clone, Debug)]
pub struct Buffers {
    pub length: usize,
    pub validity: Option<Buffer>,
    pub offsets: Option<Buffer>,
    pub data: Option<Buffer>,
}

/// One column as a guest gave it.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    pub length: u32,
    pub validity: Option<Vec<u8>>,
    pub offsets: Option<Vec<u8>>,
    pub data: Option<Vec<u8>>,
}

/// Milliseconds of a day; a TIME lies below.
const DAY_MS: i32 = 86_400_000;

/// Appends the buffers of `array` and, in preorder, of its children. The array must be a column of some [`SqlType`];
/// another is a fault of the plan and an error here.
pub fn encode(array: &dyn Array, out: &mut Vec<Buffers>) -> Result<(), String> {
    let length = array.len();
    let validity = array.nulls().filter(|n| n.null_count() > 0).map(|n| n.inner().sliced());
    let mut push = |offsets: Option<Buffer>, data: Option<Buffer>| {
        out.push(Buffers { length, validity: validity.clone(), offsets, data });
    };
    match array.data_type() {
        DataType::Boolean => push(None, Some(array.as_boolean().values().sliced())),
        DataType::Int32 => push(None, Some(values::<Int32Type>(array))),
        DataType::Int64 => push(None, Some(values::<Int64Type>(array))),
        DataType::Float64 => push(None, Some(values::<Float64Type>(array))),
        DataType::Decimal128(..) => push(None, Some(values::<Decimal128Type>(array))),
        DataType::Date32 => push(None, Some(values::<Date32Type>(array))),
        DataType::Time32(_) => push(None, Some(values::<Time32MillisecondType>(array))),
        DataType::Timestamp(..) => push(None, Some(values::<TimestampMillisecondType>(array))),
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            let (offsets, start, end) = rebased(array.offsets());
            push(Some(offsets), Some(array.values().slice_with_length(start, end - start)));
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            let (offsets, start, end) = rebased(array.offsets());
            push(Some(offsets), Some(array.values().slice_with_length(start, end - start)));
        }
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            let (offsets, start, end) = rebased(array.offsets());
            push(Some(offsets), None);
            encode(&array.values().slice(start, end - start), out)?;
        }
        DataType::Map(..) => {
            let array = array.as_map();
            let (offsets, start, end) = rebased(array.offsets());
            push(Some(offsets), None);
            encode(&array.keys().slice(start, end - start), out)?;
            encode(&array.values().slice(start, end - start), out)?;
        }
        DataType::Struct(_) => {
            push(None, None);
            for field in array.as_struct().columns() {
                encode(field, out)?;
            }
        }
        other => return Err(format!("a column of {other} cannot be given to a plugin")),
    }
    Ok(())
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> Buffer {
    array.as_primitive::<T>().values().inner().clone()
}

/// Offsets that start at 0, and the range that they meant before.
fn rebased(offsets: &OffsetBuffer<i32>) -> (Buffer, usize, usize) {
    // An offset buffer is never empty and never negative.
    let (start, end) = (offsets[0], offsets[offsets.len() - 1]);
    let buffer = if start == 0 {
        offsets.inner().inner().clone()
    } else {
        Buffer::from_vec(offsets.iter().map(|o| o - start).collect::<Vec<i32>>())
    };
    (buffer, start as usize, end as usize)
}

/// Makes the columns of the given types, of `rows` rows each, of all that a guest answered.
pub fn decode<'t>(
    types: impl IntoIterator<Item = &'t SqlType>,
    rows: usize,
    columns: Vec<Answered>,
) -> Result<Vec<ArrayRef>, String> {
    let mut columns = columns.into_iter();
    let arrays = types.into_iter().map(|ty| decode_column(ty, rows, &mut columns)).collect::<Result<Vec<_>, String>>()?;
    match columns.len() {
        0 => Ok(arrays),
        more => Err(format!("{more} columns more than the types have")),
    }
}

fn decode_column(ty: &SqlType, rows: usize, columns: &mut std::vec::IntoIter<Answered>) -> Result<ArrayRef, String> {
    let column = columns.next().ok_or_else(|| format!("no column for {ty}"))?;
    if column.length as usize != rows {
        return Err(format!("a column of {ty} has {} values where {rows} belong", column.length));
    }
    let nulls = column.validity.map(|bits| bitmap(bits, rows)).transpose()?.map(NullBuffer::new);
    let in_type = |e: arrow_schema::ArrowError| format!("a column of {ty}: {e}");
    let data = |data: Option<Vec<u8>>| data.ok_or_else(|| format!("a column of {ty} has no data"));
    let offsets = |bytes: Option<Vec<u8>>| offsets(bytes, rows).map_err(|e| format!("a column of {ty} {e}"));
    Ok(match ty {
        SqlType::Boolean => Arc::new(BooleanArray::new(bitmap(data(column.data)?, rows)?, nulls)),
        SqlType::Integer => primitive::<Int32Type>(data(column.data)?, rows, nulls)?,
        SqlType::Bigint => primitive::<Int64Type>(data(column.data)?, rows, nulls)?,
        SqlType::Double => primitive::<Float64Type>(data(column.data)?, rows, nulls)?,
        SqlType::Date => primitive::<Date32Type>(data(column.data)?, rows, nulls)?,
        SqlType::Timestamp => primitive::<TimestampMillisecondType>(data(column.data)?, rows, nulls)?,
        SqlType::Time => {
            let values = scalars::<i32>(data(column.data)?, rows)?;
            check_values(&values, nulls.as_ref(), |v| (0..DAY_MS).contains(v))
                .map_err(|row| format!("row {row} is no time of a day"))?;
            Arc::new(PrimitiveArray::<Time32MillisecondType>::new(values, nulls))
        }
        SqlType::Decimal { precision, scale } => {
            let values = scalars::<i128>(data(column.data)?, rows)?;
            let limit = 10u128.pow(u32::from(*precision));
            check_values(&values, nulls.as_ref(), |v| v.unsigned_abs() < limit)
                .map_err(|row| format!("row {row} does not fit {ty}"))?;
            Arc::new(
                PrimitiveArray::<Decimal128Type>::new(values, nulls)
                    .with_precision_and_scale(*precision as u8, *scale as i8)
                    .map_err(in_type)?,
            )
        }
        SqlType::Varchar => {
            let (offsets, data) = (offsets(column.offsets)?, data(column.data)?);
            covers(ty, &offsets, data.len())?;
            Arc::new(StringArray::try_new(offsets, Buffer::from_vec(data), nulls).map_err(in_type)?)
        }
        SqlType::Bytes => {
            let (offsets, data) = (offsets(column.offsets)?, data(column.data)?);
            covers(ty, &offsets, data.len())?;
            Arc::new(BinaryArray::try_new(offsets, Buffer::from_vec(data), nulls).map_err(in_type)?)
        }
        SqlType::Array(element) => {
            let offsets = offsets(column.offsets)?;
            let elements = decode_column(element, last(&offsets), columns)?;
            let DataType::List(field) = ty.to_arrow() else { return Err(format!("{ty} is no list")) };
            Arc::new(ListArray::try_new(field, offsets, elements, nulls).map_err(in_type)?)
        }
        SqlType::Map(key, value) => {
            let offsets = offsets(column.offsets)?;
            let keys = decode_column(key, last(&offsets), columns)?;
            let values = decode_column(value, last(&offsets), columns)?;
            let DataType::Map(entries_field, sorted) = ty.to_arrow() else { return Err(format!("{ty} is no map")) };
            let DataType::Struct(fields) = entries_field.data_type().clone() else { return Err(format!("{ty} is no map")) };
            let entries = StructArray::try_new(fields, vec![keys, values], None).map_err(in_type)?;
            Arc::new(MapArray::try_new(entries_field, offsets, entries, nulls, sorted).map_err(in_type)?)
        }
        SqlType::Struct(fields) => {
            let children = fields.iter().map(|f| decode_column(&f.ty, rows, columns)).collect::<Result<Vec<_>, _>>()?;
            let DataType::Struct(arrow_fields) = ty.to_arrow() else { return Err(format!("{ty} is no struct")) };
            if children.is_empty() {
                return Ok(Arc::new(StructArray::new_empty_fields(rows, nulls)));
            }
            Arc::new(StructArray::try_new(Fields::from(arrow_fields.to_vec()), children, nulls).map_err(in_type)?)
        }
    })
}

/// A column of `rows` nulls.
pub(crate) fn nulls(ty: &SqlType, rows: usize) -> ArrayRef {
    if rows == 0 { new_empty_array(&ty.to_arrow()) } else { arrow_array::new_null_array(&ty.to_arrow(), rows) }
}

fn bitmap(bits: Vec<u8>, rows: usize) -> Result<BooleanBuffer, String> {
    if bits.len() != rows.div_ceil(8) {
        return Err(format!("a bitmap of {} bytes for {rows} values", bits.len()));
    }
    Ok(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows))
}

/// `bytes` as values of `T`, without copying if they lie where a `T` may lie.
pub(crate) fn scalars<T: ArrowNativeType>(bytes: Vec<u8>, rows: usize) -> Result<ScalarBuffer<T>, String> {
    let width = size_of::<T>();
    if rows.checked_mul(width) != Some(bytes.len()) {
        return Err(format!("{} bytes for {rows} values of {width} bytes", bytes.len()));
    }
    let aligned = bytes.as_ptr().align_offset(align_of::<T>()) == 0;
    let buffer = if aligned { Buffer::from_vec(bytes) } else { Buffer::from_slice_ref(&bytes) };
    Ok(ScalarBuffer::new(buffer, 0, rows))
}

fn primitive<T: ArrowPrimitiveType>(bytes: Vec<u8>, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, String> {
    Ok(Arc::new(PrimitiveArray::<T>::new(scalars::<T::Native>(bytes, rows)?, nulls)))
}

/// The first row that is there and not `good`.
fn check_values<T: ArrowNativeType>(
    values: &ScalarBuffer<T>,
    nulls: Option<&NullBuffer>,
    good: impl Fn(&T) -> bool,
) -> Result<(), usize> {
    match values.iter().enumerate().position(|(row, v)| !good(v) && nulls.is_none_or(|n| n.is_valid(row))) {
        None => Ok(()),
        Some(row) => Err(row),
    }
}

fn offsets(bytes: Option<Vec<u8>>, rows: usize) -> Result<OffsetBuffer<i32>, String> {
    let bytes = bytes.ok_or("has no offsets")?;
    let offsets = scalars::<i32>(bytes, rows + 1).map_err(|e| format!("has wrong offsets: {e}"))?;
    if offsets[0] != 0 {
        return Err(format!("has offsets that start at {}", offsets[0]));
    }
    if let Some(row) = offsets.windows(2).position(|w| w[1] < w[0]) {
        return Err(format!("has offsets that fall at row {row}"));
    }
    Ok(OffsetBuffer::new(offsets))
}

fn last(offsets: &OffsetBuffer<i32>) -> usize {
    offsets[offsets.len() - 1] as usize
}

fn covers(ty: &SqlType, offsets: &OffsetBuffer<i32>, bytes: usize) -> Result<(), String> {
    if last(offsets) == bytes {
        Ok(())
    } else {
        Err(format!("a column of {ty} has {bytes} bytes of data, its offsets end at {}", last(offsets)))
    }
}

#[cfg(test)]
mod tests {
    use calzone_types::{Field, Value, column_from_values, value_at};

    use super::*;

    fn answered(buffers: Vec<Buffers>) -> Vec<Answered> {
        let bytes = |b: Option<Buffer>| b.map(|b| b.as_slice().to_vec());
        buffers
            .into_iter()
            .map(|b| Answered {
                length: b.length as u32,
                validity: bytes(b.validity),
                offsets: bytes(b.offsets),
                data: bytes(b.data),
            })
            .collect()
    }

    #[test]
    fn slices_of_nested_columns_go_there_and_back() {
        let ty = SqlType::structure([
            Field::new("A", SqlType::array(SqlType::Varchar)),
            Field::new("M", SqlType::map(SqlType::Varchar, SqlType::array(SqlType::Boolean))),
        ]);
        let rows: Vec<Value> = (0..40usize)
            .map(|i| {
                if i % 7 == 3 {
                    return Value::Null;
                }
                let texts = (0..i % 4).map(|n| if n == 2 { Value::Null } else { Value::Varchar("é".repeat(n)) }).collect();
                let map =
                    (0..i % 3).map(|n| (Value::Varchar(n.to_string()), Value::Array(vec![Value::Boolean(n == 1)]))).collect();
                Value::Struct(vec![Value::Array(texts), if i % 5 == 0 { Value::Null } else { Value::Map(map) }])
            })
            .collect();
        let column = column_from_values(&ty, &rows);
        for (start, len) in [(0, 40), (1, 17), (9, 31), (13, 1), (40, 0)] {
            let mut buffers = Vec::new();
            encode(&column.slice(start, len), &mut buffers).unwrap();
            let back = decode([&ty], len, answered(buffers)).unwrap().remove(0);
            assert_eq!(back.data_type(), &ty.to_arrow());
            let values: Vec<Value> = (0..len).map(|r| value_at(&back, r)).collect();
            assert_eq!(values, rows[start..start + len]);
        }
    }

    #[test]
    fn misaligned_bytes_are_copied() {
        let mut bytes = vec![0u8; 16 * 3 + 16];
        bytes.drain(..16);
        assert_eq!(scalars::<i128>(bytes, 3).unwrap().len(), 3);
        assert!(scalars::<i64>(vec![0; 9], 1).is_err());
    }
}
