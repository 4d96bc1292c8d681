//! Table and aggregate functions for tests of the sandbox. The hostile ones do what a plugin must not do for negative
//! arguments only; others are treated well.

use std::hint::black_box;

use calzone_guest::{State, Value, aggregate, plugin, table_function};

/// The words of a text, each in a row of its own.
#[table_function("explode_words(varchar) -> varchar")]
fn explode_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Rows that are themselves ARRAYs: all beginnings of an ARRAY.
#[table_function("beginnings(array<T>) -> array<T>")]
fn beginnings(items: Vec<Value>) -> Vec<Value> {
    (0..=items.len()).map(|n| Value::Array(items[..n].to_vec())).collect()
}

/// As many rows as the number says.
#[table_function("count_up(bigint) -> bigint")]
fn count_up(n: i64) -> Result<Vec<i64>, String> {
    if n > 1_000_000 { Err(format!("{n} rows are too many")) } else { Ok((0..n).collect()) }
}

/// Panics.
#[table_function("rows_panic(bigint) -> bigint")]
fn rows_panic(v: i64) -> Vec<i64> {
    assert!(v >= 0, "no number may be negative, {v} is");
    vec![v, v]
}

/// Loops for ever.
#[table_function("rows_spin(bigint) -> bigint")]
fn rows_spin(v: i64) -> Vec<i64> {
    while black_box(v) < 0 {}
    vec![v]
}

#[derive(Default)]
struct MySum;

/// The sum.
#[aggregate("my_sum(bigint) -> bigint")]
impl MySum {
    fn initial(&self) -> i64 {
        0
    }

    fn accumulate(&self, sum: &mut i64, v: i64) {
        *sum += v;
    }

    fn retract(&self, sum: &mut i64, v: i64) {
        *sum -= v;
    }

    fn merge(&self, older: i64, newer: i64) -> i64 {
        older + newer
    }

    fn result(&self, sum: &i64) -> i64 {
        *sum
    }
}

/// Texts so far, and how many there were.
#[derive(Default, State)]
struct Texts {
    count: u64,
    last: Vec<String>,
}

struct JoinLast {
    n: usize,
    separator: String,
}

/// Joins the last `n` texts; nothing can be taken back.
#[aggregate("join_last(varchar; n integer, separator varchar) -> varchar")]
impl JoinLast {
    fn new(n: i32, separator: String) -> Result<JoinLast, String> {
        let n = usize::try_from(n).map_err(|_| format!("`n` must not be negative, it is {n}"))?;
        Ok(JoinLast { n, separator })
    }

    fn initial(&self) -> Texts {
        Texts::default()
    }

    fn accumulate(&self, texts: &mut Texts, text: String) {
        texts.count += 1;
        texts.last.push(text);
        if texts.last.len() > self.n {
            texts.last.remove(0);
        }
    }

    fn result(&self, texts: &Texts) -> String {
        format!("{} of {}", texts.last.join(&self.separator), texts.count)
    }
}

macro_rules! hostile {
    ($name:ident, $signature:literal, |$v:ident| $deed:block) => {
        #[derive(Default)]
        struct $name;

        #[aggregate($signature)]
        impl $name {
            fn initial(&self) -> i64 {
                0
            }

            fn accumulate(&self, sum: &mut i64, $v: i64) -> Result<(), String> {
                if $v < 0 $deed
                *sum += $v;
                Ok(())
            }

            fn result(&self, sum: &i64) -> i64 {
                *sum
            }
        }
    };
}

hostile!(SumPanics, "sum_panics(bigint) -> bigint", |v| { panic!("no number may be negative, {v} is") });
hostile!(SumSpins, "sum_spins(bigint) -> bigint", |v| { while black_box(v) < 0 {} });
hostile!(SumFails, "sum_fails(bigint) -> bigint", |v| {
    return Err(format!("{v} is negative"));
});
hostile!(SumGrows, "sum_grows(bigint) -> bigint", |v| {
    let mut taken = Vec::new();
    while black_box(v) < 0 {
        taken.push(black_box(vec![1u8; 1 << 20]));
    }
});

plugin!(
    table_functions: [explode_words, beginnings, count_up, rows_panic, rows_spin],
    aggregates: [MySum, JoinLast, SumPanics, SumSpins, SumFails, SumGrows],
);
