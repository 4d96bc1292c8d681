//! The real embedded log, whose commits are struck by faults.

use std::sync::Arc;
use std::time::Duration;

use calzone_log::{
    Appender, CommitOutcome, EmbeddedLog, Event, Log, LogKind, PartitionOffsets, Reader, Result, StartOffset, TopicInfo,
    TopicPartition, TopicSpec, WakeHandle, Worker, WorkerOptions,
};
use calzone_state::WriteBatch;
use calzone_types::RecordBatch;

use crate::link::{CommitFault, Link, retriable};

/// The embedded log of a server that may die.
pub struct MortalLog {
    pub log: EmbeddedLog,
    pub link: Arc<Link>,
}

impl Log for MortalLog {
    fn kind(&self) -> LogKind {
        self.log.kind()
    }

    fn cluster_id(&self) -> String {
        self.log.cluster_id()
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        self.log.topics()
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>> {
        self.log.topic(name)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<()> {
        self.log.create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<()> {
        self.log.delete_topic(name)
    }

    fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>> {
        self.log.offsets(topic)
    }

    fn trim(&self, partition: &TopicPartition, offset: i64) -> Result<()> {
        self.log.trim(partition, offset)
    }

    fn maintain(&self, now_ms: i64) -> Result<()> {
        self.log.maintain(now_ms)
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        self.log.committed(group, topic)
    }

    fn appender(&self) -> Result<Box<dyn Appender>> {
        self.log.appender()
    }

    fn reader(&self, starts: &[(TopicPartition, StartOffset)]) -> Result<Box<dyn Reader>> {
        self.log.reader(starts)
    }

    fn worker(&self, options: WorkerOptions) -> Result<Box<dyn Worker>> {
        self.link.check()?;
        Ok(Box::new(MortalWorker { inner: self.log.worker(options)?, link: self.link.clone() }))
    }

    fn forget_group(&self, group: &str) -> Result<()> {
        self.log.forget_group(group)
    }

    fn changelog_position(&self, partition: &TopicPartition) -> Result<Option<i64>> {
        self.log.changelog_position(partition)
    }

    fn put_changelog_position(&self, batch: &mut WriteBatch, partition: &TopicPartition, next_offset: i64) -> Result<()> {
        self.log.put_changelog_position(batch, partition, next_offset)
    }
}

struct MortalWorker {
    inner: Box<dyn Worker>,
    link: Arc<Link>,
}

impl Worker for MortalWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, _: Duration) -> Result<()> {
        self.link.check()?;
        let most = self.link.chance(|random| random.between(1, 60)) as usize;
        self.inner.poll(out, most.min(max_records), Duration::ZERO)
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.link.check()?;
        if self.link.strikes(CommitFault::SendFails) {
            return Err(retriable("sending records"));
        }
        self.inner.send(topic, records)
    }

    fn uncommitted_bytes(&self) -> usize {
        self.inner.uncommitted_bytes()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], state: WriteBatch) -> Result<CommitOutcome> {
        self.link.check()?;
        self.link.crashes(CommitFault::CrashBefore)?;
        self.link.crashes(CommitFault::CrashOpen)?;
        if self.link.strikes(CommitFault::Abort) {
            self.inner.abort()?;
            return Ok(CommitOutcome::Aborted { cause: "the simulation wants it so".into() });
        }
        let outcome = self.inner.commit(offsets, state)?;
        // The journal is cut inside of this write before the next start.
        self.link.crashes(CommitFault::CrashBetween)?;
        self.link.crashes(CommitFault::CrashAfter)?;
        if self.link.strikes(CommitFault::AnswerLost) {
            return Err(retriable("hearing of a commit"));
        }
        Ok(outcome)
    }

    fn abort(&mut self) -> Result<()> {
        self.link.check()?;
        self.inner.abort()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn wake_handle(&self) -> WakeHandle {
        self.inner.wake_handle()
    }
}
