//! `MIN`.

use std::cmp::Ordering;

use super::extreme::{self, Extreme};
use crate::{AggregateDefinition, AggregateExample};

struct Min;

impl Extreme for Min {
    const WINS: Ordering = Ordering::Less;
}

pub fn definition() -> AggregateDefinition {
    extreme::definition::<Min>("MIN", "The smallest value of a column; nulls do not count.").with_examples(&[
        AggregateExample { columns: "X INT", rows: &["3", "7", "NULL", "5"], expression: "MIN(X)", result: "3" },
        AggregateExample { columns: "X VARCHAR", rows: &["NULL"], expression: "MIN(X)", result: "null" },
    ])
}
