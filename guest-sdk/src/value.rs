//! Values whose types Rust has no word for, and [`Value`] for those known only at run time.

/// `unscaled × 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(pub i32);

/// Milliseconds of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i32);

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// A value of any type, for parameters such as `any`, `T` or `struct`.
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
    Date(Date),
    Time(Time),
    Timestamp(Timestamp),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Field values in the type's order.
    Struct(Vec<Value>),
}

impl Decimal {
    pub fn new(unscaled: i128, scale: u8) -> Decimal {
        Decimal { unscaled, scale }
    }

    /// The same number with `scale` digits after the point, rounded half up, if it has at most `precision` digits then.
    pub fn fit(self, precision: u8, scale: u8) -> Option<Decimal> {
        let unscaled = if scale >= self.scale {
            self.unscaled.checked_mul(10i128.checked_pow((scale - self.scale).into())?)?
        } else {
            match 10i128.checked_pow((self.scale - scale).into()) {
                None => 0,
                Some(factor) => {
                    let up = (self.unscaled % factor).unsigned_abs() >= factor.unsigned_abs().div_ceil(2);
                    self.unscaled / factor + if up { self.unscaled.signum() } else { 0 }
                }
            }
        };
        let limit = 10u128.checked_pow(precision.into())?;
        (unscaled.unsigned_abs() < limit).then_some(Decimal { unscaled, scale })
    }
}
