//! `TANH`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Tanh;

impl UnaryDouble for Tanh {
    fn apply(x: f64) -> f64 {
        x.tanh()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Tanh>("TANH", "Hyperbolic tangent.", &[("TANH(0)", "0.0")])
}
