//! Columns: Arrow arrays of any SQL type, built and read a cell at a time.
//!
//! Typed code downcasts (`array.as_primitive::<Int64Type>()`); this module is for the places that
//! do not know the type when they are compiled.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    Time32MillisecondBuilder, TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::{DataType, Field as ArrowField, Fields};

use crate::{Decimal, SqlType, Value};

/// Builds a column of one SQL type.
#[derive(Debug)]
pub enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Integer(Int32Builder),
    Bigint(Int64Builder),
    Double(Float64Builder),
    /// Values are rescaled to the column's scale.
    Decimal {
        builder: Decimal128Builder,
        precision: u16,
        scale: u16,
    },
    Varchar(StringBuilder),
    Bytes(BinaryBuilder),
    Date(Date32Builder),
    Time(Time32MillisecondBuilder),
    Timestamp(TimestampMillisecondBuilder),
    Array {
        element: Box<ColumnBuilder>,
        offsets: Vec<i32>,
        validity: NullBufferBuilder,
        element_type: SqlType,
    },
    Map {
        key: Box<ColumnBuilder>,
        value: Box<ColumnBuilder>,
        offsets: Vec<i32>,
        validity: NullBufferBuilder,
        ty: SqlType,
    },
    Struct {
        fields: Vec<ColumnBuilder>,
        validity: NullBufferBuilder,
        ty: SqlType,
    },
}

impl ColumnBuilder {
    pub fn new(ty: &SqlType, capacity: usize) -> ColumnBuilder {
        match ty {
            SqlType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(capacity)),
            SqlType::Integer => ColumnBuilder::Integer(Int32Builder::with_capacity(capacity)),
            SqlType::Bigint => ColumnBuilder::Bigint(Int64Builder::with_capacity(capacity)),
            SqlType::Double => ColumnBuilder::Double(Float64Builder::with_capacity(capacity)),
            SqlType::Decimal { precision, scale } => ColumnBuilder::Decimal {
                builder: Decimal128Builder::with_capacity(capacity).with_data_type(ty.to_arrow()),
                precision: *precision,
                scale: *scale,
            },
            SqlType::Varchar => ColumnBuilder::Varchar(StringBuilder::with_capacity(capacity, capacity * 16)),
            SqlType::Bytes => ColumnBuilder::Bytes(BinaryBuilder::with_capacity(capacity, capacity * 16)),
            SqlType::Date => ColumnBuilder::Date(Date32Builder::with_capacity(capacity)),
            SqlType::Time => ColumnBuilder::Time(Time32MillisecondBuilder::with_capacity(capacity)),
            SqlType::Timestamp => ColumnBuilder::Timestamp(TimestampMillisecondBuilder::with_capacity(capacity)),
            SqlType::Array(element) => ColumnBuilder::Array {
                element: Box::new(ColumnBuilder::new(element, capacity)),
                offsets: start_offsets(capacity),
                validity: NullBufferBuilder::new(capacity),
                element_type: (**element).clone(),
            },
            SqlType::Map(key, value) => ColumnBuilder::Map {
                key: Box::new(ColumnBuilder::new(key, capacity)),
                value: Box::new(ColumnBuilder::new(value, capacity)),
                offsets: start_offsets(capacity),
                validity: NullBufferBuilder::new(capacity),
                ty: ty.clone(),
            },
            SqlType::Struct(fields) => ColumnBuilder::Struct {
                fields: fields.iter().map(|f| ColumnBuilder::new(&f.ty, capacity)).collect(),
                validity: NullBufferBuilder::new(capacity),
                ty: ty.clone(),
            },
        }
    }

    pub fn push_null(&mut self) {
        match self {
            ColumnBuilder::Boolean(b) => b.append_null(),
            ColumnBuilder::Integer(b) => b.append_null(),
            ColumnBuilder::Bigint(b) => b.append_null(),
            ColumnBuilder::Double(b) => b.append_null(),
            ColumnBuilder::Decimal { builder, .. } => builder.append_null(),
            ColumnBuilder::Varchar(b) => b.append_null(),
            ColumnBuilder::Bytes(b) => b.append_null(),
            ColumnBuilder::Date(b) => b.append_null(),
            ColumnBuilder::Time(b) => b.append_null(),
            ColumnBuilder::Timestamp(b) => b.append_null(),
            ColumnBuilder::Array { element, offsets, validity, .. } => {
                offsets.push(element.len() as i32);
                validity.append_null();
            }
            ColumnBuilder::Map { key, offsets, validity, .. } => {
                offsets.push(key.len() as i32);
                validity.append_null();
            }
            ColumnBuilder::Struct { fields, validity, .. } => {
                fields.iter_mut().for_each(ColumnBuilder::push_null);
                validity.append_null();
            }
        }
    }

    /// Appends a value of the column's type. A value of another type, or a decimal that does not fit, becomes
    /// null: callers convert before; a wrong type here is a fault of the plan, caught in debug builds.
    /// Map entries with a null key are left out, as Arrow has no place for them. Text beyond the 2 GiB of a column is null.
    pub fn push(&mut self, value: &Value) {
        match (&mut *self, value) {
            (b, Value::Null) => b.push_null(),
            (ColumnBuilder::Boolean(b), Value::Boolean(v)) => b.append_value(*v),
            (ColumnBuilder::Integer(b), Value::Integer(v)) => b.append_value(*v),
            (ColumnBuilder::Bigint(b), Value::Bigint(v)) => b.append_value(*v),
            (ColumnBuilder::Bigint(b), Value::Integer(v)) => b.append_value((*v).into()),
            (ColumnBuilder::Double(b), Value::Double(v)) => b.append_value(*v),
            (ColumnBuilder::Double(b), v @ (Value::Integer(_) | Value::Bigint(_) | Value::Decimal(_))) => {
                b.append_option(v.as_f64())
            }
            (
                ColumnBuilder::Decimal { builder, precision, scale },
                v @ (Value::Decimal(_) | Value::Integer(_) | Value::Bigint(_)),
            ) => builder.append_option(v.to_decimal().and_then(|d| d.fit(*precision, *scale)).map(|d| d.unscaled)),
            (ColumnBuilder::Varchar(b), Value::Varchar(v)) => b.append_option(has_room(b.values_slice(), v.len()).then_some(v)),
            (ColumnBuilder::Bytes(b), Value::Bytes(v)) => b.append_option(has_room(b.values_slice(), v.len()).then_some(v)),
            (ColumnBuilder::Date(b), Value::Date(v)) => b.append_value(*v),
            (ColumnBuilder::Time(b), Value::Time(v)) => b.append_value(*v),
            (ColumnBuilder::Timestamp(b), Value::Timestamp(v)) => b.append_value(*v),
            (ColumnBuilder::Array { element, offsets, validity, .. }, Value::Array(items)) => {
                items.iter().for_each(|item| element.push(item));
                offsets.push(element.len() as i32);
                validity.append_non_null();
            }
            (ColumnBuilder::Map { key, value, offsets, validity, .. }, Value::Map(entries)) => {
                for (k, v) in entries.iter().filter(|(k, _)| !k.is_null()) {
                    key.push(k);
                    value.push(v);
                }
                offsets.push(key.len() as i32);
                validity.append_non_null();
            }
            (ColumnBuilder::Struct { fields, validity, .. }, Value::Struct(values)) => {
                debug_assert_eq!(fields.len(), values.len());
                for (i, field) in fields.iter_mut().enumerate() {
                    field.push(values.get(i).unwrap_or(&Value::Null));
                }
                validity.append_non_null();
            }
            (b, v) => {
                debug_assert!(false, "{v:?} pushed into a column of another type");
                b.push_null();
            }
        }
    }

    pub fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            ColumnBuilder::Boolean(b) => b.len(),
            ColumnBuilder::Integer(b) => b.len(),
            ColumnBuilder::Bigint(b) => b.len(),
            ColumnBuilder::Double(b) => b.len(),
            ColumnBuilder::Decimal { builder, .. } => builder.len(),
            ColumnBuilder::Varchar(b) => b.len(),
            ColumnBuilder::Bytes(b) => b.len(),
            ColumnBuilder::Date(b) => b.len(),
            ColumnBuilder::Time(b) => b.len(),
            ColumnBuilder::Timestamp(b) => b.len(),
            ColumnBuilder::Array { validity, .. }
            | ColumnBuilder::Map { validity, .. }
            | ColumnBuilder::Struct { validity, .. } => validity.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            ColumnBuilder::Boolean(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Integer(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Bigint(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Double(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Decimal { mut builder, .. } => Arc::new(builder.finish()),
            ColumnBuilder::Varchar(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Bytes(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Date(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Time(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Timestamp(mut b) => Arc::new(b.finish()),
            ColumnBuilder::Array { element, offsets, mut validity, element_type } => {
                let field = Arc::new(ArrowField::new("item", element_type.to_arrow(), true));
                Arc::new(ListArray::new(field, OffsetBuffer::new(offsets.into()), element.finish(), validity.finish()))
            }
            ColumnBuilder::Map { key, value, offsets, mut validity, ty } => {
                let DataType::Map(entries_field, sorted) = ty.to_arrow() else { unreachable!("a map builder has a map type") };
                let DataType::Struct(entry_fields) = entries_field.data_type().clone() else {
                    unreachable!("entries are structs")
                };
                let entries = StructArray::new(entry_fields, vec![key.finish(), value.finish()], None);
                Arc::new(MapArray::new(entries_field, OffsetBuffer::new(offsets.into()), entries, validity.finish(), sorted))
            }
            ColumnBuilder::Struct { fields, mut validity, ty } => {
                let DataType::Struct(arrow_fields) = ty.to_arrow() else { unreachable!("a struct builder has a struct type") };
                let len = validity.len();
                let nulls = validity.finish();
                if fields.is_empty() {
                    return Arc::new(StructArray::new_empty_fields(len, nulls));
                }
                let fields: Vec<ArrayRef> = fields.into_iter().map(ColumnBuilder::finish).collect();
                Arc::new(StructArray::new(Fields::from(arrow_fields.to_vec()), fields, nulls))
            }
        }
    }
}

/// Do so many more bytes fit the offsets of 32 bits?
fn has_room(taken: &[u8], more: usize) -> bool {
    taken.len().saturating_add(more) <= i32::MAX as usize
}

fn start_offsets(capacity: usize) -> Vec<i32> {
    let mut offsets = Vec::with_capacity(capacity + 1);
    offsets.push(0);
    offsets
}

/// A column of `values`, which must be of type `ty` or null.
pub fn column_from_values<'a>(ty: &SqlType, values: impl IntoIterator<Item = &'a Value>) -> ArrayRef {
    let values = values.into_iter();
    let mut builder = ColumnBuilder::new(ty, values.size_hint().0);
    values.for_each(|v| builder.push(v));
    builder.finish()
}

/// A column of `rows` copies of `value`.
pub fn constant_column(ty: &SqlType, value: &Value, rows: usize) -> ArrayRef {
    let mut builder = ColumnBuilder::new(ty, rows);
    (0..rows).for_each(|_| builder.push(value));
    builder.finish()
}

/// The cell at `row`. The array must have come from a column of some [`SqlType`]; any other Arrow type reads as null.
pub fn value_at(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Int32 => Value::Integer(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::Bigint(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Value::Decimal(Decimal::new(array.as_primitive::<Decimal128Type>().value(row), *scale as u16))
        }
        DataType::Utf8 => Value::Varchar(array.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => Value::Bytes(array.as_binary::<i32>().value(row).to_owned()),
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time32(_) => Value::Time(array.as_primitive::<Time32MillisecondType>().value(row)),
        DataType::Timestamp(..) => Value::Timestamp(array.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|i| value_at(&items, i)).collect())
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            Value::Map((0..entries.len()).map(|i| (value_at(keys, i), value_at(values, i))).collect())
        }
        DataType::Struct(_) => Value::Struct(array.as_struct().columns().iter().map(|c| value_at(c, row)).collect()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    #[test]
    fn nested_values_survive_a_column() {
        let ty = SqlType::structure([
            Field::new("A", SqlType::array(SqlType::decimal(5, 2))),
            Field::new("M", SqlType::map(SqlType::Varchar, SqlType::Timestamp)),
        ]);
        let rows = [
            Value::Struct(vec![
                Value::Array(vec![Value::Decimal(Decimal::new(150, 2)), Value::Null]),
                Value::Map(vec![("k".into(), Value::Timestamp(7)), ("l".into(), Value::Null)]),
            ]),
            Value::Null,
            Value::Struct(vec![Value::Null, Value::Map(vec![])]),
        ];
        let column = column_from_values(&ty, &rows);
        assert_eq!(rows.to_vec(), (0..3).map(|r| value_at(&column, r)).collect::<Vec<_>>());
        assert_eq!(column.data_type(), &ty.to_arrow());
    }
}
