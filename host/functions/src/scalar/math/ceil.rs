//! `CEIL`.

use super::of_same_type::{self, SameType};
use crate::ScalarDefinition;

struct Ceil;

impl SameType for Ceil {
    fn integer(x: i32) -> i32 {
        x
    }

    fn bigint(x: i64) -> i64 {
        x
    }

    fn double(x: f64) -> f64 {
        x.ceil()
    }

    fn decimal(unscaled: i128, one: i128) -> i128 {
        -(-unscaled).div_euclid(one) * one
    }
}

pub fn definition() -> ScalarDefinition {
    of_same_type::definition::<Ceil>("CEIL", "The smallest whole number that is not below the number.", &[("CEIL(1.2)", "2.0")])
}
