//! `COT`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Cot;

impl UnaryDouble for Cot {
    fn apply(x: f64) -> f64 {
        1.0 / x.tan()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Cot>(
        "COT",
        "Cotangent of an angle in radians; infinite where the tangent is zero.",
        &[("ROUND(COT(1), 4)", "0.6421")],
    )
}
