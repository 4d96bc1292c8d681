//! What goes wrong: in a record, which is reported and skipped or made null, or in a query, which must stop.

use std::sync::Arc;

use calzone_functions::RowError;
use calzone_types::Origin;

/// A failure of one record, for the processing log and the query's error policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub class: ErrorClass,
    /// The step of the plan that failed: `Project`, `WhereFilter`, `Source orders`.
    pub step: Arc<str>,
    /// The record as it was read, of a source's or an internal topic.
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub message: String,
}

/// The kind of a [`RecordError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The bytes are not what the source's format and columns say; the record is skipped.
    Deserialization,
    /// An expression failed: null, false or no row, by the place it stands in.
    Expression,
    /// A plugin's stage failed; the row is skipped.
    Plugin,
    /// The source's TIMESTAMP column holds no time; the record is skipped.
    Timestamp,
    /// The sink's TIMESTAMP column holds no time; the row is not written.
    Serialization,
    /// The record came after its window was closed; it is not aggregated.
    Late,
    /// A row that a keyed operation cannot place has no key; it is skipped.
    NullKey,
}

impl ErrorClass {
    /// The word for the processing log.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Deserialization => "deserialization",
            ErrorClass::Expression => "expression",
            ErrorClass::Plugin => "plugin",
            ErrorClass::Timestamp => "timestamp",
            ErrorClass::Serialization => "serialization",
            ErrorClass::Late => "late",
            ErrorClass::NullKey => "null key",
        }
    }
}

/// The query cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The plan asks for something that cannot be made: a function, a format for these columns.
    #[error("{0}")]
    Plan(String),
    /// An aggregate function failed on a record; skipping it would make the result wrong.
    #[error("Aggregate function {function} failed on {place}: {message}")]
    Aggregate { function: String, place: String, message: String },
    /// A row cannot be written in the sink's format.
    #[error("A row of {place} cannot be written to {topic}: {message}")]
    Serialization { topic: String, place: String, message: String },
    /// The TIMESTAMP column holds no time, and `ksql.timestamp.throw.on.invalid` is set.
    #[error(
        "No timestamp can be read from {place}: {message}. Set ksql.timestamp.throw.on.invalid to false to skip such records."
    )]
    Timestamp { place: String, message: String },
    #[error(transparent)]
    State(#[from] calzone_state::StateError),
    #[error(transparent)]
    Decode(#[from] crate::codec::DecodeError),
}

impl ExecError {
    /// `record 17 of orders, partition 2`.
    pub(crate) fn place(origin: &Origin, row: usize) -> String {
        format!("record {} of {}, partition {}", origin.offsets[row], origin.topic, origin.partition)
    }
}

/// Where errors of records are collected.
pub(crate) fn report(out: &mut Vec<RecordError>, class: ErrorClass, step: &Arc<str>, origin: &Origin, errors: Vec<RowError>) {
    out.extend(errors.into_iter().map(|error| RecordError {
        class,
        step: step.clone(),
        topic: origin.topic.clone(),
        partition: origin.partition,
        offset: origin.offsets[error.row as usize],
        message: error.message,
    }));
}
