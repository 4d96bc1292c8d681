//! A log whose workers are wrapped: everything else goes to the log itself.

use std::sync::Arc;

use calzone_log::{
    Appender, Log, LogKind, PartitionOffsets, Reader, Result, StartOffset, TopicInfo, TopicPartition, TopicSpec, Worker,
    WorkerOptions,
};
use calzone_state::WriteBatch;

/// Makes a worker of the log as the simulation wants it.
pub type MakeWorker = Box<dyn Fn(&dyn Log, WorkerOptions) -> Result<Box<dyn Worker>> + Send + Sync>;

pub struct WrappedLog {
    pub log: Arc<dyn Log>,
    pub make_worker: MakeWorker,
}

impl Log for WrappedLog {
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
        (self.make_worker)(&*self.log, options)
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
