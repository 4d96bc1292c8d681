//! `TAN`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Tan;

impl UnaryDouble for Tan {
    fn apply(x: f64) -> f64 {
        x.tan()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Tan>("TAN", "Tangent of an angle in radians.", &[("TAN(0)", "0.0")])
}
