//! What a query has done: counted by its thread, read by statements and `/metrics`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::PolicyStatistics;
use crate::answer::StagePartition;

/// Counters of one query on this server.
#[derive(Debug, Default)]
pub struct QueryStatistics {
    pub records_in: AtomicU64,
    pub records_out: AtomicU64,
    pub bytes_in: AtomicU64,
    pub errors: AtomicU64,
    pub commits: AtomicU64,
    /// Milliseconds since the epoch; 0 before the first.
    pub last_record_ms: AtomicI64,
    pub last_error_ms: AtomicI64,
    pub policy: PolicyStatistics,
    partitions: Mutex<BTreeMap<i32, StagePartition>>,
    started: std::sync::OnceLock<Instant>,
}

impl QueryStatistics {
    /// One call of a guest.
    pub fn guest_time(&self, partition: i32, time: Duration, records: usize, errors: usize) {
        let mut partitions = self.partitions.lock().expect("no panic while holding the lock");
        let entry = partitions.entry(partition).or_default();
        entry.partition = partition;
        entry.records += records as u64;
        entry.errors += errors as u64;
        entry.guest_micros += time.as_micros() as u64;
    }

    /// The revisions a partition has met, after a commit.
    pub fn boundaries(&self, partition: i32, boundaries: Vec<(i64, i64)>) {
        let mut partitions = self.partitions.lock().expect("no panic while holding the lock");
        let entry = partitions.entry(partition).or_default();
        entry.partition = partition;
        entry.boundaries = boundaries;
    }

    pub fn partitions(&self) -> Vec<StagePartition> {
        self.partitions.lock().expect("no panic while holding the lock").values().cloned().collect()
    }

    /// Records read per second since the first call, which the query's start makes.
    pub fn rate(&self) -> f64 {
        let seconds = self.started.get_or_init(Instant::now).elapsed().as_secs_f64().max(1.0);
        self.records_in.load(Ordering::Relaxed) as f64 / seconds
    }

    pub fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }
}
