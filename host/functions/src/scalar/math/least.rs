//! `LEAST`.

use std::cmp::Ordering;

use super::extreme::{self, Extreme};
use crate::ScalarDefinition;

struct Least;

impl Extreme for Least {
    const WINS: Ordering = Ordering::Less;
}

pub fn definition() -> ScalarDefinition {
    extreme::definition::<Least>("LEAST", "The smallest of the arguments; nulls do not count.", &[("LEAST(3, 7, 5)", "3")])
}
