//! What ends a query's work, by what to do about it.

use calzone_exec::ExecError;
use calzone_log::LogError;
use calzone_state::StateError;

/// Why a query's work ended before it was told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The log or another worker got in the way, as when a broker restarts: trying again from the last commit helps.
    Retry(String),
    /// Trying again may help. Once it has not helped several times it counts as fatal.
    Doubtful(String),
    /// The same records would fail again: the query is in error until something changes. It is tried again all the same.
    Fatal(String),
}

impl Failure {
    pub fn message(&self) -> &str {
        match self {
            Failure::Retry(message) | Failure::Doubtful(message) | Failure::Fatal(message) => message,
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        let message = error.to_string();
        match error {
            LogError::Retriable { .. } | LogError::Fenced { .. } => Failure::Retry(message),
            // Client libraries and brokers have more errors than anybody has sorted.
            LogError::Fatal { .. } => Failure::Doubtful(message),
            _ => Failure::Fatal(message),
        }
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Failure {
        Failure::Fatal(error.to_string())
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        Failure::Fatal(error.to_string())
    }
}
