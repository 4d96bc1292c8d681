//! What ends a query's work, by what to do about it.

use calzone_exec::{ExecError, RecordError};
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
    /// The local stores are not what was written: they have to be made anew, where they can be.
    Damaged(String),
    /// The log refuses a record that was written since the last commit.
    Refused(String),
    /// A record failed so that only what was done since the last commit can be undone with it.
    Record { error: Box<RecordError>, message: String },
    /// The error policy stops the query before the record of this error (`None`: it stands there): only the user makes it go on.
    Stop { before: Option<Box<RecordError>>, message: String },
}

impl Failure {
    /// Of what the query writes. A topic that is gone is no fault of the records, but what becomes of them is the policy's
    /// decision, too.
    pub(crate) fn of_production(error: LogError) -> Failure {
        match error {
            LogError::TopicMissing { .. } => Failure::Refused(error.to_string()),
            error => error.into(),
        }
    }

    pub fn message(&self) -> &str {
        match self {
            Failure::Retry(message)
            | Failure::Doubtful(message)
            | Failure::Fatal(message)
            | Failure::Damaged(message)
            | Failure::Refused(message) => message,
            Failure::Record { message, .. } | Failure::Stop { message, .. } => message,
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        let message = error.to_string();
        if error.blames_record() {
            return Failure::Refused(message);
        }
        match error {
            LogError::State(error) => error.into(),
            LogError::Retriable { .. } | LogError::Fenced { .. } => Failure::Retry(message),
            // Client libraries and brokers have more errors than anybody has sorted.
            LogError::Fatal { .. } => Failure::Doubtful(message),
            _ => Failure::Fatal(message),
        }
    }
}

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Failure {
        let message = error.to_string();
        if let ExecError::State(error) = error {
            return error.into();
        }
        match error.record_error() {
            Some(error) => Failure::Record { error: Box::new(error), message },
            None => Failure::Fatal(message),
        }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Failure {
        match error {
            StateError::Corrupt { .. } => Failure::Damaged(error.to_string()),
            _ => Failure::Fatal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_known_as_such_wherever_it_is_met() {
        let damage = || StateError::Corrupt { path: "/x".into(), detail: "checksum".into() };
        for failure in [damage().into(), LogError::from(damage()).into(), ExecError::from(damage()).into()] {
            assert!(matches!(&failure, Failure::Damaged(message) if message.contains("checksum")), "{failure:?}");
        }
        assert!(matches!(StateError::Poisoned { path: "/x".into() }.into(), Failure::Fatal(_)));
    }
}
