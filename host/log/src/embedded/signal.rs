//! Waiting for appends without polling.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What one reader or worker waits on. What is notified before the wait begins is not missed.
#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    data: bool,
    woken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// There may be something to read.
    Data,
    /// Somebody wants the poll to end.
    Woken,
    Timeout,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify_data(&self) {
        self.lock().data = true;
        self.changed.notify_one();
    }

    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    /// Consumes what was signalled, waiting for it until the deadline.
    pub(super) fn wait(&self, deadline: Instant) -> Wake {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.woken) {
                return Wake::Woken;
            }
            if std::mem::take(&mut state.data) {
                return Wake::Data;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wake::Timeout;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The end of a wait; a timeout beyond all clocks means a day.
pub(super) fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + Duration::from_secs(86_400))
}
