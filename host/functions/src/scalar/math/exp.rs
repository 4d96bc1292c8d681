//! `EXP`.

use super::of_double::{UnaryDouble, unary};
use crate::ScalarDefinition;

struct Exp;

impl UnaryDouble for Exp {
    fn apply(x: f64) -> f64 {
        x.exp()
    }
}

pub fn definition() -> ScalarDefinition {
    unary::<Exp>("EXP", "e to the power of a number.", &[("EXP(0)", "1.0")])
}
