//! One thread of a persistent query: input, output and state that commit together.

use crate::error::Result;
use crate::reader::Fetched;
use crate::topic::TopicPartition;
use calzone_state::WriteBatch;
use calzone_types::RecordBatch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Ends a waiting `poll`; may be called from any thread, at any time.
pub type WakeHandle = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    #[default]
    AtLeastOnce,
    ExactlyOnce,
}

/// Where a group begins in a partition in which it has committed nothing. `Latest` is the end of the partition
/// when the worker was made, so what is appended from then on is not missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    Earliest,
    #[default]
    Latest,
}

#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    pub group: String,
    /// Input topics, internal ones too; all must exist.
    pub topics: Vec<String>,
    pub guarantee: Guarantee,
    /// Names the worker to Kafka, in transactions and in its group; the same after a restart, different for each thread.
    pub transactional_id: String,
    pub auto_offset_reset: Reset,
    /// Topics whose written positions are kept in the local database with the state.
    pub changelog_topics: Vec<String>,
    /// Kafka client settings; `consumer.` and `producer.` before a name restrict it to one of the two.
    pub client_settings: BTreeMap<String, String>,
}

/// A partition that the worker now owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub tp: TopicPartition,
    /// The group's committed next offset.
    pub committed: Option<i64>,
    /// Where the records will begin.
    pub position: i64,
    /// What was committed with the offset.
    pub metadata: String,
}

#[derive(Debug)]
pub enum Event {
    /// These partitions are ours from now on. Also sent after an abort, for all partitions, when their records begin
    /// again at what is committed: tasks that exist already are to be rebuilt.
    Assigned(Vec<Assignment>),
    /// These partitions go to somebody else. The worker still owns them until the next `poll`: commit now.
    Revoked(Vec<TopicPartition>),
    /// These partitions went to somebody else already: drop their tasks, they can no longer commit.
    Lost(Vec<TopicPartition>),
    Records(Fetched),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    Committed,
    /// Nothing was committed, and what was sent is dropped. The worker goes on at what is committed: the next `poll`
    /// begins with [`Event::Assigned`] for all partitions.
    Aborted {
        cause: String,
    },
    /// Nothing was committed, and another worker has taken over: drop this one and make a new one.
    Fenced {
        cause: String,
    },
}

pub trait Worker: Send {
    /// Adds what has happened, in order; at most `max_records` records; waits for the first event up to the timeout.
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, timeout: Duration) -> Result<()>;

    /// Takes back a batch that `poll` gave out and whose records are done with: its memory holds later ones.
    fn recycle(&mut self, _: RecordBatch) {}

    /// Queues records for a topic; a record's partition may be [`RecordBatch::ANY_PARTITION`]. Waits when the queue
    /// is full.
    ///
    /// # Errors
    /// Those that blame a record leave everything else queued as it was.
    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()>;

    /// At least once on Kafka: returns when the log has taken all that was sent. Elsewhere only the commit decides about that, and
    /// nothing is waited for.
    ///
    /// # Errors
    /// Those that blame a record: [`Worker::abort`] must follow.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Bytes that were sent and wait for the commit: commit early rather than let this grow without bound.
    fn uncommitted_bytes(&self) -> usize;

    /// Commits all that was sent, the next input offset of each partition with an opaque text, and the changes of
    /// the tasks' stores. On the embedded log and on Kafka with exactly-once it is all or nothing.
    ///
    /// # Errors
    /// One that blames a record means that nothing was committed, as after [`CommitOutcome::Aborted`].
    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], state: WriteBatch) -> Result<CommitOutcome>;

    /// Drops what was sent since the last commit (at-least-once on Kafka may have sent some of it already). The next
    /// `poll` begins with [`Event::Assigned`] for all partitions.
    fn abort(&mut self) -> Result<()>;

    /// Stops giving out records of these partitions, until [`Worker::resume`].
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    fn wake_handle(&self) -> WakeHandle;
}
