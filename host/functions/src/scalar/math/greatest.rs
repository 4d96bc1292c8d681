//! `GREATEST`.

use std::cmp::Ordering;

use super::extreme::{self, Extreme};
use crate::ScalarDefinition;

struct Greatest;

impl Extreme for Greatest {
    const WINS: Ordering = Ordering::Greater;
}

pub fn definition() -> ScalarDefinition {
    extreme::definition::<Greatest>(
        "GREATEST",
        "The largest of the arguments; nulls do not count.",
        &[("GREATEST(3, 7, 5)", "7")],
    )
}
