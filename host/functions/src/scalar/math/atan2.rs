//! `ATAN2`.

use super::of_double::{BinaryDouble, binary};
use crate::ScalarDefinition;

struct Atan2;

impl BinaryDouble for Atan2 {
    fn apply(y: f64, x: f64) -> f64 {
        y.atan2(x)
    }
}

pub fn definition() -> ScalarDefinition {
    binary::<Atan2>("ATAN2", "Angle of the point (x, y), in radians.", ["y", "x"], &[("ATAN2(0, 1)", "0.0")])
}
