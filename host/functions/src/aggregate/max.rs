//! `MAX`.

use std::cmp::Ordering;

use super::extreme::{self, Extreme};
use crate::{AggregateDefinition, AggregateExample};

struct Max;

impl Extreme for Max {
    const WINS: Ordering = Ordering::Greater;
}

pub fn definition() -> AggregateDefinition {
    extreme::definition::<Max>("MAX", "The largest value of a column; nulls do not count.").with_examples(&[
        AggregateExample { columns: "X INT", rows: &["3", "7", "NULL", "5"], expression: "MAX(X)", result: "7" },
        AggregateExample { columns: "X VARCHAR", rows: &["NULL"], expression: "MAX(X)", result: "null" },
    ])
}
