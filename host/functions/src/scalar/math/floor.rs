//! `FLOOR`.

use super::of_same_type::{self, SameType};
use crate::ScalarDefinition;

struct Floor;

impl SameType for Floor {
    fn integer(x: i32) -> i32 {
        x
    }

    fn bigint(x: i64) -> i64 {
        x
    }

    fn double(x: f64) -> f64 {
        x.floor()
    }

    fn decimal(unscaled: i128, one: i128) -> i128 {
        unscaled.div_euclid(one) * one
    }
}

pub fn definition() -> ScalarDefinition {
    of_same_type::definition::<Floor>(
        "FLOOR",
        "The largest whole number that is not above the number.",
        &[("FLOOR(-1.2)", "-2.0")],
    )
}
