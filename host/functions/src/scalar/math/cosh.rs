//! `COSH`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Cosh;

impl UnaryDouble for Cosh {
    fn apply(x: f64) -> f64 {
        x.cosh()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Cosh>("COSH", "Hyperbolic cosine.", &[("COSH(0)", "1.0")])
}
