//! `ASIN`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Asin;

impl UnaryDouble for Asin {
    fn apply(x: f64) -> f64 {
        x.asin()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Asin>("ASIN", "Arc sine, in radians; NaN outside of -1 to 1.", &[("ASIN(0)", "0.0")])
}
