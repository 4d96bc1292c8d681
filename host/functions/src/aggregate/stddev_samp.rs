//! `STDDEV_SAMP`.

use std::sync::Arc;

use super::deviation::{self, Deviation};
use crate::{AggregateDefinition, AggregateExample};

/// Without the square root, so the variance in truth: ksqlDB's function is so, and queries rely on it.
pub fn definition() -> AggregateDefinition {
    let description = "The sample variance of a column (not its root: see STDDEV_SAMPLE); nulls do not count.";
    deviation::definition("STDDEV_SAMP", description, |_, _| Ok(Arc::new(Deviation { result: |variance| variance })))
        .with_examples(&[
            AggregateExample { columns: "X INT", rows: &["1", "2", "3", "NULL"], expression: "STDDEV_SAMP(X)", result: "1.0" },
            AggregateExample { columns: "X INT", rows: &["1"], expression: "STDDEV_SAMP(X)", result: "0.0" },
        ])
}
