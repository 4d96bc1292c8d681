//! Why a statement was refused, by what the caller must do.

use crate::answer::Answer;

/// A request that failed; the answers of the statements before the failing one are kept.
#[derive(Clone, Debug)]
pub struct StatementError {
    pub kind: ErrorKind,
    pub message: String,
    /// The statement to blame, if the failure has one.
    pub statement: Option<String>,
    pub answers: Vec<Answer>,
}

/// What went wrong. The REST layer gives each its status and ksqlDB's error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request itself (property, body, unknown id): nothing was tried.
    BadRequest,
    /// The statement: syntax, names, types, state of the catalog.
    BadStatement,
    /// A SELECT or PRINT was sent to the statement endpoint.
    UseQueryEndpoint,
    /// Too many push queries.
    TooManyQueries,
    /// A schema registry would be needed.
    NoSchemaRegistry,
    /// An ASSERT did not hold.
    AssertionFailed,
    /// The thing named is not there.
    NotFound,
    /// Still in use by something.
    Conflict,
    /// The upload is larger than a limit.
    TooLarge,
    /// A statement was written but not applied in time.
    Timeout,
    /// The server is stopping or not ready yet.
    Unavailable,
    /// Kafka, the disk, or a fault of ours.
    Internal,
}

impl StatementError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> StatementError {
        StatementError { kind, message: message.into(), statement: None, answers: Vec::new() }
    }

    pub fn bad_statement(message: impl Into<String>, statement: impl Into<String>) -> StatementError {
        StatementError {
            kind: ErrorKind::BadStatement,
            message: message.into(),
            statement: Some(statement.into()),
            answers: Vec::new(),
        }
    }

    pub fn bad_request(message: impl Into<String>) -> StatementError {
        StatementError::new(ErrorKind::BadRequest, message)
    }

    pub fn internal(message: impl Into<String>) -> StatementError {
        StatementError::new(ErrorKind::Internal, message)
    }
}

impl std::fmt::Display for StatementError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StatementError {}
