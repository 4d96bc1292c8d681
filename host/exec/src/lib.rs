//! Operators: what a query's plan does to records.
//!
//! A [`Topology`] is a plan cut into [`Part`]s at its internal topics; each part runs as one [`Task`] a partition, a line
//! of operators that rows are pushed through a batch at a time. [`Local`] runs all parts of a query in one place. Every
//! record has its own effect, in order: a batch of one gives what a batch of thousands gives.
//!
//! This crate is pure: no I/O, no clock, no threads. Plugins and stores come in through an [`Environment`].

mod aggregate;
pub mod codec;
mod environment;
mod error;
mod expression;
mod filter;
mod flat_map;
mod gate;
mod grouping;
mod join;
mod local;
pub mod materialized;
mod node;
mod operator;
pub mod policy;
mod project;
pub mod pull;
mod repartition;
mod rows;
mod sink;
mod source;
mod stage;
mod suppress;
mod table_store;
mod task;
mod timestamp;
mod topology;
mod windowed_key;

pub use environment::{BuiltInsOnly, Environment, Stage, StageAnswer, StageRows, TaskStore};
pub use error::{ErrorClass, ExecError, Place, RecordError};
pub use expression::{Evaluator, Predicate, Rows, evaluate_constant};
pub use grouping::Grouping;
pub use local::Local;
pub use task::{OutputTopic, Task, TaskMetrics, TaskOutput};
pub use topology::{Changelog, InternalTopic, Part, Placing, StoreSpec, Topology, TopologyOptions};
