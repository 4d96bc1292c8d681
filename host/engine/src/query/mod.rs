//! Queries while they run: one thread each, its tasks, and their commits.

mod environment;
mod runner;
mod statistics;

pub use environment::{Bindings, PluginBinding, StoreHome, TaskEnvironment, partition_prefix, stage_schema};
pub use runner::{Runner, RunnerHandle, RunnerOptions, now_ms};
pub use statistics::QueryStatistics;
