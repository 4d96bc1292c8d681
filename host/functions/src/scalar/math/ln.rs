//! `LN`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Ln;

impl UnaryDouble for Ln {
    fn apply(x: f64) -> f64 {
        x.ln()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Ln>("LN", "Natural logarithm; NaN for negative numbers, -Infinity for zero.", &[("LN(1)", "0.0")])
}
