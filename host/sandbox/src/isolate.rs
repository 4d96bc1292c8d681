//! Finds the rows to blame when a batch gives no answer: by halves.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::watch::Watch;

/// A run of rows with its answer, or one row (after a timeout: several) with its fault.
pub(crate) type Piece<T> = (Range<usize>, Result<T, Fault>);

/// Asks `attempt` for all of `rows`; where it fails, for the halves, and so on, until a single row fails. Pieces come in
/// row order and cover all rows. `watch` is told what failed and what it cost.
pub(crate) fn isolate<T>(
    rows: Range<usize>,
    isolation_ms: u64,
    watch: &Watch,
    mut attempt: impl FnMut(Range<usize>) -> Result<T, Fault>,
) -> Vec<Piece<T>> {
    let over = || watch.is_over();
    let pieces = halve(rows, isolation_ms, over, |part| {
        let start = Instant::now();
        attempt(part).inspect_err(|fault| watch.call_failed(fault, start.elapsed()))
    });
    for (part, result) in &pieces {
        if let Err(fault) = result {
            watch.records_failed(part.len(), fault);
        }
    }
    pieces
}

fn halve<T>(
    rows: Range<usize>,
    isolation_ms: u64,
    over: impl Fn() -> bool,
    mut attempt: impl FnMut(Range<usize>) -> Result<T, Fault>,
) -> Vec<Piece<T>> {
    let first = attempt(rows.clone());
    if first.is_ok() || rows.len() <= 1 {
        return vec![(rows, first)];
    }
    let until = Instant::now() + Duration::from_millis(isolation_ms);
    let mut pieces = Vec::new();
    let middle = rows.start + rows.len() / 2;
    let mut open = vec![middle..rows.end, rows.start..middle];
    while let Some(part) = open.pop() {
        if over() {
            pieces.push((part, Err(Fault::Over)));
            continue;
        }
        if Instant::now() > until {
            pieces.push((part, Err(Fault::Isolation(isolation_ms))));
            continue;
        }
        match attempt(part.clone()) {
            Err(_) if part.len() > 1 => {
                let middle = part.start + part.len() / 2;
                open.push(middle..part.end);
                open.push(part.start..middle);
            }
            result => pieces.push((part, result)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_guilty_rows_fail() {
        let guilty = [3, 4, 9];
        let pieces = isolate(0..10, 1_000, &Watch::default(), |part| {
            if guilty.iter().any(|g| part.contains(g)) { Err(Fault::Error("no".to_owned())) } else { Ok(part) }
        });
        let failed: Vec<usize> = pieces.iter().filter(|p| p.1.is_err()).flat_map(|p| p.0.clone()).collect();
        assert_eq!(failed, guilty);
        assert_eq!(pieces.iter().flat_map(|p| p.0.clone()).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_waits_for_a_query_that_ends() {
        struct Over(std::sync::atomic::AtomicU32);
        impl crate::FaultListener for Over {
            fn call_failed(&self, _: Duration) {}
            fn records_failed(&self, _: usize, _: &str) {}
            fn is_over(&self) -> bool {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 2
            }
        }
        let watch = Watch::new(std::sync::Arc::new(Over(0.into())));
        let mut attempts = 0;
        let pieces = isolate(0..64, 60_000, &watch, |_| {
            attempts += 1;
            Err::<(), Fault>(Fault::Error("no".to_owned()))
        });
        assert_eq!(attempts, 3, "all, and twice a half");
        assert_eq!(pieces.iter().map(|p| p.0.len()).sum::<usize>(), 64);
        assert!(pieces.iter().all(|p| p.1 == Err(Fault::Over)));
    }

    #[test]
    fn no_row_is_an_attempt_too() {
        assert_eq!(isolate(0..0, 1, &Watch::default(), |_| Ok(())).len(), 1);
    }
}
