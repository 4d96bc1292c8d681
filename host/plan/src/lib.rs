//! A statement and a catalog snapshot in, a typed plan out.
//!
//! [`catalog`] is what names exist; [`plan`] is what the planner answers, plain enums that the operators and the engine
//! match on. Everything between is name resolution, typing and the rules of ksqlDB's analysis, one statement kind a
//! file, one subject of analysis a file. This crate does no I/O, knows no clock and runs nothing.

pub mod catalog;
pub mod dead_letters;
pub mod error_policy;
pub mod expression;
pub mod plan;

// What the planner is told, and what it says when it refuses.
mod context;
mod error;

// Statements.
mod alter_source;
mod assert_source;
mod constant;
mod create_error_policy;
mod create_function;
mod create_source;
mod create_source_as;
mod create_stage;
mod custom_types;
mod drop_error_policy;
mod drop_source;
mod explain;
mod insert_into;
mod insert_values;
mod normalize;
mod pull_query;
mod push_query;
mod upgrade;

// Analysis of queries.
mod calls;
mod coercion;
mod finish;
mod grouping;
mod joins;
mod key_bounds;
mod keys;
mod names;
mod policy_settings;
mod prune;
mod pseudo_timestamp;
mod query;
mod rewrite;
mod rows;
mod scope;
mod select;
mod topic;
mod types;
mod typing;
mod use_policy;
mod walk;
mod with_properties;

pub use alter_source::alter_source;
pub use assert_source::assert_source;
pub use catalog::{Catalog, KeyWindow, Source, SourceKind, TimestampColumn, WindowType};
pub use constant::constant;
pub use context::{OfferedOutput, PlanContext, PluginLookup, StageOffer, TopicLookup};
pub use create_error_policy::create_error_policy;
pub use create_function::create_function;
pub use create_source::{CreateSourcePlan, create_source};
pub use create_source_as::{CreateQueryPlan, create_source_as};
pub use create_stage::{config as plugin_settings, create_stage};
pub use custom_types::{create_type, drop_type};
pub use drop_error_policy::{drop_error_policy, users as error_policy_users};
pub use drop_source::{DropSourcePlan, drop_source};
pub use error::{PlanError, PlanErrorKind};
pub use explain::explain;
pub use expression::{Expr, ExprKind};
pub use insert_into::{insert_into, query_id as insert_query_id};
pub use insert_values::{InsertRow, insert_values, row as values_row};
pub use key_bounds::{Bound, KeyBounds, Range};
pub use normalize::{normalize, normalize_query};
pub use plan::{QueryPlan, Step};
pub use pull_query::{PullPlan, PullQuery, pull_query};
pub use push_query::push_query;
pub use topic::TopicRequest;
pub use upgrade::check_upgrade;
pub use use_policy::{plugin_use_name, replace_error_policy};
