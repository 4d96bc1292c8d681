//! Which Rust types a result can have, and how they are written into a column.

use std::collections::BTreeMap;

use crate::argument::Element;
use crate::bindings::types::Column;
use crate::column::{Bitmap, ColumnWriter, Validity};
use crate::{Date, Decimal, SqlType, Time, Timestamp};

/// A Rust type that is written into a column of some SQL type.
pub trait Output: Sized {
    type Writer;

    fn accepts(ty: &SqlType) -> bool;

    fn writer(ty: &SqlType, rows: usize) -> Result<Self::Writer, String>;

    /// Can this value be written into a column of that type? What [`Output::push`] gets has passed.
    fn check(&self, _: &SqlType) -> Result<(), String> {
        Ok(())
    }

    fn push(self, writer: &mut Self::Writer);

    fn push_null(writer: &mut Self::Writer);

    /// Appends the column and its children.
    fn finish(writer: Self::Writer, columns: &mut Vec<Column>);
}

/// What a function may return: a value, an `Option` of one, or a `Result`, whose error is the row's.
pub trait Returned {
    type Value: Output;
    fn into_result(self) -> Result<Self::Value, String>;
}

impl<T: Output> Returned for T {
    type Value = T;

    #[inline]
    fn into_result(self) -> Result<T, String> {
        Ok(self)
    }
}

impl<T: Output, E: std::fmt::Display> Returned for Result<T, E> {
    type Value = T;

    #[inline]
    fn into_result(self) -> Result<T, String> {
        self.map_err(|e| e.to_string())
    }
}

macro_rules! fixed_width {
    ($($rust:ty, $sql:pat, $width:expr, $bytes:expr;)*) => {$(
        impl Output for $rust {
            type Writer = ColumnWriter;

            fn accepts(ty: &SqlType) -> bool {
                matches!(ty, $sql)
            }

            fn writer(_: &SqlType, rows: usize) -> Result<ColumnWriter, String> {
                Ok(ColumnWriter::fixed($width, rows))
            }

            #[inline]
            fn push(self, writer: &mut ColumnWriter) {
                let bytes: fn($rust) -> [u8; $width] = $bytes;
                writer.push_fixed(bytes(self));
            }

            #[inline]
            fn push_null(writer: &mut ColumnWriter) {
                writer.push_null();
            }

            fn finish(writer: ColumnWriter, columns: &mut Vec<Column>) {
                columns.push(writer.finish(true));
            }
        }
    )*};
}

fixed_width! {
    i32, SqlType::Integer, 4, |v| v.to_le_bytes();
    i64, SqlType::Bigint, 8, |v| v.to_le_bytes();
    f64, SqlType::Double, 8, |v| v.to_le_bytes();
    Date, SqlType::Date, 4, |v| v.0.to_le_bytes();
    Time, SqlType::Time, 4, |v| v.0.to_le_bytes();
    Timestamp, SqlType::Timestamp, 8, |v| v.0.to_le_bytes();
}

macro_rules! variable_width {
    ($($rust:ty, $sql:pat,)*) => {$(
        impl Output for $rust {
            type Writer = ColumnWriter;

            fn accepts(ty: &SqlType) -> bool {
                matches!(ty, $sql)
            }

            fn writer(_: &SqlType, rows: usize) -> Result<ColumnWriter, String> {
                Ok(ColumnWriter::variable(rows))
            }

            #[inline]
            fn push(self, writer: &mut ColumnWriter) {
                writer.push_bytes(self.as_ref());
            }

            #[inline]
            fn push_null(writer: &mut ColumnWriter) {
                writer.push_null();
            }

            fn finish(writer: ColumnWriter, columns: &mut Vec<Column>) {
                columns.push(writer.finish(true));
            }
        }
    )*};
}

variable_width! {
    String, SqlType::Varchar,
    &'static str, SqlType::Varchar,
    Vec<u8>, SqlType::Bytes,
}

impl Output for bool {
    type Writer = (Bitmap, Validity);

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Boolean)
    }

    fn writer(_: &SqlType, _: usize) -> Result<Self::Writer, String> {
        Ok(Default::default())
    }

    #[inline]
    fn push(self, (values, validity): &mut Self::Writer) {
        values.push(self);
        validity.push_valid();
    }

    #[inline]
    fn push_null((values, validity): &mut Self::Writer) {
        validity.push_null(values.len());
        values.push(false);
    }

    fn finish((values, validity): Self::Writer, columns: &mut Vec<Column>) {
        columns.push(Column {
            length: values.len() as u32,
            validity: validity.into_bytes(),
            offsets: None,
            data: Some(values.into_bytes()),
        });
    }
}

/// A DECIMAL column being written: values are brought to its precision and scale.
pub struct DecimalWriter {
    column: ColumnWriter,
    precision: u8,
    scale: u8,
}

impl Output for Decimal {
    type Writer = DecimalWriter;

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Decimal { .. })
    }

    fn writer(ty: &SqlType, rows: usize) -> Result<DecimalWriter, String> {
        let SqlType::Decimal { precision, scale } = ty else { return Err(format!("{ty} is not a DECIMAL")) };
        Ok(DecimalWriter { column: ColumnWriter::fixed(16, rows), precision: *precision, scale: *scale })
    }

    fn check(&self, ty: &SqlType) -> Result<(), String> {
        match ty {
            SqlType::Decimal { precision, scale } if self.fit(*precision, *scale).is_none() => {
                Err(format!("the number does not fit {ty}"))
            }
            _ => Ok(()),
        }
    }

    fn push(self, writer: &mut DecimalWriter) {
        let fitting = self.fit(writer.precision, writer.scale).map_or(0, |d| d.unscaled);
        writer.column.push_fixed(fitting.to_le_bytes());
    }

    fn push_null(writer: &mut DecimalWriter) {
        writer.column.push_null();
    }

    fn finish(writer: DecimalWriter, columns: &mut Vec<Column>) {
        columns.push(writer.column.finish(true));
    }
}

impl<T: Output> Output for Option<T> {
    type Writer = T::Writer;

    fn accepts(ty: &SqlType) -> bool {
        T::accepts(ty)
    }

    fn writer(ty: &SqlType, rows: usize) -> Result<T::Writer, String> {
        T::writer(ty, rows)
    }

    #[inline]
    fn check(&self, ty: &SqlType) -> Result<(), String> {
        self.as_ref().map_or(Ok(()), |v| v.check(ty))
    }

    #[inline]
    fn push(self, writer: &mut T::Writer) {
        match self {
            Some(value) => value.push(writer),
            None => T::push_null(writer),
        }
    }

    #[inline]
    fn push_null(writer: &mut T::Writer) {
        T::push_null(writer);
    }

    fn finish(writer: T::Writer, columns: &mut Vec<Column>) {
        T::finish(writer, columns);
    }
}

/// A nested column being written: how many elements there are, and their own writers.
pub struct NestedWriter<W> {
    pub column: ColumnWriter,
    pub elements: usize,
    pub children: W,
}

impl<T: Output + Element> Output for Vec<T> {
    type Writer = NestedWriter<T::Writer>;

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Array(element) if T::accepts(element))
    }

    fn writer(ty: &SqlType, rows: usize) -> Result<Self::Writer, String> {
        let SqlType::Array(element) = ty else { return Err(format!("{ty} is not an ARRAY")) };
        Ok(NestedWriter { column: ColumnWriter::variable(rows), elements: 0, children: T::writer(element, rows)? })
    }

    fn check(&self, ty: &SqlType) -> Result<(), String> {
        let SqlType::Array(element) = ty else { return Err(format!("{ty} is not an ARRAY")) };
        self.iter().try_for_each(|v| v.check(element))
    }

    fn push(self, writer: &mut Self::Writer) {
        writer.elements += self.len();
        self.into_iter().for_each(|v| v.push(&mut writer.children));
        writer.column.end(writer.elements);
    }

    fn push_null(writer: &mut Self::Writer) {
        writer.column.push_null();
    }

    fn finish(writer: Self::Writer, columns: &mut Vec<Column>) {
        columns.push(writer.column.finish(false));
        T::finish(writer.children, columns);
    }
}

impl<K: Output, V: Output> Output for BTreeMap<K, V> {
    type Writer = NestedWriter<(K::Writer, V::Writer)>;

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Map(key, value) if K::accepts(key) && V::accepts(value))
    }

    fn writer(ty: &SqlType, rows: usize) -> Result<Self::Writer, String> {
        let SqlType::Map(key, value) = ty else { return Err(format!("{ty} is not a MAP")) };
        let children = (K::writer(key, rows)?, V::writer(value, rows)?);
        Ok(NestedWriter { column: ColumnWriter::variable(rows), elements: 0, children })
    }

    fn check(&self, ty: &SqlType) -> Result<(), String> {
        let SqlType::Map(key, value) = ty else { return Err(format!("{ty} is not a MAP")) };
        self.iter().try_for_each(|(k, v)| k.check(key).and_then(|()| v.check(value)))
    }

    fn push(self, writer: &mut Self::Writer) {
        writer.elements += self.len();
        for (key, value) in self {
            key.push(&mut writer.children.0);
            value.push(&mut writer.children.1);
        }
        writer.column.end(writer.elements);
    }

    fn push_null(writer: &mut Self::Writer) {
        writer.column.push_null();
    }

    fn finish(writer: Self::Writer, columns: &mut Vec<Column>) {
        columns.push(writer.column.finish(false));
        K::finish(writer.children.0, columns);
        V::finish(writer.children.1, columns);
    }
}
