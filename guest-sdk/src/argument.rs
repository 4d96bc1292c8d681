//! Which Rust types a parameter can have, and how their values are read from a column.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use crate::column::{Cursor, View, bit};
use crate::{Date, Decimal, SqlType, Time, Timestamp, Value};

/// A Rust type that reads a column of some SQL type.
pub trait Argument<'a>: Sized {
    /// The column, prepared once a batch.
    type Reader;

    /// Does this Rust type read columns of that SQL type?
    fn accepts(ty: &SqlType) -> bool;

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<Self::Reader, String>;

    /// The value, or None if it is null.
    fn get(reader: &Self::Reader, row: usize) -> Option<Self>;
}

/// A Rust type for a parameter: one column, or any number of them ([`Variadic`]).
pub trait Parameter<'a>: Sized {
    const VARIADIC: bool;
    type Reader;
    fn accepts(types: &[SqlType]) -> bool;
    fn reader(cursor: &mut Cursor<'a>, types: &[SqlType]) -> Result<Self::Reader, String>;
    fn get(reader: &Self::Reader, row: usize) -> Option<Self>;
}

impl<'a, T: Argument<'a>> Parameter<'a> for T {
    const VARIADIC: bool = false;
    type Reader = T::Reader;

    fn accepts(types: &[SqlType]) -> bool {
        types.len() == 1 && T::accepts(&types[0])
    }

    fn reader(cursor: &mut Cursor<'a>, types: &[SqlType]) -> Result<T::Reader, String> {
        <T as Argument>::reader(cursor, &types[0])
    }

    #[inline]
    fn get(reader: &T::Reader, row: usize) -> Option<T> {
        <T as Argument>::get(reader, row)
    }
}

/// The arguments of a parameter that may occur any number of times: `varchar...` is `Variadic<&str>`.
pub struct Variadic<T>(pub Vec<T>);

impl<T> Deref for Variadic<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T: Argument<'a>> Parameter<'a> for Variadic<T> {
    const VARIADIC: bool = true;
    type Reader = Vec<T::Reader>;

    fn accepts(types: &[SqlType]) -> bool {
        types.iter().all(T::accepts)
    }

    fn reader(cursor: &mut Cursor<'a>, types: &[SqlType]) -> Result<Vec<T::Reader>, String> {
        types.iter().map(|ty| T::reader(cursor, ty)).collect()
    }

    fn get(reader: &Vec<T::Reader>, row: usize) -> Option<Variadic<T>> {
        reader.iter().map(|r| T::get(r, row)).collect::<Option<Vec<T>>>().map(Variadic)
    }
}

/// Which arguments each parameter gets, when `variadic[i]` says whether parameter i may occur any number of times.
pub fn spans(variadic: &[bool], arguments: usize) -> Result<Vec<Range<usize>>, String> {
    let fixed = variadic.iter().filter(|v| !**v).count();
    let repeated = arguments
        .checked_sub(fixed)
        .filter(|extra| *extra == 0 || variadic.contains(&true))
        .ok_or_else(|| format!("the signature has {arguments} arguments, the Rust function takes {fixed}"))?;
    let mut start = 0;
    Ok(variadic
        .iter()
        .map(|v| {
            let end = start + if *v { repeated } else { 1 };
            std::mem::replace(&mut start, end)..end
        })
        .collect())
}

macro_rules! fixed_width {
    ($($rust:ty, $sql:pat, $read:expr;)*) => {$(
        impl<'a> Argument<'a> for $rust {
            type Reader = View<'a>;

            fn accepts(ty: &SqlType) -> bool {
                matches!(ty, $sql)
            }

            fn reader(cursor: &mut Cursor<'a>, _: &SqlType) -> Result<View<'a>, String> {
                cursor.next_column()
            }

            #[inline]
            fn get(view: &View<'a>, row: usize) -> Option<$rust> {
                let read: fn(&View<'a>, usize) -> $rust = $read;
                view.is_valid(row).then(|| read(view, row))
            }
        }
    )*};
}

fixed_width! {
    bool, SqlType::Boolean, |v, row| bit(v.data, row);
    i32, SqlType::Integer, |v, row| i32::from_le_bytes(v.fixed(row));
    i64, SqlType::Bigint, |v, row| i64::from_le_bytes(v.fixed(row));
    f64, SqlType::Double, |v, row| f64::from_le_bytes(v.fixed(row));
    Date, SqlType::Date, |v, row| Date(i32::from_le_bytes(v.fixed(row)));
    Time, SqlType::Time, |v, row| Time(i32::from_le_bytes(v.fixed(row)));
    Timestamp, SqlType::Timestamp, |v, row| Timestamp(i64::from_le_bytes(v.fixed(row)));
    &'a str, SqlType::Varchar, |v, row| v.text(row);
    String, SqlType::Varchar, |v, row| v.text(row).to_owned();
    &'a [u8], SqlType::Bytes, |v, row| v.bytes(row);
}

impl<'a> Argument<'a> for Decimal {
    type Reader = (View<'a>, u8);

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Decimal { .. })
    }

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<Self::Reader, String> {
        let SqlType::Decimal { scale, .. } = ty else { return Err(format!("{ty} is not a DECIMAL")) };
        Ok((cursor.next_column()?, *scale))
    }

    #[inline]
    fn get((view, scale): &Self::Reader, row: usize) -> Option<Decimal> {
        view.is_valid(row).then(|| Decimal::new(i128::from_le_bytes(view.fixed(row)), *scale))
    }
}

/// Null is a value of its own: the function is called.
impl<'a, T: Argument<'a>> Argument<'a> for Option<T> {
    type Reader = T::Reader;

    fn accepts(ty: &SqlType) -> bool {
        T::accepts(ty)
    }

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<T::Reader, String> {
        T::reader(cursor, ty)
    }

    #[inline]
    fn get(reader: &T::Reader, row: usize) -> Option<Option<T>> {
        Some(T::get(reader, row))
    }
}

/// Marks the types that a `Vec` holds as the elements of an ARRAY; `Vec<u8>` is BYTES.
pub trait Element {}
macro_rules! elements {
    ($($t:ty),*) => {$( impl Element for $t {} )*};
}
elements!(bool, i32, i64, f64, Date, Time, Timestamp, String, &str, &[u8], Decimal, Value);
impl<T> Element for Option<T> {}
impl<T> Element for Vec<T> {}
impl<K, V> Element for BTreeMap<K, V> {}

impl<'a> Argument<'a> for Vec<u8> {
    type Reader = View<'a>;

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Bytes)
    }

    fn reader(cursor: &mut Cursor<'a>, _: &SqlType) -> Result<View<'a>, String> {
        cursor.next_column()
    }

    fn get(view: &View<'a>, row: usize) -> Option<Vec<u8>> {
        view.is_valid(row).then(|| view.bytes(row).to_vec())
    }
}

/// An ARRAY. `Vec<T>` reads as null if an element is null; `Vec<Option<T>>` holds such elements.
impl<'a, T: Argument<'a> + Element> Argument<'a> for Vec<T> {
    type Reader = (View<'a>, T::Reader);

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Array(element) if T::accepts(element))
    }

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<Self::Reader, String> {
        let SqlType::Array(element) = ty else { return Err(format!("{ty} is not an ARRAY")) };
        Ok((cursor.next_column()?, T::reader(cursor, element)?))
    }

    fn get((view, elements): &Self::Reader, row: usize) -> Option<Vec<T>> {
        if !view.is_valid(row) {
            return None;
        }
        view.range(row).map(|i| T::get(elements, i)).collect()
    }
}

/// A MAP. Reads as null if a value is null, unless the values are `Option`s.
impl<'a, K: Argument<'a> + Ord, V: Argument<'a>> Argument<'a> for BTreeMap<K, V> {
    type Reader = (View<'a>, K::Reader, V::Reader);

    fn accepts(ty: &SqlType) -> bool {
        matches!(ty, SqlType::Map(key, value) if K::accepts(key) && V::accepts(value))
    }

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<Self::Reader, String> {
        let SqlType::Map(key, value) = ty else { return Err(format!("{ty} is not a MAP")) };
        Ok((cursor.next_column()?, K::reader(cursor, key)?, V::reader(cursor, value)?))
    }

    fn get((view, keys, values): &Self::Reader, row: usize) -> Option<BTreeMap<K, V>> {
        if !view.is_valid(row) {
            return None;
        }
        view.range(row).map(|i| Some((K::get(keys, i)?, V::get(values, i)?))).collect()
    }
}

/// A column of any type, prepared for [`Value`]s.
pub struct ValueReader<'a> {
    view: View<'a>,
    ty: SqlType,
    children: Vec<ValueReader<'a>>,
}

impl<'a> ValueReader<'a> {
    pub fn new(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<ValueReader<'a>, String> {
        let view = cursor.next_column()?;
        let children = match ty {
            SqlType::Array(element) => vec![ValueReader::new(cursor, element)?],
            SqlType::Map(key, value) => vec![ValueReader::new(cursor, key)?, ValueReader::new(cursor, value)?],
            SqlType::Struct(fields) => fields.iter().map(|(_, ty)| ValueReader::new(cursor, ty)).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        Ok(ValueReader { view, ty: ty.clone(), children })
    }

    pub fn sql_type(&self) -> &SqlType {
        &self.ty
    }

    /// The text, if this is a STRING column and the value is not null: spares the copy that [`ValueReader::value`] makes.
    pub fn text(&self, row: usize) -> Option<&'a str> {
        (self.ty == SqlType::Varchar && self.view.is_valid(row)).then(|| self.view.text(row))
    }

    pub fn value(&self, row: usize) -> Value {
        let view = &self.view;
        if !view.is_valid(row) {
            return Value::Null;
        }
        match &self.ty {
            SqlType::Boolean => Value::Boolean(bit(view.data, row)),
            SqlType::Integer => Value::Integer(i32::from_le_bytes(view.fixed(row))),
            SqlType::Bigint => Value::Bigint(i64::from_le_bytes(view.fixed(row))),
            SqlType::Double => Value::Double(f64::from_le_bytes(view.fixed(row))),
            SqlType::Decimal { scale, .. } => Value::Decimal(Decimal::new(i128::from_le_bytes(view.fixed(row)), *scale)),
            SqlType::Varchar => Value::Varchar(view.text(row).to_owned()),
            SqlType::Bytes => Value::Bytes(view.bytes(row).to_vec()),
            SqlType::Date => Value::Date(Date(i32::from_le_bytes(view.fixed(row)))),
            SqlType::Time => Value::Time(Time(i32::from_le_bytes(view.fixed(row)))),
            SqlType::Timestamp => Value::Timestamp(Timestamp(i64::from_le_bytes(view.fixed(row)))),
            SqlType::Array(_) => Value::Array(view.range(row).map(|i| self.children[0].value(i)).collect()),
            SqlType::Map(..) => {
                Value::Map(view.range(row).map(|i| (self.children[0].value(i), self.children[1].value(i))).collect())
            }
            SqlType::Struct(_) => Value::Struct(self.children.iter().map(|c| c.value(row)).collect()),
        }
    }
}

/// Null is `Value::Null`: the function is called.
impl<'a> Argument<'a> for Value {
    type Reader = ValueReader<'a>;

    fn accepts(_: &SqlType) -> bool {
        true
    }

    fn reader(cursor: &mut Cursor<'a>, ty: &SqlType) -> Result<ValueReader<'a>, String> {
        ValueReader::new(cursor, ty)
    }

    fn get(reader: &ValueReader<'a>, row: usize) -> Option<Value> {
        Some(reader.value(row))
    }
}
