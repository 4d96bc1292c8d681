//! Results whose type is known only at run time: [`Value`]s into a column of any type.

use crate::bindings::types::Column;
use crate::column::{ColumnWriter, Validity};
use crate::output::{DecimalWriter, NestedWriter, Output};
use crate::{Decimal, SqlType, Value};

/// A column of any type being written.
pub enum ValueWriter {
    Boolean(<bool as Output>::Writer),
    Decimal(DecimalWriter),
    /// Types of fixed width.
    Fixed(ColumnWriter),
    /// STRING and BYTES.
    Variable(ColumnWriter),
    Array(Box<NestedWriter<ValueWriter>>),
    Map(Box<NestedWriter<(ValueWriter, ValueWriter)>>),
    Struct {
        validity: Validity,
        fields: Vec<ValueWriter>,
        rows: usize,
    },
}

impl Output for Value {
    type Writer = ValueWriter;

    fn accepts(_: &SqlType) -> bool {
        true
    }

    fn writer(ty: &SqlType, rows: usize) -> Result<ValueWriter, String> {
        Ok(match ty {
            SqlType::Boolean => ValueWriter::Boolean(Default::default()),
            SqlType::Decimal { .. } => ValueWriter::Decimal(Decimal::writer(ty, rows)?),
            SqlType::Integer | SqlType::Date | SqlType::Time => ValueWriter::Fixed(ColumnWriter::fixed(4, rows)),
            SqlType::Bigint | SqlType::Double | SqlType::Timestamp => ValueWriter::Fixed(ColumnWriter::fixed(8, rows)),
            SqlType::Varchar | SqlType::Bytes => ValueWriter::Variable(ColumnWriter::variable(rows)),
            SqlType::Array(element) => ValueWriter::Array(Box::new(nested(rows, Value::writer(element, rows)?))),
            SqlType::Map(key, value) => {
                ValueWriter::Map(Box::new(nested(rows, (Value::writer(key, rows)?, Value::writer(value, rows)?))))
            }
            SqlType::Struct(fields) => ValueWriter::Struct {
                validity: Validity::default(),
                fields: fields.iter().map(|(_, ty)| Value::writer(ty, rows)).collect::<Result<_, _>>()?,
                rows: 0,
            },
        })
    }

    fn check(&self, ty: &SqlType) -> Result<(), String> {
        match (self, ty) {
            (Value::Null, _)
            | (Value::Boolean(_), SqlType::Boolean)
            | (Value::Integer(_), SqlType::Integer)
            | (Value::Bigint(_), SqlType::Bigint)
            | (Value::Double(_), SqlType::Double)
            | (Value::Varchar(_), SqlType::Varchar)
            | (Value::Bytes(_), SqlType::Bytes)
            | (Value::Date(_), SqlType::Date)
            | (Value::Time(_), SqlType::Time)
            | (Value::Timestamp(_), SqlType::Timestamp) => Ok(()),
            (Value::Decimal(v), SqlType::Decimal { .. }) => v.check(ty),
            (Value::Array(items), SqlType::Array(element)) => items.iter().try_for_each(|v| v.check(element)),
            (Value::Map(entries), SqlType::Map(key, value)) => entries.iter().try_for_each(|(k, v)| {
                if *k == Value::Null {
                    return Err("a MAP has no null key".to_owned());
                }
                k.check(key).and_then(|()| v.check(value))
            }),
            (Value::Struct(values), SqlType::Struct(fields)) if values.len() == fields.len() => {
                values.iter().zip(fields).try_for_each(|(v, (_, ty))| v.check(ty))
            }
            (value, ty) => Err(format!("{value:?} is not a value of {ty}")),
        }
    }

    fn push(self, writer: &mut ValueWriter) {
        match (&mut *writer, self) {
            (ValueWriter::Boolean(w), Value::Boolean(v)) => v.push(w),
            (ValueWriter::Decimal(w), Value::Decimal(v)) => v.push(w),
            (ValueWriter::Fixed(column), Value::Integer(v)) => column.push_fixed(v.to_le_bytes()),
            (ValueWriter::Fixed(column), Value::Bigint(v)) => column.push_fixed(v.to_le_bytes()),
            (ValueWriter::Fixed(column), Value::Double(v)) => column.push_fixed(v.to_le_bytes()),
            (ValueWriter::Fixed(column), Value::Date(v)) => column.push_fixed(v.0.to_le_bytes()),
            (ValueWriter::Fixed(column), Value::Time(v)) => column.push_fixed(v.0.to_le_bytes()),
            (ValueWriter::Fixed(column), Value::Timestamp(v)) => column.push_fixed(v.0.to_le_bytes()),
            (ValueWriter::Variable(w), Value::Varchar(v)) => w.push_bytes(v.as_bytes()),
            (ValueWriter::Variable(w), Value::Bytes(v)) => w.push_bytes(&v),
            (ValueWriter::Array(w), Value::Array(items)) => {
                w.elements += items.len();
                items.into_iter().for_each(|v| v.push(&mut w.children));
                w.column.end(w.elements);
            }
            (ValueWriter::Map(w), Value::Map(entries)) => {
                w.elements += entries.len();
                for (key, value) in entries {
                    key.push(&mut w.children.0);
                    value.push(&mut w.children.1);
                }
                w.column.end(w.elements);
            }
            (ValueWriter::Struct { validity, fields, rows }, Value::Struct(values)) => {
                fields.iter_mut().zip(values).for_each(|(w, v)| v.push(w));
                validity.push_valid();
                *rows += 1;
            }
            // `check` let only null through besides.
            (writer, _) => Value::push_null(writer),
        }
    }

    fn push_null(writer: &mut ValueWriter) {
        match writer {
            ValueWriter::Boolean(w) => bool::push_null(w),
            ValueWriter::Decimal(w) => Decimal::push_null(w),
            ValueWriter::Fixed(column) | ValueWriter::Variable(column) => column.push_null(),
            ValueWriter::Array(w) => w.column.push_null(),
            ValueWriter::Map(w) => w.column.push_null(),
            ValueWriter::Struct { validity, fields, rows } => {
                fields.iter_mut().for_each(Value::push_null);
                validity.push_null(*rows);
                *rows += 1;
            }
        }
    }

    fn finish(writer: ValueWriter, columns: &mut Vec<Column>) {
        match writer {
            ValueWriter::Boolean(w) => bool::finish(w, columns),
            ValueWriter::Decimal(w) => Decimal::finish(w, columns),
            ValueWriter::Fixed(column) | ValueWriter::Variable(column) => columns.push(column.finish(true)),
            ValueWriter::Array(w) => {
                columns.push(w.column.finish(false));
                Value::finish(w.children, columns);
            }
            ValueWriter::Map(w) => {
                columns.push(w.column.finish(false));
                Value::finish(w.children.0, columns);
                Value::finish(w.children.1, columns);
            }
            ValueWriter::Struct { validity, fields, rows } => {
                columns.push(Column { length: rows as u32, validity: validity.into_bytes(), offsets: None, data: None });
                fields.into_iter().for_each(|f| Value::finish(f, columns));
            }
        }
    }
}

fn nested<W>(rows: usize, children: W) -> NestedWriter<W> {
    NestedWriter { column: ColumnWriter::variable(rows), elements: 0, children }
}
