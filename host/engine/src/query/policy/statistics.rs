//! What error policies have done: counted where records fail, read by statements and `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counters of a query's error policy on this server.
#[derive(Debug, Default)]
pub struct PolicyStatistics {
    decisions: Mutex<BTreeMap<Counted, u64>>,
    /// By partition.
    waiting: Mutex<BTreeMap<i32, WaitingRecords>>,
}

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    pub policy: Arc<str>,
    /// Class of the error, by its word in the processing log.
    pub class: Arc<str>,
    /// `skip`, `retry`, `retry in order`, `dead letter`, `replace` or `stop`.
    pub action: &'static str,
    /// The topic that the record is from.
    pub topic: Arc<str>,
}

/// What waits in a partition to be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingRecords {
    pub records: usize,
    pub locked_groups: usize,
}

impl PolicyStatistics {
    /// One decision.
    pub fn count(&self, policy: &Arc<str>, class: &str, action: &'static str, topic: &str) {
        let counted = Counted { policy: policy.clone(), class: class.into(), action, topic: topic.into() };
        *self.decisions.lock().unwrap_or_else(PoisonError::into_inner).entry(counted).or_default() += 1;
    }

    /// What waits now in a partition.
    pub fn show(&self, partition: i32, records: usize, locked_groups: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(partition, WaitingRecords { records, locked_groups });
    }

    /// A partition is somebody else's now.
    pub fn forget(&self, partition: i32) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }

    pub fn decisions(&self) -> Vec<(Counted, u64)> {
        let decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        decisions.iter().map(|(counted, n)| (counted.clone(), *n)).collect()
    }

    /// By partition.
    pub fn waiting(&self) -> BTreeMap<i32, WaitingRecords> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
