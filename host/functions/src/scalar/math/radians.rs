//! `RADIANS`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Radians;

impl UnaryDouble for Radians {
    fn apply(x: f64) -> f64 {
        x / 180.0 * std::f64::consts::PI
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Radians>("RADIANS", "Degrees as radians.", &[("RADIANS(180)", "3.141592653589793")])
}
