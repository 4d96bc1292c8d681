//! A log that commits in the wrong order: first the offsets, then what came of the records. A simulation that does not find
//! this finds nothing.

use std::sync::Arc;
use std::time::Duration;

use calzone_log::{
    Appender, CommitOutcome, Event, Log, LogKind, PartitionOffsets, Reader, Result, StartOffset, TopicInfo, TopicPartition,
    TopicSpec, WakeHandle, Worker, WorkerOptions,
};
use calzone_state::{Database, WriteBatch};
use calzone_types::RecordBatch;

pub struct DisorderedLog {
    pub log: Arc<dyn Log>,
    pub database: Database,
}

impl Log for DisorderedLog {
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
        let inner = self.log.worker(options)?;
        Ok(Box::new(DisorderedWorker { inner, database: self.database.clone(), held: Vec::new() }))
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

struct DisorderedWorker {
    inner: Box<dyn Worker>,
    database: Database,
    held: Vec<(String, RecordBatch)>,
}

impl Worker for DisorderedWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, timeout: Duration) -> Result<()> {
        self.inner.poll(out, max_records, timeout)
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.held.push((topic.to_owned(), records.clone()));
        Ok(())
    }

    fn uncommitted_bytes(&self) -> usize {
        self.inner.uncommitted_bytes()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], state: WriteBatch) -> Result<CommitOutcome> {
        let first = self.inner.commit(offsets, self.database.batch())?;
        if first != CommitOutcome::Committed {
            self.held.clear();
            return Ok(first);
        }
        for (topic, records) in self.held.drain(..) {
            self.inner.send(&topic, &records)?;
        }
        self.inner.commit(&[], state)
    }

    fn abort(&mut self) -> Result<()> {
        self.held.clear();
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
