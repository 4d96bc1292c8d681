//! `ATAN`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Atan;

impl UnaryDouble for Atan {
    fn apply(x: f64) -> f64 {
        x.atan()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Atan>("ATAN", "Arc tangent, in radians.", &[("ATAN(0)", "0.0")])
}
