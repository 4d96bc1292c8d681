//! What the engine answers to statements: typed, free of any wire format.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use calzone_functions::FunctionKind;
pub use calzone_plan::error_policy::{Decider, ErrorPolicy, PolicyAction};
use calzone_plan::{KeyWindow, Source};
use calzone_types::{Schema, SqlType};
use serde::{Deserialize, Serialize};

/// The answer to one statement of a request, in order. Statements such as SET and INSERT VALUES have none.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The statement as it is shown back: normalised for what was executed, as typed otherwise.
    pub statement: String,
    pub kind: AnswerKind,
    pub warnings: Vec<String>,
}

/// One kind per answer entity of ksqlDB's REST API, and ours after them.
#[derive(Clone, Debug)]
pub enum AnswerKind {
    Status(CommandStatus),
    /// `IF NOT EXISTS` found something.
    Warning(String),
    Streams(Vec<SourceSummary>),
    Tables(Vec<SourceSummary>),
    Sources(Vec<SourceDescription>),
    Source(Box<SourceDescription>),
    Topics(Vec<TopicSummary>),
    TopicsExtended(Vec<TopicSummary>),
    Queries(Vec<QuerySummary>),
    QueryDescriptions(Vec<QueryDescription>),
    QueryDescription(Box<QueryDescription>),
    Functions(Vec<FunctionSummary>),
    Function(Box<FunctionDescription>),
    Properties(Vec<PropertyValue>),
    Types(BTreeMap<String, SqlType>),
    Variables(Vec<(String, String)>),
    /// DRY RUN: per query that would change, what the other revision would do differently.
    DryRun {
        revision: i64,
        queries: Vec<DryRunQuery>,
    },
    Terminated {
        query_id: String,
        was_terminated: bool,
    },
    AssertTopic {
        topic: String,
        exists: bool,
    },
    Plugins(Vec<PluginSummary>),
    Plugin(Box<PluginSummary>),
    Stages(Vec<StageSummary>),
    Stage(Box<StageDescription>),
    ErrorPolicies(Vec<ErrorPolicySummary>),
    ErrorPolicy(Box<ErrorPolicySummary>),
    Locks(Vec<LockSummary>),
    /// RELEASE LOCK: how many groups are held up no longer.
    Released {
        query: String,
        released: usize,
    },
    /// REPLAY DEAD LETTERS.
    Replayed {
        topic: String,
        replayed: u64,
        /// Those that have no topic to go to.
        left: u64,
    },
    Endpoints(Vec<EndpointSummary>),
    Endpoint(Box<EndpointDescription>),
}

/// Outcome of a distributed statement.
#[derive(Clone, Debug)]
pub struct CommandStatus {
    /// ``stream/`ORDERS`/create``
    pub command_id: String,
    pub state: CommandState,
    pub message: String,
    pub query_id: Option<String>,
    /// Offset in the statement log.
    pub sequence_number: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandState {
    Queued,
    Parsing,
    Executing,
    Running,
    Terminated,
    Success,
    Error,
}

#[derive(Clone, Debug)]
pub struct SourceSummary {
    pub source: Arc<Source>,
}

/// DESCRIBE.
#[derive(Clone, Debug)]
pub struct SourceDescription {
    pub source: Arc<Source>,
    pub extended: bool,
    pub read_queries: Vec<QuerySummary>,
    pub write_queries: Vec<QuerySummary>,
    /// 0 if the topic is gone.
    pub partitions: i32,
    pub replicas: i32,
    pub statistics: Option<SourceStatistics>,
    pub offsets: Vec<ConsumerGroupOffsets>,
    /// Sources that could not be dropped while this one is there.
    pub constraints: Vec<String>,
}

/// Figures of this server about a source; times in milliseconds since the epoch.
#[derive(Clone, Debug, Default)]
pub struct SourceStatistics {
    pub messages_per_second: f64,
    pub total_messages: u64,
    pub last_message_ms: Option<i64>,
    pub total_errors: u64,
    pub last_error_ms: Option<i64>,
}

/// How far a query has read.
#[derive(Clone, Debug)]
pub struct ConsumerGroupOffsets {
    pub group: String,
    /// Topic, then per partition: (partition, log start, log end, committed).
    pub topics: Vec<(String, Vec<(i32, i64, i64, i64)>)>,
}

#[derive(Clone, Debug)]
pub struct TopicSummary {
    pub name: String,
    /// Replicas of each partition.
    pub replicas: Vec<i32>,
    pub consumers: i32,
    pub consumer_groups: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    Persistent,
    Push,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueryState {
    Running,
    Paused,
    Error,
    Unresponsive,
}

#[derive(Clone, Debug)]
pub struct QuerySummary {
    pub id: String,
    pub statement: String,
    pub kind: QueryKind,
    pub state: QueryState,
    /// Why the server paused it by itself.
    pub reason: Option<String>,
    pub sinks: Vec<String>,
    pub sink_topics: Vec<String>,
    /// Stores that this server is reading again from their changelogs.
    pub restoring: Vec<StoreRestore>,
}

/// How far a store's partition has been read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRestore {
    pub store: String,
    pub partition: i32,
    /// Records.
    pub restored: u64,
    /// Offsets still to be read.
    pub remaining: u64,
}

/// EXPLAIN and SHOW QUERIES EXTENDED.
#[derive(Clone, Debug)]
pub struct QueryDescription {
    pub summary: QuerySummary,
    /// False: EXPLAIN of a statement that was not run.
    pub runs: bool,
    pub schema: Schema,
    pub window: Option<KeyWindow>,
    pub sources: Vec<String>,
    /// The topology, a part after the other.
    pub topology: String,
    /// The steps, as a tree.
    pub execution_plan: String,
    pub overridden_properties: BTreeMap<String, String>,
    /// Why a query stopped.
    pub errors: Vec<(i64, String)>,
}

#[derive(Clone, Debug)]
pub struct FunctionSummary {
    pub name: String,
    pub kind: FunctionKind,
    pub category: String,
    /// The plugin it comes from.
    pub plugin: Option<String>,
}

#[derive(Clone, Debug)]
pub struct FunctionDescription {
    pub summary: FunctionSummary,
    pub description: String,
    pub author: String,
    pub version: String,
    /// `internal` or the plugin's name and revision.
    pub path: String,
    pub overloads: Vec<OverloadDescription>,
}

#[derive(Clone, Debug)]
pub struct OverloadDescription {
    /// Name, type as text, description, is it variadic.
    pub parameters: Vec<(String, String, String, bool)>,
    pub returns: String,
    pub description: String,
}

#[derive(Clone, Debug)]
pub struct PropertyValue {
    pub name: String,
    /// `KSQL`
    pub scope: &'static str,
    pub value: Option<String>,
    pub editable: bool,
    pub origin: PropertyOrigin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyOrigin {
    Default,
    Server,
    Session,
}

#[derive(Clone, Debug)]
pub struct PluginSummary {
    pub name: String,
    pub active: i64,
    pub author: String,
    pub version: String,
    pub revisions: Vec<RevisionSummary>,
    pub limits: Vec<LimitValue>,
    /// Functions, stages and queries that use it.
    pub used_by: Vec<String>,
}

/// A limit in force for a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitValue {
    pub name: &'static str,
    pub value: u64,
    pub origin: LimitOrigin,
}

/// Where a limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOrigin {
    Default,
    /// In the server's properties.
    Server,
    /// By ALTER PLUGIN.
    Plugin,
}

#[derive(Clone, Debug)]
pub struct RevisionSummary {
    pub revision: i64,
    pub sha256: String,
    pub bytes: usize,
    pub active: bool,
    /// Functions and stages that use it now.
    pub used_by: Vec<String>,
    /// Names of functions and stages the component holds, and what it imports.
    pub functions: Vec<String>,
    pub stages: Vec<String>,
    pub error_policies: Vec<String>,
    /// Does it answer HTTP requests?
    pub endpoint: bool,
    pub imports: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct StageSummary {
    pub name: String,
    pub query_id: String,
    pub from: String,
    pub into: Vec<String>,
    pub plugin: String,
    pub stage: String,
    pub revision: i64,
    pub state: QueryState,
    /// Why the server paused it by itself.
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ErrorPolicySummary {
    pub policy: Arc<ErrorPolicy>,
    /// Revision of its plugin.
    pub revision: Option<i64>,
    /// Queries, sources and settings.
    pub used_by: Vec<String>,
}

/// A group of records that wait because the first of them fails. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSummary {
    /// What the records have in common.
    pub key: String,
    pub topic: String,
    pub partition: i32,
    /// Records that wait, the failing one included.
    pub count: u64,
    pub since_ms: i64,
    /// Of the record that fails; none while the records are being worked off.
    pub offset: Option<i64>,
    pub attempts: u32,
    pub next_attempt_ms: Option<i64>,
    pub class: Option<String>,
    pub cause: Option<String>,
}

#[derive(Clone, Debug)]
pub struct StageDescription {
    pub summary: StageSummary,
    pub config: Vec<(String, String)>,
    pub grants: Vec<String>,
    pub error_policy: Option<String>,
    pub schema: Schema,
    pub partitions: Vec<StagePartition>,
}

#[derive(Clone, Debug)]
pub struct EndpointSummary {
    pub name: String,
    /// `/endpoints/shop`
    pub path: String,
    /// An address of its own.
    pub listener: Option<String>,
    pub plugin: String,
    pub revision: i64,
    /// Why it does not answer on this server, or not at its address.
    pub error: Option<String>,
}

#[derive(Clone, Debug)]
pub struct EndpointDescription {
    pub summary: EndpointSummary,
    pub description: String,
    pub config: Vec<(String, String)>,
    pub grants: Vec<String>,
    /// Method, path and what it is for, as the plugin says.
    pub routes: Vec<(String, String, String)>,
    /// Figures of this server.
    pub metrics: crate::endpoints::EndpointMetrics,
}

/// One partition's work in a stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StagePartition {
    pub partition: i32,
    /// Revisions and the first offset each has met, oldest first.
    pub boundaries: Vec<(i64, i64)>,
    pub records: u64,
    pub errors: u64,
    /// Time spent in the guest, microseconds.
    pub guest_micros: u64,
}

/// What another revision would change in one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRunQuery {
    pub query_id: String,
    /// Records that both revisions were given.
    pub records: usize,
    /// Records that they made something else of.
    pub differing: usize,
    /// Some of those.
    pub examples: Vec<DryRunDifference>,
}

/// What two revisions made of one record: rows and errors as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRunDifference {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub old: Vec<String>,
    pub new: Vec<String>,
}
