//! Figures of an endpoint since the server's start; a swap does not begin them anew.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the classes that latencies are counted in, milliseconds; one more class has no bound.
pub const BUCKET_MILLIS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000];

#[derive(Debug, Default)]
pub struct EndpointStatistics {
    requests: AtomicU64,
    failures: AtomicU64,
    pub(super) turned_away: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; BUCKET_MILLIS.len() + 1],
}

/// The figures of one endpoint at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointMetrics {
    pub name: String,
    pub plugin: String,
    /// Requests that were worked on.
    pub requests: u64,
    /// Those of them that got no answer from the guest.
    pub failures: u64,
    /// Requests that found no room.
    pub turned_away: u64,
    /// Time that the requests took, microseconds.
    pub micros: u64,
    /// Requests by time, in the classes of [`BUCKET_MILLIS`].
    pub buckets: [u64; BUCKET_MILLIS.len() + 1],
}

impl EndpointStatistics {
    pub(super) fn count(&self, time: Duration, is_answered: bool) {
        self.requests.fetch_add(1, Relaxed);
        if !is_answered {
            self.failures.fetch_add(1, Relaxed);
        }
        self.micros.fetch_add(time.as_micros() as u64, Relaxed);
        let class = BUCKET_MILLIS.iter().position(|ms| time <= Duration::from_millis(*ms)).unwrap_or(BUCKET_MILLIS.len());
        self.buckets[class].fetch_add(1, Relaxed);
    }

    pub(super) fn metrics(&self, name: &str, plugin: &str) -> EndpointMetrics {
        EndpointMetrics {
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            requests: self.requests.load(Relaxed),
            failures: self.failures.load(Relaxed),
            turned_away: self.turned_away.load(Relaxed),
            micros: self.micros.load(Relaxed),
            buckets: std::array::from_fn(|i| self.buckets[i].load(Relaxed)),
        }
    }
}
