//! What names exist. A snapshot is immutable; the engine replaces it after each statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_formats::FormatSpec;
use calzone_functions::Registry;
use calzone_types::{Schema, SqlType};

pub use calzone_sql::ast::SourceKind;

use crate::error_policy::{ErrorPolicy, SourcePolicy};

/// Everything that a statement can refer to. Cloning copies pointers.
#[derive(Clone, Default)]
pub struct Catalog {
    /// By folded name.
    pub sources: BTreeMap<String, Arc<Source>>,
    /// By `CREATE TYPE` name.
    pub types: BTreeMap<String, SqlType>,
    /// Built-in functions and those made by `CREATE FUNCTION`.
    pub functions: Registry,
    /// Made by `CREATE ERROR POLICY`, by folded name.
    pub error_policies: BTreeMap<String, Arc<ErrorPolicy>>,
    /// Persistent queries and stages that run, by query id.
    pub queries: BTreeMap<String, Arc<QueryInfo>>,
}

/// What the planner must know of a running query: for DROP constraints and CREATE OR REPLACE.
#[derive(Clone, Debug)]
pub struct QueryInfo {
    pub id: String,
    /// Names of the sources it reads.
    pub reads: Vec<String>,
    /// Name of the source it writes, if any; stages that route write several.
    pub writes: Vec<String>,
    /// Names of the plugin functions it calls.
    pub functions: Vec<String>,
    pub statement: String,
    /// The plan, for the upgrade rules of CREATE OR REPLACE.
    pub plan: Arc<crate::QueryPlan>,
}

/// A stream or a table.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: Arc<str>,
    pub kind: SourceKind,
    /// Declared columns, keys first, pseudo columns not among them.
    pub schema: Schema,
    pub topic: Arc<str>,
    pub key_format: FormatSpec,
    pub value_format: FormatSpec,
    /// The key is followed by window bounds.
    pub window: Option<KeyWindow>,
    /// Takes ROWTIME from a column.
    pub timestamp: Option<TimestampColumn>,
    /// `CREATE SOURCE STREAM|TABLE`: read-only.
    pub is_source: bool,
    /// `WITH (ERROR_POLICY='p')`: of queries that read it and name no other.
    pub error_policy: Option<SourcePolicy>,
    /// The persistent query that made it (CREATE … AS), whose table can be asked by pull queries.
    pub created_by: Option<Arc<str>>,
    /// The normalised statement that created it.
    pub statement: Arc<str>,
}

/// The window of a windowed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyWindow {
    pub kind: WindowType,
    /// Of tumbling and hopping windows.
    pub size_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowType {
    Tumbling,
    Hopping,
    Session,
}

/// `TIMESTAMP='column'`, `TIMESTAMP_FORMAT='pattern'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampColumn {
    pub column: Arc<str>,
    /// A Java date pattern for text columns; none for BIGINT and TIMESTAMP.
    pub format: Option<Arc<str>>,
}
