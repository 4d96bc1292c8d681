//! `DEGREES`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Degrees;

impl UnaryDouble for Degrees {
    fn apply(x: f64) -> f64 {
        x * (180.0 / std::f64::consts::PI)
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Degrees>("DEGREES", "Radians as degrees.", &[("DEGREES(PI())", "180.0")])
}
