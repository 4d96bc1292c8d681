//! The log as the engine sees it.

use crate::error::Result;
use crate::reader::{Reader, StartOffset};
use crate::topic::{PartitionOffsets, TopicInfo, TopicPartition, TopicSpec};
use crate::worker::{Worker, WorkerOptions};
use calzone_state::WriteBatch;
use calzone_types::RecordBatch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    Embedded,
    Kafka,
}

/// Topics, and all ways in and out of them. No call waits longer than it says; those that ask a Kafka cluster
/// wait for half a minute at most.
pub trait Log: Send + Sync {
    fn kind(&self) -> LogKind;

    /// Stays the same for as long as the log's data lives.
    fn cluster_id(&self) -> String;

    /// All topics, by name.
    fn topics(&self) -> Result<Vec<TopicInfo>>;

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>>;

    /// # Errors
    /// `TopicExists`, `InvalidTopic`.
    fn create_topic(&self, spec: &TopicSpec) -> Result<()>;

    /// # Errors
    /// `TopicMissing`.
    fn delete_topic(&self, name: &str) -> Result<()>;

    /// Offsets of each partition, in order.
    fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>>;

    /// Removes records before `offset` that need not be kept any longer; readers then begin after them. On the embedded log
    /// a few more may stay.
    fn trim(&self, partition: &TopicPartition, offset: i64) -> Result<()>;

    /// To be called about once a minute: the embedded log removes what its topics' retention times no longer keep; a Kafka
    /// cluster does that itself.
    fn maintain(&self, now_ms: i64) -> Result<()>;

    /// The group's next offset in each partition of the topic, in order; `None` where it has committed nothing.
    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>>;

    /// For records outside of any query. Not transactional; acknowledged records are safe.
    fn appender(&self) -> Result<Box<dyn Appender>>;

    /// Reads these partitions from these places, without a group and committed records only.
    fn reader(&self, starts: &[(TopicPartition, StartOffset)]) -> Result<Box<dyn Reader>>;

    /// A member of a group. On Kafka with exactly-once this fences an earlier worker of the same transactional id.
    fn worker(&self, options: WorkerOptions) -> Result<Box<dyn Worker>>;

    /// Deletes offsets and whatever else the log keeps for a query that was dropped; no worker of it may live.
    fn forget_group(&self, group: &str) -> Result<()>;

    /// Up to which offset of a changelog partition the local database has the changes: restore from there.
    /// `None` if it has none of them. In the embedded log, state and changelog are one write, so nothing is ever missing.
    fn changelog_position(&self, partition: &TopicPartition) -> Result<Option<i64>>;

    /// Adds to a batch of restored changes the position that [`Log::changelog_position`] gives once it is committed.
    fn put_changelog_position(&self, batch: &mut WriteBatch, partition: &TopicPartition, next_offset: i64) -> Result<()>;
}

/// Appends records for several threads.
pub trait Appender: Send + Sync {
    /// Returns when all records are durable (acknowledged by all in-sync replicas), with partition and offset of
    /// each. If it fails, some may have been appended nevertheless.
    fn append(&self, topic: &str, records: &RecordBatch) -> Result<Vec<(i32, i64)>>;
}
