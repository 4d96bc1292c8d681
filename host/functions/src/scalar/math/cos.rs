//! `COS`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Cos;

impl UnaryDouble for Cos {
    fn apply(x: f64) -> f64 {
        x.cos()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Cos>("COS", "Cosine of an angle in radians.", &[("COS(0)", "1.0")])
}
