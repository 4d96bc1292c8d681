//! Opens when the plugins of a query keep failing: the query is paused with the reason, instead of burning CPU.
//!
//! A record that a guest traps or loops on costs that record. Many of them, or few that take long, cost the query its
//! throughput and its neighbours their CPU; then somebody has to look.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calzone_sandbox::FaultListener;

/// Records lost to faults within the window.
const FAULTS: u64 = 100;
/// Time spent in calls that failed, within the window.
const LOST_MS: u64 = 30_000;
const WINDOW_MS: u64 = 60_000;

/// Failures are summed up in this many parts of the window.
const WINDOW_PARTS: u32 = 60;

/// When it is enough; 0 switches a condition off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// `calzone.plugin.breaker.faults`
    pub faults: u64,
    /// `calzone.plugin.breaker.lost.ms`
    pub lost: Duration,
    /// `calzone.plugin.breaker.window.ms`
    pub window: Duration,
}

impl BreakerSettings {
    /// What the server's properties say; they were checked when the server started.
    pub fn of(properties: &BTreeMap<String, String>) -> BreakerSettings {
        let number = |name: &str, default: u64| {
            properties.get(&format!("calzone.plugin.breaker.{name}")).and_then(|v| v.trim().parse().ok()).unwrap_or(default)
        };
        BreakerSettings {
            faults: number("faults", FAULTS),
            lost: Duration::from_millis(number("lost.ms", LOST_MS)),
            window: Duration::from_millis(number("window.ms", WINDOW_MS).max(1)),
        }
    }
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker::new(BreakerSettings::of(&BTreeMap::new()))
    }
}

/// Counts what the guests of one query lose, and opens.
pub struct Breaker {
    settings: BreakerSettings,
    open: AtomicBool,
    /// The query is to end.
    ending: AtomicBool,
    /// A batch was given up for that: what came of it must not be kept.
    interrupted: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    parts: VecDeque<Part>,
    /// What the last record that was lost failed with.
    last_cause: String,
    /// Why it opened.
    reason: Option<String>,
}

/// Failures of one part of the window.
struct Part {
    began: Instant,
    records: u64,
    lost: Duration,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Breaker {
        Breaker {
            settings,
            open: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            counts: Mutex::default(),
        }
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Why it is open.
    pub fn reason(&self) -> Option<String> {
        self.counts.lock().expect("no panic while holding the lock").reason.clone()
    }

    /// From now on the records to blame for a failure are looked for no longer: that may take half a minute, and the query is to
    /// end.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Was a batch given up half way?
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire)
    }

    /// Begins to count anew.
    pub fn close(&self) {
        let mut counts = self.counts.lock().expect("no panic while holding the lock");
        *counts = Counts::default();
        self.open.store(false, Ordering::Release);
    }

    fn note(&self, records: u64, lost: Duration, cause: Option<&str>) {
        let now = Instant::now();
        let window = self.settings.window;
        let mut counts = self.counts.lock().expect("no panic while holding the lock");
        while counts.parts.front().is_some_and(|part| now.duration_since(part.began) > window) {
            counts.parts.pop_front();
        }
        match counts.parts.back_mut().filter(|part| now.duration_since(part.began) < window / WINDOW_PARTS) {
            Some(part) => {
                part.records += records;
                part.lost += lost;
            }
            None => counts.parts.push_back(Part { began: now, records, lost }),
        }
        if let Some(cause) = cause {
            cause.clone_into(&mut counts.last_cause);
        }
        let records: u64 = counts.parts.iter().map(|part| part.records).sum();
        let lost: Duration = counts.parts.iter().map(|part| part.lost).sum();
        let too_many = self.settings.faults > 0 && records >= self.settings.faults;
        let too_long = !self.settings.lost.is_zero() && lost >= self.settings.lost;
        if (too_many || too_long) && counts.reason.is_none() {
            let setting = if too_many { "calzone.plugin.breaker.faults" } else { "calzone.plugin.breaker.lost.ms" };
            let last = if counts.last_cause.is_empty() { String::new() } else { format!("; the last: {}", counts.last_cause) };
            counts.reason = Some(format!(
                "Its plugin keeps failing: {records} records and {} ms were lost to it within {} ms ({setting}){last}. \
                 RESUME the query to try again, or give it another revision of the plugin.",
                lost.as_millis(),
                window.as_millis()
            ));
            self.open.store(true, Ordering::Release);
        }
    }
}

impl FaultListener for Breaker {
    fn call_failed(&self, lost: Duration) {
        self.note(0, lost, None);
    }

    fn records_failed(&self, records: usize, cause: &str) {
        self.note(records as u64, Duration::ZERO, Some(cause));
    }

    fn is_over(&self) -> bool {
        let ending = self.ending.load(Ordering::Acquire);
        if ending {
            self.interrupted.store(true, Ordering::Release);
        }
        ending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(faults: u64, lost_ms: u64) -> Breaker {
        let settings = BreakerSettings { faults, lost: Duration::from_millis(lost_ms), window: Duration::from_secs(3600) };
        Breaker::new(settings)
    }

    #[test]
    fn it_opens_on_many_records_or_much_time() {
        let many = breaker(3, 0);
        many.records_failed(2, "trap");
        many.call_failed(Duration::from_secs(100));
        assert!(!many.is_open());
        many.records_failed(1, "trap at last");
        assert!(
            many.is_open() && many.reason().unwrap().contains("3 records") && many.reason().unwrap().contains("trap at last")
        );
        many.close();
        assert!(!many.is_open() && many.reason().is_none());
        let long = breaker(0, 1_000);
        long.records_failed(1_000_000, "x");
        long.call_failed(Duration::from_millis(999));
        assert!(!long.is_open());
        long.call_failed(Duration::from_millis(1));
        assert!(long.reason().unwrap().contains("breaker.lost.ms"));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let settings = BreakerSettings { faults: 2, lost: Duration::ZERO, window: Duration::from_millis(30) };
        let breaker = Breaker::new(settings);
        breaker.records_failed(1, "x");
        std::thread::sleep(Duration::from_millis(60));
        breaker.records_failed(1, "x");
        assert!(!breaker.is_open());
    }
}
