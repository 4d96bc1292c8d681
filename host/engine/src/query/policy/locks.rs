//! The locked groups of a query, as they were committed.

use std::ops::ControlFlow;

use calzone_exec::ExecError;
use calzone_state::Store;

use super::entry::{self, Lock};
use crate::query::StoreHome;

/// A group of records that wait in order because the first of them fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockInfo {
    pub topic: String,
    pub partition: i32,
    /// Bytes of the records' key, or the text of what `LOCK BY` says.
    pub group: Vec<u8>,
    /// Records that wait, the failing one included.
    pub count: u64,
    /// When the group was locked, milliseconds since the epoch.
    pub since_ms: i64,
    /// The record that fails; `None` while the records are being worked off.
    pub head: Option<LockHead>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHead {
    pub offset: i64,
    pub attempts: u32,
    /// Milliseconds since the epoch.
    pub next_attempt_ms: i64,
    pub class: String,
    pub cause: String,
}

/// The locks of these partitions, at most so many.
pub fn read_locks(
    home: &StoreHome,
    store: &str,
    partitions: impl IntoIterator<Item = i32>,
    limit: usize,
) -> Result<Vec<LockInfo>, ExecError> {
    let mut locks = Vec::new();
    for partition in partitions {
        let store = home.open(store, partition)?;
        let mut failed = None;
        store.range(&entry::LOCKS, &[entry::LOCKS[0] + 1], &mut |key, value| {
            let read = entry::read_lock_key(key).and_then(|place| Ok((place, Lock::decode(value)?)));
            match read {
                Ok(((topic, group), lock)) if locks.len() < limit => {
                    let head = lock.head.map(|(offset, failed)| LockHead {
                        offset,
                        attempts: failed.attempts,
                        next_attempt_ms: failed.due_ms,
                        class: failed.class.to_string(),
                        cause: failed.cause.to_string(),
                    });
                    let (count, since_ms) = (lock.count, lock.since_ms);
                    locks.push(LockInfo { topic: topic.to_string(), partition, group, count, since_ms, head });
                    ControlFlow::Continue(())
                }
                Ok(_) => ControlFlow::Break(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    Ok(locks)
}
