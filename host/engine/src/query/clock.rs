//! The time that queries see: the machine's, or a simulated one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a query reads the time.
pub trait Clock: Send + Sync {
    /// Time since some moment before the query was made; never goes back.
    fn elapsed(&self) -> Duration;

    /// Wall-clock time, milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn now_ms(&self) -> i64 {
        now_ms()
    }
}

/// Wall-clock time of the machine, milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}
