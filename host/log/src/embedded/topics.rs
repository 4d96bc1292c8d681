//! The embedded log's topics: what exists, and how far each partition reaches.

use super::retention::Retention;
use super::signal::Signal;
use crate::error::{LogError, Result};
use crate::topic::{PartitionOffsets, TopicInfo, TopicSpec};
use calzone_state::{Database, Durability, Keyspace, WriteBatch};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

/// More partitions than that help nobody in one process.
const PARTITIONS_MAX: i32 = 4_096;
/// Kafka's own limit.
const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Deletions of blocks that are committed at a time.
const DELETE_BATCH_BLOCKS: usize = 4_096;

const CLUSTER_KEY: &[u8] = b"\0cluster";
const NEXT_ID_KEY: &[u8] = b"\0next-id";

pub(super) struct Topics {
    keyspace: Keyspace,
    cluster_id: String,
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Of topics that do not say it themselves.
    retention_ms: Option<i64>,
}

/// A topic, for as long as somebody uses it.
pub(super) struct Topic {
    /// Never used again, so blocks of a deleted topic can never show up in a new one of its name.
    pub(super) id: u32,
    pub(super) name: Arc<str>,
    pub(super) partitions: Box<[Partition]>,
    pub(super) retention: Retention,
    deleted: AtomicBool,
    waiters: Mutex<Vec<Weak<Signal>>>,
}

#[derive(Default)]
pub(super) struct Partition {
    /// Offset of the first record that is still there.
    earliest: AtomicI64,
    /// Offset of the next record; moves only under the append lock.
    next: AtomicI64,
    /// End of what readers may see.
    visible: AtomicI64,
}

impl Partition {
    pub(super) fn earliest(&self) -> i64 {
        self.earliest.load(Ordering::Acquire)
    }

    pub(super) fn begin_at(&self, offset: i64) {
        self.earliest.fetch_max(offset, Ordering::AcqRel);
    }

    pub(super) fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    pub(super) fn set_next(&self, offset: i64) {
        self.next.store(offset, Ordering::Release);
    }

    pub(super) fn visible(&self) -> i64 {
        self.visible.load(Ordering::Acquire)
    }

    pub(super) fn show_until(&self, offset: i64) {
        self.visible.fetch_max(offset, Ordering::AcqRel);
    }
}

impl Topic {
    pub(super) fn info(&self) -> TopicInfo {
        TopicInfo { name: self.name.to_string(), partitions: self.partitions.len() as i32, replicas: 1 }
    }

    pub(super) fn offsets(&self) -> Vec<PartitionOffsets> {
        let offsets = |p: &Partition| PartitionOffsets { earliest: p.earliest(), latest: p.visible() };
        self.partitions.iter().map(offsets).collect()
    }

    pub(super) fn partition(&self, partition: i32) -> Result<&Partition> {
        let found = usize::try_from(partition).ok().and_then(|index| self.partitions.get(index));
        found.ok_or_else(|| LogError::PartitionMissing {
            topic: self.name.to_string(),
            partition,
            partitions: self.partitions.len() as i32,
        })
    }

    /// # Errors
    /// `TopicMissing` once it was deleted.
    pub(super) fn check_exists(&self) -> Result<()> {
        match self.deleted.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(LogError::TopicMissing { topic: self.name.to_string() }),
        }
    }

    pub(super) fn add_waiter(&self, signal: &Arc<Signal>) {
        let mut waiters = self.lock_waiters();
        waiters.retain(|waiter| waiter.strong_count() > 0);
        waiters.push(Arc::downgrade(signal));
    }

    pub(super) fn notify(&self) {
        for waiter in self.lock_waiters().iter() {
            if let Some(signal) = waiter.upgrade() {
                signal.notify_data();
            }
        }
    }

    fn lock_waiters(&self) -> MutexGuard<'_, Vec<Weak<Signal>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topics {
    pub(super) fn open(database: &Database, blocks: &Keyspace, retention_ms: Option<i64>) -> Result<Topics> {
        let keyspace = database.keyspace("log.topics")?;
        let cluster_id = match keyspace.get(CLUSTER_KEY)? {
            Some(id) => String::from_utf8_lossy(&id).into_owned(),
            None => {
                let id = new_cluster_id();
                let mut batch = database.batch();
                batch.put(&keyspace, CLUSTER_KEY, id.as_bytes());
                batch.commit(Durability::Synced)?;
                id
            }
        };
        let mut by_name = BTreeMap::new();
        for entry in keyspace.range(&[1], &[]) {
            let (key, value) = entry?;
            let name = String::from_utf8_lossy(&key).into_owned();
            let (id, partitions) = decode(&value).ok_or_else(|| LogError::Fatal {
                action: format!("reading topic '{name}' from the local database"),
                cause: String::from("its entry has a format that this version does not know"),
            })?;
            let topic = Topic::new(id, &name, partitions, Retention::of(config(&value), retention_ms));
            for (index, partition) in topic.partitions.iter().enumerate() {
                partition.begin_at(begin_of(blocks, id, index as i32)?);
                let end = end_of(blocks, id, index as i32, &name)?;
                partition.set_next(end);
                partition.show_until(end);
            }
            by_name.insert(name, Arc::new(topic));
        }
        let topics = Topics { keyspace, cluster_id, by_name: RwLock::new(by_name), retention_ms };
        topics.remove_orphans(database, blocks)?;
        Ok(topics)
    }

    /// Removes blocks of topics whose deletion a crash cut short.
    fn remove_orphans(&self, database: &Database, blocks: &Keyspace) -> Result<()> {
        let alive: Vec<u32> = self.read().values().map(|topic| topic.id).collect();
        let mut from = Vec::new();
        loop {
            let Some(entry) = blocks.range(&from, &[]).next() else { return Ok(()) };
            let (key, _) = entry?;
            let Some(id) = key.first_chunk().map(|id| u32::from_be_bytes(*id)) else { return Ok(()) };
            if !alive.contains(&id) {
                remove_blocks(database, blocks, id)?;
            }
            let Some(next) = id.checked_add(1) else { return Ok(()) };
            from = next.to_be_bytes().to_vec();
        }
    }

    pub(super) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Topic>>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn list(&self) -> Vec<TopicInfo> {
        self.read().values().map(|topic| topic.info()).collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        self.read().values().cloned().collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().get(name).cloned()
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Topic>> {
        self.find(name).ok_or_else(|| LogError::TopicMissing { topic: name.to_owned() })
    }

    pub(super) fn create(&self, database: &Database, spec: &TopicSpec, durability: Durability) -> Result<()> {
        check(spec)?;
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if by_name.contains_key(&spec.name) {
            return Err(LogError::TopicExists { topic: spec.name.clone() });
        }
        let id = match self.keyspace.get(NEXT_ID_KEY)? {
            Some(next) => next.first_chunk().map_or(0, |next| u32::from_be_bytes(*next)),
            None => 0,
        };
        let mut batch = database.batch();
        batch.put(&self.keyspace, NEXT_ID_KEY, &(id + 1).to_be_bytes());
        batch.put(&self.keyspace, spec.name.as_bytes(), &encode(id, spec));
        batch.commit(durability)?;
        let lines = spec.config.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let retention = Retention::of(lines, self.retention_ms);
        by_name.insert(spec.name.clone(), Arc::new(Topic::new(id, &spec.name, spec.partitions, retention)));
        Ok(())
    }

    /// Takes the topic out; its blocks remain to be removed. The batch holds what goes with it.
    pub(super) fn delete(&self, mut batch: WriteBatch, name: &str, durability: Durability) -> Result<Arc<Topic>> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        let topic = by_name.get(name).cloned().ok_or_else(|| LogError::TopicMissing { topic: name.to_owned() })?;
        batch.delete(&self.keyspace, name.as_bytes());
        batch.commit_to_free(durability)?;
        by_name.remove(name);
        topic.deleted.store(true, Ordering::Release);
        Ok(topic)
    }
}

impl Topic {
    fn new(id: u32, name: &str, partitions: i32, retention: Retention) -> Topic {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        Topic { id, name: name.into(), partitions, retention, deleted: AtomicBool::new(false), waiters: Mutex::default() }
    }
}

/// The key of the block that begins with this offset. Keys of a partition sort by offset.
pub(super) fn block_key(topic: u32, partition: i32, offset: i64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&topic.to_be_bytes());
    key[4..8].copy_from_slice(&partition.to_be_bytes());
    key[8..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// The offset in a block's key.
pub(super) fn base_offset(key: &[u8]) -> Option<i64> {
    key.last_chunk().map(|offset| i64::from_be_bytes(*offset))
}

/// Removes all blocks of a topic, a part at a time; what a crash leaves is removed at the next start.
pub(super) fn remove_blocks(database: &Database, blocks: &Keyspace, topic: u32) -> Result<()> {
    let mut batch = database.batch();
    for key in blocks.prefix_keys(&topic.to_be_bytes()) {
        batch.delete(blocks, &key?);
        if batch.len() >= DELETE_BATCH_BLOCKS {
            std::mem::replace(&mut batch, database.batch()).commit_to_free(Durability::Buffered)?;
        }
    }
    Ok(batch.commit_to_free(Durability::Buffered)?)
}

/// The offset of the first record that a partition still has.
fn begin_of(blocks: &Keyspace, id: u32, partition: i32) -> Result<i64> {
    let first = blocks.range_keys(&block_key(id, partition, 0), &block_key(id, partition, i64::MAX)).next();
    Ok(first.transpose()?.as_deref().and_then(base_offset).unwrap_or(0))
}

/// The offset after the last record of a partition.
fn end_of(blocks: &Keyspace, id: u32, partition: i32, name: &str) -> Result<i64> {
    let last = blocks.range(&block_key(id, partition, 0), &block_key(id, partition, i64::MAX)).next_back();
    let Some(entry) = last else { return Ok(0) };
    let (key, block) = entry?;
    let base = base_offset(&key).unwrap_or(0);
    let records = super::block::record_count(&block).ok_or_else(|| LogError::Corrupt {
        topic: name.to_owned(),
        partition,
        offset: base,
        detail: String::from("the last block cannot be read"),
    })?;
    Ok(base + i64::from(records))
}

fn check(spec: &TopicSpec) -> Result<()> {
    let refuse = |reason: String| Err(LogError::InvalidTopic { topic: spec.name.clone(), reason });
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if spec.name.is_empty() || spec.name.len() > TOPIC_NAME_BYTES_MAX || matches!(spec.name.as_str(), "." | "..") {
        return refuse(format!("a topic's name has 1 to {TOPIC_NAME_BYTES_MAX} characters and is not '.' or '..'"));
    }
    if !spec.name.bytes().all(legal) {
        return refuse(String::from("a topic's name consists of ASCII letters, digits, '.', '_' and '-'"));
    }
    if !(1..=PARTITIONS_MAX).contains(&spec.partitions) {
        return refuse(format!("{} partitions are not between 1 and {PARTITIONS_MAX}", spec.partitions));
    }
    if spec.replicas > 1 {
        return refuse(format!("the embedded log keeps 1 replica, not {}; use a Kafka cluster for more", spec.replicas));
    }
    Ok(())
}

/// Entry format 1: version, id, partitions, then the configuration as lines `name=value`.
fn encode(id: u32, spec: &TopicSpec) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(&spec.partitions.to_be_bytes());
    for (name, value) in &spec.config {
        bytes.extend_from_slice(format!("{name}={value}\n").as_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u32, i32)> {
    let (version, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (partitions, _) = rest.split_first_chunk()?;
    let partitions = i32::from_be_bytes(*partitions);
    (*version == 1 && (1..=PARTITIONS_MAX).contains(&partitions)).then(|| (u32::from_be_bytes(*id), partitions))
}

/// The configuration in a topic's entry.
fn config(entry: &[u8]) -> Vec<(&str, &str)> {
    let lines = std::str::from_utf8(entry.get(9..).unwrap_or_default()).unwrap_or_default();
    lines.lines().filter_map(|line| line.split_once('=')).collect()
}

/// 22 letters and digits, as Kafka's cluster ids; unique enough for one server from its hasher's random keys.
fn new_cluster_id() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = std::hash::RandomState::new();
    let mut id = String::with_capacity(22);
    for part in 0..2u64 {
        let mut hasher = random.build_hasher();
        hasher.write_u64(part);
        let mut bits = hasher.finish();
        for _ in 0..11 {
            id.push(char::from(LETTERS[(bits % 62) as usize]));
            bits /= 62;
        }
    }
    id
}
