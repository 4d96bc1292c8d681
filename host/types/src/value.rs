//! One cell.

use std::cmp::Ordering;

use crate::Decimal;

/// One cell of a row. Used where a value is looked at alone: literals, nested data, aggregate
/// state, `INSERT VALUES`. The record path works on columns instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i32),
    Bigint(i64),
    Double(f64),
    Decimal(Decimal),
    Varchar(String),
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Milliseconds of the day.
    Time(i32),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    Array(Vec<Value>),
    /// Entries in insertion order; keys are distinct.
    Map(Vec<(Value, Value)>),
    /// Field values in the type's order.
    Struct(Vec<Value>),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Varchar(s) => Some(s),
            _ => None,
        }
    }

    /// The value as a 64-bit integer if it is an INTEGER or BIGINT.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(v) => Some((*v).into()),
            Value::Bigint(v) => Some(*v),
            _ => None,
        }
    }

    /// The value as a double if it is a number of any type.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Integer(v) => Some((*v).into()),
            Value::Bigint(v) => Some(*v as f64),
            Value::Double(v) => Some(*v),
            Value::Decimal(d) => Some(d.to_f64()),
            _ => None,
        }
    }

    /// Total order within one type: nulls first, numbers of different types by magnitude, text by UTF-8
    /// bytes, NaN above all doubles, arrays and structs elementwise, maps by their entries.
    pub fn compare(&self, other: &Value) -> Ordering {
        use Value::*;
        match (self, other) {
            (Null, Null) => Ordering::Equal,
            (Null, _) => Ordering::Less,
            (_, Null) => Ordering::Greater,
            (Boolean(a), Boolean(b)) => a.cmp(b),
            (Varchar(a), Varchar(b)) => a.cmp(b),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Date(a), Date(b)) | (Time(a), Time(b)) => a.cmp(b),
            (Timestamp(a), Timestamp(b)) => a.cmp(b),
            (Date(a), Timestamp(b)) => (i64::from(*a) * crate::text::DAY_MS).cmp(b),
            (Timestamp(a), Date(b)) => a.cmp(&(i64::from(*b) * crate::text::DAY_MS)),
            (Array(a), Array(b)) | (Struct(a), Struct(b)) => compare_lists(a, b),
            (Map(a), Map(b)) => {
                for ((ka, va), (kb, vb)) in a.iter().zip(b) {
                    let order = ka.compare(kb).then_with(|| va.compare(vb));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                a.len().cmp(&b.len())
            }
            (Double(a), Double(b)) => a.total_cmp(b),
            (Double(_), b) | (b, Double(_)) if b.as_f64().is_some() => {
                self.as_f64().unwrap_or(f64::NAN).total_cmp(&other.as_f64().unwrap_or(f64::NAN))
            }
            (a, b) => match (a.to_decimal(), b.to_decimal()) {
                (Some(a), Some(b)) => a.compare(&b),
                _ => a.rank().cmp(&b.rank()),
            },
        }
    }

    /// The value as an exact decimal if it is an INTEGER, BIGINT or DECIMAL.
    pub fn to_decimal(&self) -> Option<Decimal> {
        match self {
            Value::Integer(v) => Some(Decimal::new((*v).into(), 0)),
            Value::Bigint(v) => Some(Decimal::new((*v).into(), 0)),
            Value::Decimal(d) => Some(*d),
            _ => None,
        }
    }

    /// Distinguishes types that cannot be compared, so that sorting mixed data is still a total order.
    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Boolean(_) => 1,
            Value::Integer(_) | Value::Bigint(_) | Value::Double(_) | Value::Decimal(_) => 2,
            Value::Varchar(_) => 3,
            Value::Bytes(_) => 4,
            Value::Date(_) | Value::Timestamp(_) => 5,
            Value::Time(_) => 6,
            Value::Array(_) => 7,
            Value::Map(_) => 8,
            Value::Struct(_) => 9,
        }
    }
}

fn compare_lists(a: &[Value], b: &[Value]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        let order = x.compare(y);
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

impl From<&str> for Value {
    fn from(s: &str) -> Value {
        Value::Varchar(s.to_owned())
    }
}
