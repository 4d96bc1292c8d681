//! Queries while they run: one thread each, its tasks, and their commits.

mod breaker;
mod clock;
mod environment;
mod failure;
mod guest;
mod guest_store;
mod held;
mod policy;
mod restore;
mod runner;
mod standby;
mod statistics;

pub use breaker::{Breaker, BreakerSettings};
pub use clock::{Clock, SystemClock, now_ms};
pub use environment::{Bindings, PluginBinding, StoreHome, TaskEnvironment, partition_prefix};
pub use failure::Failure;
pub use guest::{Guest, stage_schema};
pub use held::{Held, TablePlace};
pub use policy::{Counted, DEAD_LETTER_HEADERS, LockHead, LockInfo, PolicyStatistics, WaitingRecords};
pub use runner::{RESULT_STORE, Runner, RunnerHandle, RunnerOptions, Work};
pub use standby::ChooseStandbys;
pub use statistics::{QueryStatistics, RestoreProgress};
