//! `CBRT`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Cbrt;

impl UnaryDouble for Cbrt {
    fn apply(x: f64) -> f64 {
        x.cbrt()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Cbrt>("CBRT", "Cube root.", &[("CBRT(8)", "2.0")])
}
