//! `SINH`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Sinh;

impl UnaryDouble for Sinh {
    fn apply(x: f64) -> f64 {
        x.sinh()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Sinh>("SINH", "Hyperbolic sine.", &[("SINH(0)", "0.0")])
}
