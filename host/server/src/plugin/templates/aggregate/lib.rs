//! Aggregate functions: one value for a group.

use calzone_guest::{aggregate, plugin};

#[derive(Default)]
struct ValueRange;

/// The range of a column: its largest value minus its smallest.
#[aggregate("value_range(value bigint) -> bigint")]
impl ValueRange {
    /// The state of a group without rows: smallest and largest value.
    fn initial(&self) -> Option<(i64, i64)> {
        None
    }

    /// Takes a row in.
    fn accumulate(&self, range: &mut Option<(i64, i64)>, value: i64) {
        let (low, high) = range.unwrap_or((value, value));
        *range = Some((low.min(value), high.max(value)));
    }

    /// Joins two groups, as sessions do. With a `retract` besides, tables could be aggregated too.
    fn merge(&self, older: Option<(i64, i64)>, newer: Option<(i64, i64)>) -> Option<(i64, i64)> {
        match (older, newer) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }

    /// What queries see.
    fn result(&self, range: &Option<(i64, i64)>) -> Option<i64> {
        range.map(|(low, high)| high.saturating_sub(low))
    }
}

plugin!(aggregates: [ValueRange]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = ValueRange;
        let mut state = range.initial();
        assert_eq!(range.result(&state), None);
        for value in [3, -1, 2] {
            range.accumulate(&mut state, value);
        }
        assert_eq!(range.result(&state), Some(4));
        assert_eq!(range.merge(state, Some((5, 9))), Some((-1, 9)));
    }
}
