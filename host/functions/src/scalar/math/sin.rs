//! `SIN`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Sin;

impl UnaryDouble for Sin {
    fn apply(x: f64) -> f64 {
        x.sin()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Sin>("SIN", "Sine of an angle in radians.", &[("SIN(0)", "0.0")])
}
