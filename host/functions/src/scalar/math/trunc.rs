//! `TRUNC`.

use super::rounding::{self, Rounding};
use crate::ScalarDefinition;

struct Trunc;

impl Rounding for Trunc {
    fn whole(x: f64) -> i64 {
        x as i64
    }

    fn drop_digits(unscaled: i128, factor: i128) -> i128 {
        unscaled / factor
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "Cuts off digits after the point, or after a number of decimal places (negative: places before the point).";
    rounding::definition::<Trunc>("TRUNC", description, &[("TRUNC(-1.7e0)", "-1"), ("TRUNC(1234.567e0, 2)", "1234.56")])
}
