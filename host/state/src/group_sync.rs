//! One fsync for all who wait for one.

use crate::error::{Result, StateError};
use std::sync::{Condvar, Mutex, PoisonError};

/// Makes writes durable for several threads at a time. A writer takes a ticket after its write has reached the
/// journal; the first who waits syncs for all tickets issued until then, the others wait for that or the next sync.
#[derive(Default)]
pub(crate) struct GroupSync {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    issued: u64,
    synced: u64,
    leading: bool,
    failed: bool,
}

impl GroupSync {
    /// Returns when every write that happened before this call is on disk.
    pub(crate) fn sync(&self, persist: impl FnOnce() -> Result<()>, poisoned: impl Fn() -> StateError) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.issued += 1;
        let ticket = state.issued;
        loop {
            if state.synced >= ticket {
                return Ok(());
            }
            if state.failed {
                return Err(poisoned());
            }
            if !state.leading {
                break;
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.leading = true;
        let covered = state.issued;
        drop(state);
        let outcome = persist();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.leading = false;
        match &outcome {
            Ok(()) => state.synced = covered,
            Err(_) => state.failed = true,
        }
        drop(state);
        self.done.notify_all();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn waiters_share_a_sync_and_none_returns_before_its_own_write_is_covered() {
        let (group, written, durable, syncs) = (GroupSync::default(), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                        let persist = || {
                            let now = written.load(Ordering::SeqCst);
                            std::thread::sleep(std::time::Duration::from_micros(200));
                            durable.store(now, Ordering::SeqCst);
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        };
                        group.sync(persist, || unreachable!("no sync fails")).expect("sync");
                        assert!(durable.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
        assert!(syncs.load(Ordering::SeqCst) < 400, "400 writes of 8 threads shared syncs");
    }

    #[test]
    fn after_a_failed_sync_nobody_is_told_that_his_write_is_safe() {
        let group = GroupSync::default();
        let poisoned = || StateError::Poisoned { path: "db".into() };
        assert!(group.sync(|| Err(poisoned()), poisoned).is_err());
        assert!(group.sync(|| Ok(()), poisoned).is_err());
    }
}
