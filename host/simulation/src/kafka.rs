//! The simulated cluster as a log, as one server sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use calzone_log::{
    Appender, Fetched, Log, LogError, LogKind, PartitionOffsets, Reader, Result, StartOffset, TopicInfo, TopicPartition,
    TopicSpec, WakeHandle, Worker, WorkerOptions,
};
use calzone_state::{Database, Keyspace, WriteBatch};
use calzone_types::RecordBatch;

use crate::cluster::Cluster;
use crate::link::Link;
use crate::worker::SimulatedWorker;

/// The cluster, for all its clients.
pub type SharedCluster = Arc<Mutex<Cluster>>;

pub fn lock(cluster: &SharedCluster) -> MutexGuard<'_, Cluster> {
    cluster.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One server's way to the cluster.
#[derive(Clone)]
pub struct SimulatedLog {
    pub(crate) cluster: SharedCluster,
    pub(crate) link: Arc<Link>,
    pub(crate) positions: Keyspace,
}

impl SimulatedLog {
    pub fn new(cluster: SharedCluster, link: Arc<Link>, database: &Database) -> Result<SimulatedLog> {
        Ok(SimulatedLog { cluster, link, positions: database.keyspace("simulated.changelog-positions")? })
    }

    /// Notes how far the stores have a changelog.
    pub(crate) fn put_position(&self, batch: &mut WriteBatch, tp: &TopicPartition, next_offset: i64) {
        batch.put(&self.positions, tp.to_string().as_bytes(), &next_offset.to_be_bytes());
    }
}

impl Log for SimulatedLog {
    fn kind(&self) -> LogKind {
        LogKind::Kafka
    }

    fn cluster_id(&self) -> String {
        "simulated".into()
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        let cluster = lock(&self.cluster);
        Ok(cluster.topics().map(|(name, partitions)| TopicInfo { name: name.clone(), partitions, replicas: 1 }).collect())
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>> {
        Ok(self.topics()?.into_iter().find(|topic| topic.name == name))
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<()> {
        lock(&self.cluster).create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<()> {
        lock(&self.cluster).delete_topic(name)
    }

    fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>> {
        let cluster = lock(&self.cluster);
        let latest = |partition| cluster.visible_end(&TopicPartition::new(topic, partition));
        Ok((0..cluster.partition_count(topic)?).map(|p| PartitionOffsets { earliest: 0, latest: latest(p) }).collect())
    }

    /// A cluster may take its time to remove records; this one takes for ever.
    fn trim(&self, _: &TopicPartition, _: i64) -> Result<()> {
        Ok(())
    }

    fn maintain(&self, _: i64) -> Result<()> {
        Ok(())
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        let cluster = lock(&self.cluster);
        let partitions = cluster.partition_count(topic)?;
        let offsets = cluster.groups.get(group).map(|group| &group.offsets);
        let of = |p| offsets.and_then(|all| all.get(&TopicPartition::new(topic, p))).map(|(offset, _)| *offset);
        Ok((0..partitions).map(of).collect())
    }

    fn appender(&self) -> Result<Box<dyn Appender>> {
        Ok(Box::new(self.clone()))
    }

    fn reader(&self, starts: &[(TopicPartition, StartOffset)]) -> Result<Box<dyn Reader>> {
        let cluster = lock(&self.cluster);
        let positions = starts.iter().map(|(tp, start)| {
            let position = match start {
                StartOffset::Earliest => 0,
                StartOffset::Latest => cluster.visible_end(tp),
                StartOffset::At(offset) => *offset,
            };
            (tp.clone(), position)
        });
        Ok(Box::new(SimulatedReader { log: self.clone(), positions: positions.collect() }))
    }

    fn worker(&self, options: WorkerOptions) -> Result<Box<dyn Worker>> {
        self.link.check()?;
        Ok(Box::new(SimulatedWorker::new(self.clone(), options)?))
    }

    fn forget_group(&self, group: &str) -> Result<()> {
        let mut cluster = lock(&self.cluster);
        if cluster.groups.get(group).is_some_and(|group| group.has_members()) {
            return Err(LogError::Retriable { action: "forgetting a group".into(), cause: "it has members".into() });
        }
        cluster.groups.remove(group);
        Ok(())
    }

    fn changelog_position(&self, partition: &TopicPartition) -> Result<Option<i64>> {
        let found = self.positions.get(partition.to_string().as_bytes())?;
        Ok(found.and_then(|bytes| Some(i64::from_be_bytes(<[u8; 8]>::try_from(&*bytes).ok()?))))
    }

    fn put_changelog_position(&self, batch: &mut WriteBatch, partition: &TopicPartition, next_offset: i64) -> Result<()> {
        self.put_position(batch, partition, next_offset);
        Ok(())
    }
}

impl Appender for SimulatedLog {
    fn append(&self, topic: &str, records: &RecordBatch) -> Result<Vec<(i32, i64)>> {
        self.link.check()?;
        lock(&self.cluster).append(topic, records, None)
    }
}

/// Reads some partitions without a group, in pieces of any size.
struct SimulatedReader {
    log: SimulatedLog,
    positions: BTreeMap<TopicPartition, i64>,
}

impl Reader for SimulatedReader {
    fn poll(&mut self, out: &mut Vec<Fetched>, max_records: usize, _: Duration) -> Result<()> {
        self.log.link.check()?;
        let cluster = lock(&self.log.cluster);
        for (tp, position) in &mut self.positions {
            let most = self.log.link.chance(|random| random.between(1, 40)) as usize;
            let (records, next) = cluster.fetch(tp, *position, most.min(max_records));
            *position = next;
            if !records.is_empty() {
                out.push(Fetched { tp: Arc::new(tp.clone()), records });
            }
        }
        Ok(())
    }

    fn position(&self, tp: &TopicPartition) -> i64 {
        self.positions.get(tp).copied().unwrap_or(0)
    }

    fn end_offsets(&self) -> Result<Vec<(TopicPartition, i64)>> {
        let cluster = lock(&self.log.cluster);
        Ok(self.positions.keys().map(|tp| (tp.clone(), cluster.visible_end(tp))).collect())
    }

    fn wake_handle(&self) -> WakeHandle {
        Arc::new(|| {})
    }
}
