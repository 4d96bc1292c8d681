//! `ACOS`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Acos;

impl UnaryDouble for Acos {
    fn apply(x: f64) -> f64 {
        x.acos()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Acos>("ACOS", "Arc cosine, in radians; NaN outside of -1 to 1.", &[("ACOS(1)", "0.0")])
}
