//! Aggregate functions with several column arguments, variadic ones, and literals behind them.

use calzone_guest::{Value, Variadic, aggregate};

/// What a text adds to a sum.
fn length(text: Option<&str>) -> i64 {
    text.map_or(0, |text| text.encode_utf16().count() as i64)
}

fn lengths(texts: &[Option<&str>]) -> i64 {
    texts.iter().map(|text| length(*text)).sum()
}

macro_rules! sums {
    ($name:ident, $signature:literal, $argument:ty, $sum:ty) => {
        #[derive(Default)]
        pub struct $name;

        #[aggregate($signature)]
        impl $name {
            fn initial(&self) -> $sum {
                <$sum>::default()
            }

            fn accumulate(&self, sum: &mut $sum, value: $argument) {
                *sum += <$sum>::from(value);
            }

            fn retract(&self, sum: &mut $sum, value: $argument) {
                *sum -= <$sum>::from(value);
            }

            fn merge(&self, older: $sum, newer: $sum) -> $sum {
                older + newer
            }

            fn result(&self, sum: &$sum) -> $sum {
                *sum
            }
        }
    };
}

sums!(SumInteger, "test_udaf(integer) -> bigint", i32, i64);
sums!(SumLong, "test_udaf(bigint) -> bigint", i64, i64);
sums!(SumDouble, "test_udaf(double) -> double", f64, f64);

/// The lengths of texts, from the length of a first one.
pub struct SumLengths {
    first: i64,
}

#[aggregate("test_udaf(varchar; first varchar) -> bigint")]
impl SumLengths {
    fn new(first: Option<&str>) -> SumLengths {
        SumLengths { first: length(first) }
    }

    fn initial(&self) -> i64 {
        0
    }

    fn accumulate(&self, sum: &mut i64, text: Option<&str>) {
        *sum += length(text);
    }

    fn retract(&self, sum: &mut i64, text: Option<&str>) {
        *sum -= length(text);
    }

    fn merge(&self, older: i64, newer: i64) -> i64 {
        older + newer
    }

    fn result(&self, sum: &i64) -> i64 {
        self.first + sum
    }
}

/// Sums field by field.
#[derive(Default)]
pub struct SumStruct;

impl SumStruct {
    fn add(sum: &mut (i32, i32), pair: &Value, sign: i32) {
        if let Value::Struct(fields) = pair
            && let [a, b] = fields.as_slice()
        {
            let number = |v: &Value| if let Value::Integer(v) = v { *v } else { 0 };
            sum.0 = sum.0.wrapping_add(sign * number(a));
            sum.1 = sum.1.wrapping_add(sign * number(b));
        }
    }
}

#[aggregate("test_udaf(struct<a integer, b integer>) -> struct<a integer, b integer>")]
impl SumStruct {
    fn initial(&self) -> (i32, i32) {
        (0, 0)
    }

    fn accumulate(&self, sum: &mut (i32, i32), pair: Value) {
        SumStruct::add(sum, &pair, 1);
    }

    fn retract(&self, sum: &mut (i32, i32), pair: Value) {
        SumStruct::add(sum, &pair, -1);
    }

    fn merge(&self, older: (i32, i32), newer: (i32, i32)) -> (i32, i32) {
        (older.0 + newer.0, older.1 + newer.1)
    }

    fn result(&self, sum: &(i32, i32)) -> Value {
        Value::Struct(vec![Value::Integer(sum.0), Value::Integer(sum.1)])
    }
}

#[derive(Default)]
pub struct VariadicSum;

#[aggregate("var_arg(bigint, varchar...) -> bigint")]
impl VariadicSum {
    fn initial(&self) -> i64 {
        0
    }

    fn accumulate(&self, sum: &mut i64, number: Option<i64>, texts: Variadic<Option<&str>>) {
        *sum += number.unwrap_or(0) + lengths(&texts);
    }

    fn retract(&self, sum: &mut i64, number: Option<i64>, texts: Variadic<Option<&str>>) {
        *sum -= number.unwrap_or(0) + lengths(&texts);
    }

    fn merge(&self, older: i64, newer: i64) -> i64 {
        older + newer
    }

    fn result(&self, sum: &i64) -> i64 {
        *sum
    }
}

/// Functions whose literals, a number and texts, are where their sum begins.
macro_rules! sums_with_literals {
    ($name:ident, $signature:literal, ($($argument:ident: $ty:ty),*), $weight:expr) => {
        pub struct $name {
            first: i64,
        }

        #[aggregate($signature)]
        impl $name {
            fn new(first: i32, others: Variadic<Option<&str>>) -> $name {
                $name { first: i64::from(first) + lengths(&others) }
            }

            fn initial(&self) -> i64 {
                0
            }

            fn accumulate(&self, sum: &mut i64, $($argument: $ty),*) {
                *sum += $weight;
            }

            fn retract(&self, sum: &mut i64, $($argument: $ty),*) {
                *sum -= $weight;
            }

            fn merge(&self, older: i64, newer: i64) -> i64 {
                older + newer
            }

            fn result(&self, sum: &i64) -> i64 {
                self.first + sum
            }
        }
    };
}

sums_with_literals!(
    MultipleArguments,
    "multi_arg(bigint, varchar; first integer, others varchar...) -> bigint",
    (number: Option<i64>, text: Option<&str>),
    number.unwrap_or(0) + length(text)
);
sums_with_literals!(
    FourArguments,
    "four_arg(bigint, varchar, varchar, varchar; first integer, others varchar...) -> bigint",
    (number: Option<i64>, a: Option<&str>, b: Option<&str>, c: Option<&str>),
    number.unwrap_or(0) + lengths(&[a, b, c])
);
sums_with_literals!(
    FiveArguments,
    "five_arg(bigint, varchar, varchar, varchar, integer; first integer, others varchar...) -> bigint",
    (number: Option<i64>, a: Option<&str>, b: Option<&str>, c: Option<&str>, last: Option<i32>),
    number.unwrap_or(0) + lengths(&[a, b, c]) + i64::from(last.unwrap_or(0))
);

/// Two numbers are added to the result.
pub struct MiddleVariadic {
    added: i64,
}

#[aggregate("mid_var_arg(bigint, varchar...; integer, integer) -> bigint")]
impl MiddleVariadic {
    fn new(a: i32, b: i32) -> MiddleVariadic {
        MiddleVariadic { added: i64::from(a) + i64::from(b) }
    }

    fn initial(&self) -> i64 {
        0
    }

    fn accumulate(&self, sum: &mut i64, number: Option<i64>, texts: Variadic<Option<&str>>) {
        *sum += number.unwrap_or(0) + lengths(&texts);
    }

    fn retract(&self, sum: &mut i64, number: Option<i64>, texts: Variadic<Option<&str>>) {
        *sum -= number.unwrap_or(0) + lengths(&texts);
    }

    fn merge(&self, older: i64, newer: i64) -> i64 {
        older + newer
    }

    fn result(&self, sum: &i64) -> i64 {
        self.added + sum
    }
}

/// Collects the first argument of those rows that have all arguments.
#[derive(Default)]
pub struct CollectAny;

#[aggregate("obj_col_arg(integer, any...) -> array<integer>")]
impl CollectAny {
    fn initial(&self) -> Vec<i32> {
        Vec::new()
    }

    fn accumulate(&self, items: &mut Vec<i32>, first: i32, others: Variadic<Value>) {
        if !others.contains(&Value::Null) {
            items.push(first);
        }
    }

    fn merge(&self, older: Vec<i32>, newer: Vec<i32>) -> Vec<i32> {
        [older, newer].concat()
    }

    fn result(&self, items: &Vec<i32>) -> Vec<i32> {
        items.clone()
    }
}

/// The same for any type.
#[derive(Default)]
pub struct CollectGeneric;

#[aggregate("generic_var_arg(A, B, C...) -> array<A>")]
impl CollectGeneric {
    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn accumulate(&self, items: &mut Vec<Value>, first: Value, second: Value, others: Variadic<Value>) {
        if first != Value::Null && second != Value::Null && !others.contains(&Value::Null) {
            items.push(first);
        }
    }

    fn merge(&self, older: Vec<Value>, newer: Vec<Value>) -> Vec<Value> {
        [older, newer].concat()
    }

    fn result(&self, items: &Vec<Value>) -> Vec<Value> {
        items.clone()
    }
}
