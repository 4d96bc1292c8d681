//! The control plane: statements in order, queries and their lives, plugins, push and pull queries.
//!
//! A statement is parsed, planned against a snapshot of the catalog, written to the statement log ([`statement_log`]) and
//! applied ([`apply`]) by the same code that replays the log at start. A persistent query is a thread ([`query`]) whose
//! outputs, state and input offsets commit together. A plugin is bytes under a hash ([`plugins`]) and a number in the
//! statement log.
//!
//! This crate knows the order of statements and when things commit. It knows nothing of HTTP, and its answers are typed:
//! their JSON is the server's affair.

pub mod answer;
mod apply;
mod check;
pub mod cluster;
mod command;
mod command_id;
mod describe;
mod dry_run;
pub mod endpoints;
mod engine;
mod error;
mod error_policies;
mod insert;
mod locks;
mod lookup;
mod metrics;
mod normalize;
mod options;
mod plugin_api;
mod plugins;
mod print;
mod processing_log;
pub mod properties;
mod pull;
mod push;
pub mod query;
mod rehearse;
mod replay;
mod revisions;
mod rows;
mod session;
mod show;
mod state;
mod statement_log;
mod submit;
mod trial;
mod upkeep;

pub use calzone_sandbox::{HttpRequest, HttpResponse};
pub use engine::Engine;
pub use error::{ErrorKind, StatementError};
pub use insert::RowInserter;
pub use metrics::{Metrics, PolicyMetrics, QueryMetrics};
pub use options::EngineOptions;
pub use plugin_api::Uploaded;
pub use print::{PrintLine, PrintStream};
pub use processing_log::ProcessingLog;
pub use pull::PullRows;
pub use push::{QueryEnd, RowEvent, RowStream};
pub use query::now_ms;
pub use revisions::RevisionHistory;
pub use rows::Rows;
pub use session::Session;
pub use trial::LoadedPlugins;
