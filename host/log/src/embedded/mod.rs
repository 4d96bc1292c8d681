//! The embedded log: a partitioned, durable log in the server's own database.
//!
//! Records lie in blocks, one for each commit and partition (large commits are split), under the key (topic id,
//! partition, offset of the first record). Offsets are dense from 0. Topics and the groups' offsets have keyspaces
//! of their own in the same database as the stores, so a commit of outputs, offsets and state is one atomic write.
//!
//! What a reader may see ends at the partition's visible offset, which moves only after the write is as durable
//! as the settings ask for: nobody ever acts on a record that a crash could take back.

mod append;
mod appender;
mod block;
mod cursor;
mod groups;
mod membership;
mod reader;
mod retention;
mod signal;
mod topics;
mod worker;

use crate::error::{LogError, Result};
use crate::log::{Appender, Log, LogKind};
use crate::reader::{Reader, StartOffset};
use crate::topic::{PartitionOffsets, TopicInfo, TopicPartition, TopicSpec};
use crate::worker::{Worker, WorkerOptions};
use calzone_state::{Database, Durability, Keyspace, Layout, WriteBatch};
use membership::Memberships;
use std::sync::{Arc, Mutex};
use topics::Topics;

/// How the embedded log writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// [`Durability::Synced`], the default: what was acknowledged survives a power cut.
    /// [`Durability::Buffered`]: it survives a killed server; a power cut may take back the last moments, always as
    /// whole commits and never leaving records, offsets and state in disagreement.
    pub durability: Durability,
    /// How long a topic without `retention.ms` keeps records after they were appended, milliseconds; `None`: for ever.
    /// As with Kafka, a week. Compacted topics keep everything.
    pub retention_ms: Option<i64>,
}

impl EmbeddedSettings {
    /// Kafka's default, milliseconds.
    pub const RETENTION_MS: i64 = 7 * 24 * 3_600_000;
}

impl Default for EmbeddedSettings {
    fn default() -> EmbeddedSettings {
        EmbeddedSettings { durability: Durability::default(), retention_ms: Some(EmbeddedSettings::RETENTION_MS) }
    }
}

/// The embedded log; clones are handles to the same one. There must be one for a database.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    durability: Durability,
    topics: Topics,
    blocks: Keyspace,
    groups: Keyspace,
    /// How far partitions reached at which time: (topic id, partition, milliseconds) to an offset.
    ages: Keyspace,
    memberships: Memberships,
    /// Held while offsets are assigned and the blocks written; never while waiting for the disk to sync.
    append: Mutex<()>,
}

impl EmbeddedLog {
    /// Opens the log in this database, or makes an empty one.
    pub fn open(database: Database, settings: EmbeddedSettings) -> Result<EmbeddedLog> {
        let blocks = database.keyspace_with("log.blocks", Layout::Log)?;
        let groups = database.keyspace("log.groups")?;
        let ages = database.keyspace("log.ages")?;
        let topics = Topics::open(&database, &blocks, settings.retention_ms)?;
        let shared = Shared {
            database,
            durability: settings.durability,
            topics,
            blocks,
            groups,
            ages,
            memberships: Memberships::default(),
            append: Mutex::default(),
        };
        Ok(EmbeddedLog { shared: Arc::new(shared) })
    }

    pub fn database(&self) -> &Database {
        &self.shared.database
    }
}

impl Log for EmbeddedLog {
    fn kind(&self) -> LogKind {
        LogKind::Embedded
    }

    fn cluster_id(&self) -> String {
        self.shared.topics.cluster_id().to_owned()
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        Ok(self.shared.topics.list())
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>> {
        Ok(self.shared.topics.find(name).map(|topic| topic.info()))
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<()> {
        self.shared.topics.create(&self.shared.database, spec, self.shared.durability)
    }

    fn delete_topic(&self, name: &str) -> Result<()> {
        let shared = &self.shared;
        let guard = append::lock(shared);
        let mut batch = shared.database.batch();
        groups::forget_topic(&shared.groups, &mut batch, name)?;
        let id = shared.topics.get(name)?.id;
        for key in shared.ages.prefix_keys(&id.to_be_bytes()) {
            batch.delete(&shared.ages, &key?);
        }
        let topic = shared.topics.delete(batch, name, shared.durability)?;
        drop(guard);
        topic.notify();
        topics::remove_blocks(&shared.database, &shared.blocks, topic.id)
    }

    fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>> {
        Ok(self.shared.topics.get(topic)?.offsets())
    }

    fn trim(&self, partition: &TopicPartition, offset: i64) -> Result<()> {
        let topic = self.shared.topics.get(&partition.topic)?;
        retention::trim(&self.shared, &topic, partition.partition, offset)
    }

    fn maintain(&self, now_ms: i64) -> Result<()> {
        retention::maintain(&self.shared, now_ms)
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        let partitions = self.shared.topics.get(topic)?.partitions.len();
        (0..partitions as i32)
            .map(|partition| {
                let position = groups::read(&self.shared.groups, group, topic, partition)?;
                Ok(position.map(|(offset, _)| offset))
            })
            .collect()
    }

    fn appender(&self) -> Result<Box<dyn Appender>> {
        Ok(Box::new(appender::EmbeddedAppender::new(self.shared.clone())))
    }

    fn reader(&self, starts: &[(TopicPartition, StartOffset)]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(reader::EmbeddedReader::new(self.shared.clone(), starts)?))
    }

    fn worker(&self, options: WorkerOptions) -> Result<Box<dyn Worker>> {
        Ok(Box::new(worker::EmbeddedWorker::new(self.shared.clone(), options)?))
    }

    fn forget_group(&self, group: &str) -> Result<()> {
        if self.shared.memberships.is_active(group) {
            let action = format!("forgetting group '{group}'");
            return Err(LogError::Retriable { action, cause: String::from("a worker of it is still running") });
        }
        let mut batch = self.shared.database.batch();
        groups::forget_group(&self.shared.groups, &mut batch, group)?;
        Ok(batch.commit(self.shared.durability)?)
    }

    fn changelog_position(&self, partition: &TopicPartition) -> Result<Option<i64>> {
        let topic = self.shared.topics.get(&partition.topic)?;
        Ok(Some(topic.partition(partition.partition)?.visible()))
    }

    fn put_changelog_position(&self, _batch: &mut WriteBatch, _partition: &TopicPartition, _next_offset: i64) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod tests;
