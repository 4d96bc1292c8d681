//! Time that moves when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use calzone_engine::query::Clock;

/// Wall-clock time at the beginning of every run, milliseconds since the epoch.
const BEGINNING_MS: i64 = 1_700_000_000_000;

/// Milliseconds since the run began; clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock {
    ms: Arc<AtomicU64>,
}

impl SimulatedClock {
    pub fn ms(&self) -> u64 {
        self.ms.load(Ordering::Relaxed)
    }

    pub fn advance(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.ms())
    }

    fn now_ms(&self) -> i64 {
        BEGINNING_MS + self.ms() as i64
    }
}
