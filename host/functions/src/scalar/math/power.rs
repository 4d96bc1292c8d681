//! `POWER`.

use super::of_double::{BinaryDouble, binary};
use crate::ScalarDefinition;

struct Power;

impl BinaryDouble for Power {
    fn apply(base: f64, exponent: f64) -> f64 {
        base.powf(exponent)
    }
}

pub fn definition() -> ScalarDefinition {
    binary::<Power>("POWER", "A number to the power of another.", ["base", "exponent"], &[("POWER(2, 10)", "1024.0")])
}
