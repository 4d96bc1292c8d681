//! `SQRT`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Sqrt;

impl UnaryDouble for Sqrt {
    fn apply(x: f64) -> f64 {
        x.sqrt()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Sqrt>("SQRT", "Square root; NaN for negative numbers.", &[("SQRT(16)", "4.0")])
}
