//! What goes wrong: in a record, which is reported and skipped or made null, or in a query, which must stop.

use std::fmt;
use std::sync::Arc;

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
    /// Has nothing come of the record yet that would come of it again? Then it can be tried again.
    pub retriable: bool,
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
    /// A row cannot be written in the sink's format, or its TIMESTAMP column holds no time.
    Serialization,
    /// The log refuses a record that the query wrote: it is too large, for instance.
    Production,
    /// The record came after its window was closed; it is not aggregated.
    Late,
    /// A row that a keyed operation cannot place has no key; it is skipped.
    NullKey,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 8] = [
        ErrorClass::Deserialization,
        ErrorClass::Expression,
        ErrorClass::Plugin,
        ErrorClass::Timestamp,
        ErrorClass::Serialization,
        ErrorClass::Production,
        ErrorClass::Late,
        ErrorClass::NullKey,
    ];

    /// The word for the processing log.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Deserialization => "deserialization",
            ErrorClass::Expression => "expression",
            ErrorClass::Plugin => "plugin",
            ErrorClass::Timestamp => "timestamp",
            ErrorClass::Serialization => "serialization",
            ErrorClass::Production => "production",
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
    Aggregate { function: String, place: Place, message: String },
    /// A row cannot be written in the sink's format.
    #[error("A row of {place} cannot be written to {topic}: {message}")]
    Serialization { topic: String, place: Place, message: String },
    /// The TIMESTAMP column holds no time, and `ksql.timestamp.throw.on.invalid` is set.
    #[error(
        "No timestamp can be read from {place}: {message}. Set ksql.timestamp.throw.on.invalid to false to skip such records."
    )]
    Timestamp { place: Place, message: String },
    #[error(transparent)]
    State(#[from] calzone_state::StateError),
    #[error(transparent)]
    Decode(#[from] crate::codec::DecodeError),
}

/// Where a record lies, of a source's or an internal topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Place {
    /// `record 17 of orders, partition 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of {}, partition {}", self.offset, self.topic, self.partition)
    }
}

impl ExecError {
    pub(crate) fn place(origin: &Origin, row: usize) -> Place {
        Place { topic: origin.topic.clone(), partition: origin.partition, offset: origin.offsets[row] }
    }

    /// The failure of the one record that is to blame, if it is one: the query could go on without it.
    pub fn record_error(&self) -> Option<RecordError> {
        let (class, step, place, message) = match self {
            ExecError::Aggregate { function, place, message } => {
                (ErrorClass::Expression, format!("Aggregate {function}"), place, message)
            }
            ExecError::Serialization { topic, place, message } => {
                (ErrorClass::Serialization, format!("Sink {topic}"), place, message)
            }
            ExecError::Timestamp { place, message } => (ErrorClass::Timestamp, "Timestamp".to_owned(), place, message),
            ExecError::Plan(_) | ExecError::State(_) | ExecError::Decode(_) => return None,
        };
        Some(RecordError {
            class,
            step: step.into(),
            topic: place.topic.clone(),
            partition: place.partition,
            offset: place.offset,
            message: message.clone(),
            // The query falls back to its last commit before it goes on without the record.
            retriable: true,
        })
    }
}
