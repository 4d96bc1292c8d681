//! A server without the server: catalog, topics and queries in memory, one partition for each topic, no threads, no clock.
//!
//! Statements take effect at once. Records move only when they are piped: [`Driver::pipe`] sends some through one query
//! and appends what comes out to the sink's topic. Parser, planner, operators and formats are those of the server.

mod assertion;
mod insert;
mod lifecycle;
mod query;
mod rows;
mod statement;
mod stores;
mod topic;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use calzone_exec::RecordError;
use calzone_functions::{AggregateDefinition, Registry, ScalarDefinition};
use calzone_plan::{Catalog, PlanContext, PlanError, Source};

use crate::plugins::Plugins;

pub use assertion::matches;
pub use insert::{ConstantRow, Inserted};
pub use query::RunningQuery;
pub use rows::{ClientRow, ClientRows, PendingQuery};
pub use statement::Executed;
pub use topic::{Record, Topic, Topics};

/// Where a script or a query failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The text is not a statement.
    Parse,
    /// The statement is wrong for the catalog.
    Statement,
    /// Records could not be processed.
    Run,
}

/// A failure, with a message for the user.
#[derive(Clone, Debug)]
pub struct DriverError {
    pub stage: Stage,
    pub message: String,
    /// The statement to blame, if one is.
    pub statement: Option<usize>,
}

impl DriverError {
    pub fn statement(message: impl Into<String>) -> DriverError {
        DriverError { stage: Stage::Statement, message: message.into(), statement: None }
    }

    pub fn run(message: impl fmt::Display) -> DriverError {
        DriverError { stage: Stage::Run, message: message.to_string(), statement: None }
    }

    fn planning(error: &PlanError, text: &str) -> DriverError {
        DriverError::statement(error.render(text))
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What belongs to one client.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Settings that win over the driver's.
    pub properties: BTreeMap<String, String>,
    /// Values of `${name}`.
    pub variables: BTreeMap<String, String>,
}

/// A server's statements and data in memory.
pub struct Driver {
    catalog: Catalog,
    properties: BTreeMap<String, String>,
    pub topics: Topics,
    queries: Vec<RunningQuery>,
    /// Sources that were dropped: their topics are still there, and somebody may want to read them.
    dropped: Vec<Arc<Source>>,
    /// Records that persistent queries could not process, or only in part.
    pub skipped: Vec<RecordError>,
    plugins: Arc<Plugins>,
    next_query: usize,
    /// Wall clock, milliseconds since the epoch; it moves only when it is set.
    pub clock_ms: i64,
    /// Records of one topic that are processed together.
    pub batch_size: usize,
}

impl Driver {
    /// `properties`: the server's settings.
    pub fn new(plugins: Arc<Plugins>, properties: BTreeMap<String, String>, batch_size: usize) -> Driver {
        let mut functions = Registry::built_in();
        let (scalars, tables, aggregates): (&[ScalarDefinition], &[ScalarDefinition], &[AggregateDefinition]) =
            (&plugins.scalars, &plugins.tables, &plugins.aggregates);
        scalars.iter().cloned().for_each(|definition| functions.add_scalar(definition));
        tables.iter().cloned().for_each(|definition| functions.add_table(definition));
        aggregates.iter().cloned().for_each(|definition| functions.add_aggregate(definition));
        Driver {
            catalog: Catalog { functions, ..Catalog::default() },
            properties,
            topics: Topics::default(),
            queries: Vec::new(),
            dropped: Vec::new(),
            skipped: Vec::new(),
            plugins,
            next_query: 0,
            clock_ms: 0,
            batch_size: batch_size.max(1),
        }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Persistent queries in the order in which they were made; one that was replaced stays in its place.
    pub fn queries(&self) -> &[RunningQuery] {
        &self.queries
    }

    /// The source that tells how a topic's records are to be read: the first by name, or one that was dropped.
    pub fn source_of_topic(&self, topic: &str) -> Option<&Arc<Source>> {
        let living = self.catalog.sources.values().find(|source| *source.topic == *topic);
        living.or_else(|| self.dropped.iter().rev().find(|source| *source.topic == *topic))
    }

    /// All settings in force for a session.
    fn settings(&self, session: &Session) -> BTreeMap<String, String> {
        let mut all = self.properties.clone();
        all.extend(session.properties.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    }

    fn context<'a>(&'a self, properties: &'a BTreeMap<String, String>) -> PlanContext<'a> {
        PlanContext { catalog: &self.catalog, properties, topics: &self.topics, plugins: &*self.plugins.lookup }
    }
}
