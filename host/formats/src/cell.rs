//! One decoded cell on its way into a column.

use std::borrow::Cow;

use calzone_types::{ColumnBuilder, Decimal, SqlType, Value};

/// A cell that still borrows from the record where it can. Rows are decoded into cells first and appended to the
/// columns together, so that a faulty field never leaves half a row behind.
#[derive(Debug)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// INTEGER, DATE or TIME.
    Int(i32),
    /// BIGINT or TIMESTAMP.
    Long(i64),
    Double(f64),
    /// Unscaled, in the column's scale.
    Decimal(i128),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Array(Vec<Cell<'a>>),
    /// Entries with distinct keys.
    Map(Vec<(Cell<'a>, Cell<'a>)>),
    /// The fields of a STRUCT in the type's order.
    Struct(Vec<Cell<'a>>),
}

impl Cell<'_> {
    /// Appends the cell to a column of its type and leaves null. Works on the cell in place, as moving it costs more than
    /// appending most cells does.
    #[inline]
    pub(crate) fn append(&mut self, builder: &mut ColumnBuilder) {
        match (&mut *builder, &*self) {
            (ColumnBuilder::Varchar(b), Cell::Text(v)) => b.append_value(v.as_ref()),
            (ColumnBuilder::Bigint(b), Cell::Long(v)) => b.append_value(*v),
            (ColumnBuilder::Integer(b), Cell::Int(v)) => b.append_value(*v),
            (ColumnBuilder::Double(b), Cell::Double(v)) => b.append_value(*v),
            (ColumnBuilder::Boolean(b), Cell::Boolean(v)) => b.append_value(*v),
            (ColumnBuilder::Decimal { builder, .. }, Cell::Decimal(v)) => builder.append_value(*v),
            (ColumnBuilder::Bytes(b), Cell::Bytes(v)) => b.append_value(v.as_ref()),
            (ColumnBuilder::Date(b), Cell::Int(v)) => b.append_value(*v),
            (ColumnBuilder::Time(b), Cell::Int(v)) => b.append_value(*v),
            (ColumnBuilder::Timestamp(b), Cell::Long(v)) => b.append_value(*v),
            (b, Cell::Null) => b.push_null(),
            _ => return self.append_nested(builder),
        }
        *self = Cell::Null;
    }

    fn append_nested(&mut self, builder: &mut ColumnBuilder) {
        match (&mut *builder, std::mem::replace(self, Cell::Null)) {
            (ColumnBuilder::Array { element, offsets, validity, .. }, Cell::Array(mut items)) => {
                items.iter_mut().for_each(|item| item.append(element));
                offsets.push(element.len() as i32);
                validity.append_non_null();
            }
            (ColumnBuilder::Map { key, value, offsets, validity, .. }, Cell::Map(mut entries)) => {
                for (entry_key, entry_value) in &mut entries {
                    entry_key.append(key);
                    entry_value.append(value);
                }
                offsets.push(key.len() as i32);
                validity.append_non_null();
            }
            (ColumnBuilder::Struct { fields, validity, .. }, Cell::Struct(mut cells)) => {
                debug_assert_eq!(fields.len(), cells.len());
                cells.iter_mut().zip(fields).for_each(|(cell, field)| cell.append(field));
                validity.append_non_null();
            }
            (builder, other) => {
                debug_assert!(false, "{other:?} decoded for a column of another type");
                builder.push_null();
            }
        }
    }

    /// The cell as a value of type `ty`, which it was decoded for.
    pub(crate) fn into_value(self, ty: &SqlType) -> Value {
        match (self, ty) {
            (Cell::Null, _) => Value::Null,
            (Cell::Boolean(v), _) => Value::Boolean(v),
            (Cell::Int(v), SqlType::Date) => Value::Date(v),
            (Cell::Int(v), SqlType::Time) => Value::Time(v),
            (Cell::Int(v), _) => Value::Integer(v),
            (Cell::Long(v), SqlType::Timestamp) => Value::Timestamp(v),
            (Cell::Long(v), _) => Value::Bigint(v),
            (Cell::Double(v), _) => Value::Double(v),
            (Cell::Decimal(v), SqlType::Decimal { scale, .. }) => Value::Decimal(Decimal::new(v, *scale)),
            (Cell::Decimal(v), _) => Value::Decimal(Decimal::new(v, 0)),
            (Cell::Text(v), _) => Value::Varchar(v.into_owned()),
            (Cell::Bytes(v), _) => Value::Bytes(v.into_owned()),
            (Cell::Array(items), SqlType::Array(element)) => {
                Value::Array(items.into_iter().map(|item| item.into_value(element)).collect())
            }
            (Cell::Map(entries), SqlType::Map(key, value)) => {
                Value::Map(entries.into_iter().map(|(k, v)| (k.into_value(key), v.into_value(value))).collect())
            }
            (Cell::Struct(cells), SqlType::Struct(fields)) => {
                Value::Struct(cells.into_iter().zip(fields.iter()).map(|(cell, field)| cell.into_value(&field.ty)).collect())
            }
            (Cell::Array(_) | Cell::Map(_) | Cell::Struct(_), _) => Value::Null,
        }
    }
}
