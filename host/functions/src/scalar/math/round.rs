//! `ROUND`.

use super::rounding::{self, Rounding};
use crate::ScalarDefinition;

struct Round;

impl Rounding for Round {
    fn whole(x: f64) -> i64 {
        let floor = x.floor();
        // Not `(x + 0.5).floor()`: the sum of the largest double below one half and one half is 1.
        (if x - floor >= 0.5 { floor + 1.0 } else { floor }) as i64
    }

    fn drop_digits(unscaled: i128, factor: i128) -> i128 {
        (unscaled + factor / 2).div_euclid(factor)
    }
}

pub fn definition() -> ScalarDefinition {
    let description =
        "Rounds to whole numbers, or to a number of decimal places (negative: places before the point). Halves go up.";
    rounding::definition::<Round>(
        "ROUND",
        description,
        &[
            ("ROUND(2.5e0)", "3"),
            ("ROUND(-1.5e0)", "-1"),
            ("ROUND(1234.567e0, 2)", "1234.57"),
            ("ROUND(1234.567e0, -2)", "1200.0"),
        ],
    )
}
