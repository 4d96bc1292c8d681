//! What can go wrong in a log, by what the caller must do.

use calzone_state::StateError;

pub type Result<T> = std::result::Result<T, LogError>;

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Create the topic, or correct its name.
    #[error("topic '{topic}' does not exist: create it or check its name")]
    TopicMissing { topic: String },
    #[error("topic '{topic}' exists already")]
    TopicExists { topic: String },
    #[error("topic '{topic}' cannot be created: {reason}")]
    InvalidTopic { topic: String, reason: String },
    #[error("topic '{topic}' has no partition {partition}: it has {partitions} partition(s), counted from 0")]
    PartitionMissing { topic: String, partition: i32, partitions: i32 },
    /// This record will never be taken; what becomes of it is the error policy's decision.
    #[error("a record for topic '{topic}' is too large: {detail}")]
    RecordTooLarge { topic: String, detail: String },
    /// As above, for another reason.
    #[error("topic '{topic}' refused a record: {reason}")]
    RecordRejected { topic: String, reason: String },
    #[error("not allowed to {action}: {cause}; the server's principal needs an ACL for it")]
    NotAuthorized { action: String, cause: String },
    /// Trying the same again later may succeed.
    #[error("{action} did not succeed yet: {cause}")]
    Retriable { action: String, cause: String },
    /// Somebody else has taken over the work: drop the worker and make a new one.
    #[error("{action} was refused because another instance has taken over: {cause}")]
    Fenced { action: String, cause: String },
    /// Bytes in the embedded log are not those that were written.
    #[error(
        "topic '{topic}' partition {partition} is damaged at offset {offset}: {detail}; restore the state directory from a backup, or delete the topic"
    )]
    Corrupt { topic: String, partition: i32, offset: i64, detail: String },
    #[error("the client setting {setting} is not usable: {reason}")]
    Setting { setting: String, reason: String },
    #[error(transparent)]
    State(#[from] StateError),
    /// Nothing else fits: retrying the same will fail the same.
    #[error("{action} failed: {cause}")]
    Fatal { action: String, cause: String },
}

impl LogError {
    /// True if the same call may succeed later, without anybody changing anything.
    pub fn is_retriable(&self) -> bool {
        matches!(self, LogError::Retriable { .. })
    }

    /// True if one record is to blame, not the log.
    pub fn blames_record(&self) -> bool {
        matches!(self, LogError::RecordTooLarge { .. } | LogError::RecordRejected { .. } | LogError::PartitionMissing { .. })
    }

    /// True if the worker or appender that returned this must be dropped and made anew.
    pub fn needs_new_client(&self) -> bool {
        matches!(self, LogError::Fenced { .. } | LogError::Fatal { .. })
    }
}
