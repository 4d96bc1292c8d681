//! `LATEST_BY_OFFSET`.

use std::sync::Arc;

use super::by_offset::{self, ByOffset, End};
use crate::{AggregateDefinition, AggregateExample};

pub fn definition() -> AggregateDefinition {
    let description = "The last value of a column, or the last N as an array, in the order of the records. Nulls do not count unless the last argument is false.";
    by_offset::definition("LATEST_BY_OFFSET", description, |binding, init| {
        Ok(Arc::new(ByOffset::new(End::Latest, binding, init)?))
    })
    .with_examples(&[
        AggregateExample { columns: "X INT", rows: &["7", "8", "NULL"], expression: "LATEST_BY_OFFSET(X)", result: "8" },
        AggregateExample {
            columns: "X INT",
            rows: &["7", "8", "NULL"],
            expression: "LATEST_BY_OFFSET(X, false)",
            result: "null",
        },
        AggregateExample {
            columns: "X INT",
            rows: &["7", "8", "9", "NULL"],
            expression: "LATEST_BY_OFFSET(X, 2)",
            result: "[8,9]",
        },
    ])
}
