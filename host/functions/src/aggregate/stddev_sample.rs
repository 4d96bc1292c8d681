//! `STDDEV_SAMPLE`.

use std::sync::Arc;

use super::deviation::{self, Deviation};
use crate::{AggregateDefinition, AggregateExample};

pub fn definition() -> AggregateDefinition {
    let description = "The sample standard deviation of a column; nulls do not count.";
    deviation::definition("STDDEV_SAMPLE", description, |_, _| Ok(Arc::new(Deviation { result: f64::sqrt }))).with_examples(&[
        AggregateExample { columns: "X INT", rows: &["1", "3", "5"], expression: "STDDEV_SAMPLE(X)", result: "2.0" },
        AggregateExample { columns: "X INT", rows: &["1"], expression: "STDDEV_SAMPLE(X)", result: "0.0" },
    ])
}
