//! Plans: what a query does to rows, as a tree of steps.
//!
//! Every step says its output columns; an expression in a step refers to positions in its input's columns. A
//! [`Step::Repartition`] writes to an internal topic and reads it back: it is where a query's topology is cut into parts
//! that run as separate tasks. Steps with a `name` own a state store or an internal topic of that name, stable over
//! restarts: `Aggregate-GroupBy`, `Join-left`, as in ksqlDB.

use std::sync::Arc;

use calzone_formats::FormatSpec;
use calzone_sql::ast::JoinKind;
use calzone_types::{Schema, SqlType};

use crate::catalog::{KeyWindow, Source, TimestampColumn};
use crate::error_policy::QueryPolicy;
use crate::expression::{AggregateCall, Expr, TableCall};

/// A query, from its sources to the rows that leave it.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    pub root: Step,
    /// Where the rows of `root` go.
    pub output: Output,
    /// Names of sources read, in order of appearance.
    pub reads: Vec<Arc<str>>,
    /// Plugin functions and stages used: (plugin, function or stage).
    pub plugins: Vec<PluginUse>,
    /// A limit of rows, for push queries.
    pub limit: Option<u64>,
    /// What becomes of records that fail; without it they are reported and left out or made null, as in ksqlDB.
    pub error_policy: Option<Arc<QueryPolicy>>,
}

/// A plugin's function or stage that a plan needs an instance of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginUse {
    /// SQL name of the function (CREATE FUNCTION) or of the stage (CREATE STAGE).
    pub name: Arc<str>,
    pub plugin: Arc<str>,
    /// Name inside the plugin.
    pub item: Arc<str>,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Output {
    /// To the topic of a stream or table. `key[i]`, `value[i]`: positions in the root's columns, in the sink schema's order.
    Sink(SinkOutput),
    /// To a client, as columns in this order.
    Client { schema: Schema, columns: Vec<usize> },
}

/// How rows become records of the sink's topic.
#[derive(Clone, Debug)]
pub struct SinkOutput {
    pub sink: Arc<Source>,
    pub key: Vec<usize>,
    pub value: Vec<usize>,
    /// The sink's TIMESTAMP column, by position in the root's columns.
    pub timestamp: Option<(usize, TimestampColumn)>,
    /// Keep the rows of a table by key, so that pull queries find them. The store is named `result`;
    /// the sink's topic is its changelog.
    pub materialize: bool,
    /// Write records at all. A `CREATE SOURCE TABLE` only keeps its rows: the sink's topic is the one they came from.
    pub writes: bool,
}

/// A column that a step gives.
#[derive(Clone, Debug, PartialEq)]
pub struct StepColumn {
    /// As in ksqlDB's intermediate schemas (`L_ID`, `KSQL_AGG_VARIABLE_0`): used in internal topics and EXPLAIN.
    pub name: Arc<str>,
    pub ty: SqlType,
}

/// What a step gives.
#[derive(Clone, Debug)]
pub struct StepOutput {
    pub columns: Vec<StepColumn>,
    /// Positions of the key columns, in key order. Empty: no key.
    pub key: Vec<usize>,
    /// Are the rows changes of a table?
    pub is_table: bool,
    pub window: Option<KeyWindow>,
}

/// One step, with its output.
#[derive(Clone, Debug)]
pub struct Step {
    pub kind: StepKind,
    pub output: StepOutput,
}

#[derive(Clone, Debug)]
pub enum StepKind {
    /// Reads a topic. Records that cannot be decoded are reported and skipped.
    Source(SourceStep),
    /// Keeps the rows for which the predicate is true. On a table a row that stops passing becomes a tombstone; one that
    /// never passed is not passed on where the old row is known.
    Filter { input: Box<Step>, predicate: Expr },
    /// Computes columns anew; a failing expression is null in its row and reported. Tombstones stay tombstones: only the
    /// key columns (those of `output.key`, plain references) are computed for them.
    Project { input: Box<Step>, columns: Vec<Expr> },
    /// Table functions: the input's columns, then one column per call. Several calls advance together, shorter ones give null.
    FlatMap { input: Box<Step>, calls: Vec<TableCall> },
    /// Gives rows a new key without moving them: `output.key` says where it is (nowhere: PARTITION BY NULL); `columns` as
    /// in Project. An expression that fails gives a null key. On a table (below the Repartition of a GROUP BY) both sides
    /// of a change are computed whole, so that old and new may have different keys.
    SelectKey { input: Box<Step>, columns: Vec<Expr> },
    /// Sends rows through the internal topic `<query>-<name>-repartition`, by the key that the input has.
    /// Rows of a table carry old and new, so that the reader can undo.
    Repartition { input: Box<Step>, name: Arc<str>, formats: InternalFormats, drop_null_key: bool },
    /// Groups and aggregates. Output columns: the group-by expressions, then the aggregates. Rows with a null among the
    /// group-by expressions are dropped.
    Aggregate(Box<AggregateStep>),
    /// Holds a windowed aggregate's rows until their window closes (EMIT FINAL). Stands right above its Aggregate.
    Suppress { input: Box<Step>, name: Arc<str>, grace_ms: i64, formats: InternalFormats },
    /// Output columns: the join key, then all columns of the left, then all of the right side; a foreign-key join has no
    /// column for the join key, its key is the left side's.
    Join(Box<JoinStep>),
    /// Rows through a plugin's stage. Output columns: as the plugin said when it was planned.
    Stage(Box<StageStep>),
}

#[derive(Clone, Debug)]
pub struct SourceStep {
    pub source: Arc<Source>,
    /// The name by which the query calls it.
    pub alias: Arc<str>,
    /// What each output column is.
    pub columns: Vec<SourceColumn>,
    /// Keep a table's rows in store `name`, so that changes carry the old row and joins can look rows up.
    /// The source's topic is the changelog.
    pub materialize: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceColumn {
    /// Position in the source's schema (key, value or headers column).
    Schema(usize),
    Rowtime,
    RowPartition,
    RowOffset,
    WindowStart,
    WindowEnd,
}

/// Formats of an internal topic or store.
#[derive(Clone, Debug, PartialEq)]
pub struct InternalFormats {
    pub key: FormatSpec,
    pub value: FormatSpec,
}

#[derive(Clone, Debug)]
pub struct AggregateStep {
    pub input: Step,
    /// Owns store `<name>` (`Aggregate-Aggregate-Materialize`).
    pub name: Arc<str>,
    pub group_by: Vec<Expr>,
    pub aggregates: Vec<AggregateCall>,
    pub window: Option<WindowSpec>,
    pub formats: InternalFormats,
}

/// Windows of an aggregation; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    pub kind: WindowSpecKind,
    pub grace_ms: i64,
    /// At least size + grace.
    pub retention_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSpecKind {
    /// Tumbling windows have `advance_ms == size_ms`.
    Time {
        size_ms: i64,
        advance_ms: i64,
    },
    Session {
        gap_ms: i64,
    },
}

#[derive(Clone, Debug)]
pub struct JoinStep {
    pub left: Step,
    pub right: Step,
    pub kind: JoinKind,
    /// Prefix of its stores and topics (`Join`, `L_Join` …).
    pub name: Arc<str>,
    pub how: JoinHow,
    pub formats_left: InternalFormats,
    pub formats_right: InternalFormats,
}

#[derive(Clone, Debug)]
pub enum JoinHow {
    /// Both keyed by the join key (their `output.key`); milliseconds. `grace_ms: None`: the older way, misses emitted at once.
    StreamStream { before_ms: i64, after_ms: i64, grace_ms: Option<i64> },
    /// The stream's key looks up the table, which is materialized.
    StreamTable,
    /// Same key. A side that is not a materialized source (another join, a repartitioned table) is kept by the join itself, in
    /// store `<name>-left` or `<name>-right`.
    TableTable,
    /// `foreign_key` over the left row is the right side's key. Both sides are materialized sources, perhaps filtered.
    ForeignKey { foreign_key: Expr },
}

#[derive(Clone, Debug)]
pub struct StageStep {
    pub input: Step,
    /// SQL name of the stage.
    pub name: Arc<str>,
    pub plugin: Arc<str>,
    /// Name of the stage inside the plugin.
    pub stage: Arc<str>,
    pub config: Vec<(String, String)>,
    /// Positions of the input columns that cross into the guest.
    pub reads: Vec<usize>,
    /// Each output column: an input column that passes by, or the guest's n-th.
    pub columns: Vec<StageColumn>,
    /// Its further outputs; the first is the step's own.
    pub others: Vec<StageRoute>,
    /// Keep a store of the guest's own, named `Stage-<name>-KeyValue`.
    pub key_value: bool,
    /// Write `calzone.revision` headers.
    pub revision_header: bool,
}

impl StageStep {
    /// Name of the guest's store.
    pub fn store_name(&self) -> String {
        format!("Stage-{}-KeyValue", self.name)
    }
}

/// A further output of a stage, with a sink of its own.
#[derive(Clone, Debug)]
pub struct StageRoute {
    /// As [`StageStep::columns`].
    pub columns: Vec<StageColumn>,
    pub output: StepOutput,
    /// Positions are in this output's columns.
    pub sink: SinkOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageColumn {
    PassThrough(usize),
    Guest(usize),
}
