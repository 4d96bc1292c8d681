//! What a query has done: counted by its thread, read by statements and `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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
    restores: Mutex<BTreeMap<(Arc<str>, i32), RestoreProgress>>,
    started: std::sync::OnceLock<Instant>,
}

/// How far a store's partition has been read again from its changelog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreProgress {
    /// Records applied since the server's start.
    pub restored: u64,
    /// Offsets still to be read, at most so many records; 0 when it is done.
    pub remaining: u64,
}

impl QueryStatistics {
    /// So many more records of a store's partition were restored, and so many offsets are left.
    pub fn restoring(&self, store: &Arc<str>, partition: i32, restored: usize, remaining: i64) {
        let mut restores = self.restores.lock().expect("no panic while holding the lock");
        let progress = restores.entry((store.clone(), partition)).or_default();
        progress.restored += restored as u64;
        progress.remaining = remaining.max(0) as u64;
    }

    /// What was or is being restored, by store and partition.
    pub fn restores(&self) -> BTreeMap<(Arc<str>, i32), RestoreProgress> {
        self.restores.lock().expect("no panic while holding the lock").clone()
    }

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
