//! `EARLIEST_BY_OFFSET`.

use std::sync::Arc;

use super::by_offset::{self, ByOffset, End};
use crate::{AggregateDefinition, AggregateExample};

pub fn definition() -> AggregateDefinition {
    let description = "The first value of a column, or the first N as an array, in the order of the records. Nulls do not count unless the last argument is false.";
    by_offset::definition("EARLIEST_BY_OFFSET", description, |binding, init| {
        Ok(Arc::new(ByOffset::new(End::Earliest, binding, init)?))
    })
    .with_examples(&[
        AggregateExample { columns: "X INT", rows: &["NULL", "7", "8"], expression: "EARLIEST_BY_OFFSET(X)", result: "7" },
        AggregateExample {
            columns: "X INT",
            rows: &["NULL", "7", "8"],
            expression: "EARLIEST_BY_OFFSET(X, false)",
            result: "null",
        },
        AggregateExample {
            columns: "X INT",
            rows: &["NULL", "7", "8", "9"],
            expression: "EARLIEST_BY_OFFSET(X, 2)",
            result: "[7,8]",
        },
    ])
}
