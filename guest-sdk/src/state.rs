//! What an aggregate function knows of a group, as bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use crate::{Date, Decimal, Time, Timestamp, Value};

/// The state of a group: written after each batch, read before the next. `#[derive(State)]` makes it for structs of states.
///
/// What was written by one revision of a plugin is read by the next: a state whose form changes needs a new function.
pub trait State: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// Takes what [`State::write`] wrote off the front; None if it is something else.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(front)
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl State for $ty {
            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(bytes: &mut &[u8]) -> Option<$ty> {
                let front = take(bytes, size_of::<$ty>())?;
                Some(<$ty>::from_le_bytes(front.try_into().ok()?))
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

macro_rules! wrapped {
    ($($ty:ident),*) => {$(
        impl State for $ty {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(bytes: &mut &[u8]) -> Option<$ty> {
                State::read(bytes).map($ty)
            }
        }
    )*};
}

wrapped!(Date, Time, Timestamp);

macro_rules! tuples {
    ($(($($name:ident $position:tt),*))*) => {$(
        impl<$($name: State),*> State for ($($name,)*) {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$position.write(out);)*
                let _ = out;
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let _ = &bytes;
                Some(($(<$name as State>::read(bytes)?,)*))
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

impl State for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(bytes: &mut &[u8]) -> Option<bool> {
        u8::read(bytes).map(|b| b != 0)
    }
}

impl State for Decimal {
    fn write(&self, out: &mut Vec<u8>) {
        self.unscaled.write(out);
        self.scale.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Decimal> {
        Some(Decimal { unscaled: State::read(bytes)?, scale: State::read(bytes)? })
    }
}

impl State for String {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<String> {
        let length = u32::read(bytes)? as usize;
        String::from_utf8(take(bytes, length)?.to_vec()).ok()
    }
}

impl<T: State> State for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Option<T>> {
        if bool::read(bytes)? { T::read(bytes).map(Some) } else { Some(None) }
    }
}

impl<T: State> State for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        self.iter().for_each(|v| v.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<Vec<T>> {
        (0..u32::read(bytes)?).map(|_| T::read(bytes)).collect()
    }
}

impl<T: State + Ord> State for BTreeSet<T> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        self.iter().for_each(|v| v.write(out));
    }

    fn read(bytes: &mut &[u8]) -> Option<BTreeSet<T>> {
        (0..u32::read(bytes)?).map(|_| T::read(bytes)).collect()
    }
}

impl<K: State + Ord, V: State> State for BTreeMap<K, V> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<BTreeMap<K, V>> {
        (0..u32::read(bytes)?).map(|_| Some((K::read(bytes)?, V::read(bytes)?))).collect()
    }
}

/// Written in the order of keys, so that equal states are equal bytes.
impl<K: State + Ord + Hash, V: State> State for HashMap<K, V> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u32).write(out);
        let mut entries: Vec<(&K, &V)> = self.iter().collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
        for (key, value) in entries {
            key.write(out);
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<HashMap<K, V>> {
        (0..u32::read(bytes)?).map(|_| Some((K::read(bytes)?, V::read(bytes)?))).collect()
    }
}

impl State for Value {
    fn write(&self, out: &mut Vec<u8>) {
        macro_rules! tagged {
            ($tag:expr, $value:expr) => {{
                out.push($tag);
                $value.write(out);
            }};
        }
        match self {
            Value::Null => out.push(0),
            Value::Boolean(v) => tagged!(1, v),
            Value::Integer(v) => tagged!(2, v),
            Value::Bigint(v) => tagged!(3, v),
            Value::Double(v) => tagged!(4, v),
            Value::Decimal(v) => tagged!(5, v),
            Value::Varchar(v) => tagged!(6, v),
            Value::Bytes(v) => tagged!(7, v),
            Value::Date(v) => tagged!(8, v),
            Value::Time(v) => tagged!(9, v),
            Value::Timestamp(v) => tagged!(10, v),
            Value::Array(v) => tagged!(11, v),
            Value::Map(v) => tagged!(12, v),
            Value::Struct(v) => tagged!(13, v),
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Value> {
        Some(match u8::read(bytes)? {
            0 => Value::Null,
            1 => Value::Boolean(State::read(bytes)?),
            2 => Value::Integer(State::read(bytes)?),
            3 => Value::Bigint(State::read(bytes)?),
            4 => Value::Double(State::read(bytes)?),
            5 => Value::Decimal(State::read(bytes)?),
            6 => Value::Varchar(State::read(bytes)?),
            7 => Value::Bytes(State::read(bytes)?),
            8 => Value::Date(State::read(bytes)?),
            9 => Value::Time(State::read(bytes)?),
            10 => Value::Timestamp(State::read(bytes)?),
            11 => Value::Array(State::read(bytes)?),
            12 => Value::Map(State::read(bytes)?),
            13 => Value::Struct(State::read(bytes)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<S: State + PartialEq + std::fmt::Debug>(state: S) {
        let mut bytes = Vec::new();
        state.write(&mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(S::read(&mut rest).as_ref(), Some(&state));
        assert!(rest.is_empty());
        if let Some(short) = bytes.len().checked_sub(1) {
            assert_eq!(S::read(&mut &bytes[..short]), None);
        }
    }

    #[test]
    fn states_survive_their_bytes() {
        there_and_back((1i64, 2.5f64, "ü".to_owned()));
        there_and_back(vec![Some(1u8), None]);
        there_and_back(HashMap::from([("a".to_owned(), vec![1i32]), ("b".to_owned(), vec![])]));
        there_and_back(Value::Array(vec![
            Value::Null,
            Value::Map(vec![(Value::Varchar("k".to_owned()), Value::Decimal(Decimal::new(7, 2)))]),
        ]));
    }
}
