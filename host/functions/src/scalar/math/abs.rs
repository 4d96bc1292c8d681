//! `ABS`.

use super::of_same_type::{self, SameType};
use crate::ScalarDefinition;

struct Abs;

impl SameType for Abs {
    fn integer(x: i32) -> i32 {
        x.wrapping_abs()
    }

    fn bigint(x: i64) -> i64 {
        x.wrapping_abs()
    }

    fn double(x: f64) -> f64 {
        x.abs()
    }

    fn decimal(unscaled: i128, _one: i128) -> i128 {
        unscaled.abs()
    }
}

pub fn definition() -> ScalarDefinition {
    of_same_type::definition::<Abs>("ABS", "The number without its sign.", &[("ABS(-3)", "3"), ("ABS(2.5)", "2.5")])
}
