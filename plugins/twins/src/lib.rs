//! Built-in functions once more, under the same names: `calzone plugin bench target/plugins/twins.wasm --against-builtins` shows
//! what a row costs in each, side by side. Each does what its twin does, as one would write it.

use calzone_guest::{Value, aggregate, function, plugin};

/// The number without its sign.
#[function("abs(bigint) -> bigint")]
fn abs(x: i64) -> i64 {
    x.wrapping_abs()
}

/// The number without its sign.
#[function("abs(double) -> double")]
fn abs_double(x: f64) -> f64 {
    x.abs()
}

/// The square root.
#[function("sqrt(double) -> double")]
fn sqrt(x: f64) -> f64 {
    x.sqrt()
}

/// e to the power of the number.
#[function("exp(double) -> double")]
fn exp(x: f64) -> f64 {
    x.exp()
}

/// The text in upper case.
#[function("ucase(varchar) -> varchar")]
fn ucase(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_uppercase() } else { text.to_uppercase() }
}

/// The number of characters, as UTF-16 counts them.
#[function("len(varchar) -> integer")]
fn len(text: &str) -> i32 {
    if text.is_ascii() { text.len() as i32 } else { text.encode_utf16().count() as i32 }
}

/// Letters and digits hidden.
#[function("mask(varchar) -> varchar")]
fn mask(text: &str) -> String {
    let hidden = |c: char| match c {
        _ if c.is_uppercase() => 'X',
        _ if c.is_lowercase() => 'x',
        _ if c.is_numeric() => 'n',
        _ => '-',
    };
    text.chars().map(hidden).collect()
}

/// The largest element.
#[function("array_max(array<bigint>) -> bigint")]
fn array_max(items: Vec<Option<i64>>) -> Option<i64> {
    items.into_iter().flatten().max()
}

/// The elements in order, nulls last.
#[function("array_sort(array<bigint>) -> array<bigint>")]
fn array_sort(mut items: Vec<Option<i64>>) -> Vec<Option<i64>> {
    items.sort_by_key(|item| (item.is_none(), *item));
    items
}

/// The first value, or the second where the first is null.
#[function("ifnull(struct, struct) -> computed", return_type = type_of_first)]
fn ifnull(value: Option<Value>, other: Option<Value>) -> Option<Value> {
    value.or(other)
}

fn type_of_first(arguments: &[calzone_guest::function::ArgumentType]) -> Result<calzone_guest::SqlType, String> {
    arguments.first().and_then(|a| a.ty.clone()).ok_or_else(|| "the first argument has no type".to_owned())
}

#[derive(Default)]
struct Sum;

/// The sum.
#[aggregate("sum(bigint) -> bigint")]
impl Sum {
    fn initial(&self) -> i64 {
        0
    }

    fn accumulate(&self, sum: &mut i64, value: i64) {
        *sum = sum.wrapping_add(value);
    }

    fn retract(&self, sum: &mut i64, value: i64) {
        *sum = sum.wrapping_sub(value);
    }

    fn merge(&self, older: i64, newer: i64) -> i64 {
        older.wrapping_add(newer)
    }

    fn result(&self, sum: &i64) -> i64 {
        *sum
    }
}

#[derive(Default)]
struct Max;

/// The largest text.
#[aggregate("max(varchar) -> varchar")]
impl Max {
    fn initial(&self) -> Option<String> {
        None
    }

    fn accumulate(&self, largest: &mut Option<String>, value: &str) {
        if largest.as_deref().is_none_or(|l| l < value) {
            *largest = Some(value.to_owned());
        }
    }

    fn merge(&self, older: Option<String>, newer: Option<String>) -> Option<String> {
        older.max(newer)
    }

    fn result(&self, largest: &Option<String>) -> Option<String> {
        largest.clone()
    }
}

#[derive(Default)]
struct Avg;

/// The mean.
#[aggregate("avg(double) -> double")]
impl Avg {
    fn initial(&self) -> (f64, i64) {
        (0.0, 0)
    }

    fn accumulate(&self, (sum, count): &mut (f64, i64), value: f64) {
        *sum += value;
        *count += 1;
    }

    fn retract(&self, (sum, count): &mut (f64, i64), value: f64) {
        *sum -= value;
        *count -= 1;
    }

    fn merge(&self, older: (f64, i64), newer: (f64, i64)) -> (f64, i64) {
        (older.0 + newer.0, older.1 + newer.1)
    }

    fn result(&self, (sum, count): &(f64, i64)) -> f64 {
        if *count == 0 { 0.0 } else { sum / *count as f64 }
    }
}

plugin!(
    functions: [abs, abs_double, sqrt, exp, ucase, len, mask, array_max, array_sort, ifnull],
    aggregates: [Sum, Max, Avg],
);
