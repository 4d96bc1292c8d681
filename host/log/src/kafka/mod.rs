//! Apache Kafka, through librdkafka.
//!
//! One client asks and orders about topics and groups; each reader, appender and worker has clients of its own. State
//! stays in the server's own database: it is written after the transaction that holds its changelog has committed,
//! together with the changelog position, so after a crash it is at most behind and the rest is read again.

mod appender;
mod fetch;
mod native;
mod positions;
mod reader;
mod settings;
mod transaction;
mod worker;

use crate::error::{LogError, Result};
use crate::log::{Appender, Log, LogKind};
use crate::reader::{Reader, StartOffset};
use crate::topic::{PartitionOffsets, TopicInfo, TopicPartition, TopicSpec};
use crate::worker::{Worker, WorkerOptions};
use calzone_state::{Database, Durability, Keyspace, WriteBatch};
use native::{Admin, Code, NativeError, OffsetSpec, error_for};
pub use settings::KafkaSettings;
use settings::{ClientKind, ClientSettings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a question to the cluster may take before it is given up.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a created or deleted topic may take to be seen as such.
const TOPIC_SETTLE_TIME_MAX: Duration = Duration::from_secs(10);
const TOPIC_SETTLE_STEP: Duration = Duration::from_millis(10);

/// A Kafka cluster as a log; clones are handles to the same one.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    admin: Admin,
    cluster_id: String,
    settings: KafkaSettings,
    database: Database,
    positions: Keyspace,
}

impl KafkaLog {
    /// Connects to the cluster. The database is for the stores of the workers.
    ///
    /// # Errors
    /// `Setting` for one that cannot be used, `Retriable` if no broker answers within half a minute.
    pub fn open(database: Database, settings: KafkaSettings) -> Result<KafkaLog> {
        let servers = match settings.client.get("bootstrap.servers") {
            Some(servers) if !servers.trim().is_empty() => servers.clone(),
            _ => {
                let reason = String::from("it names the brokers to connect to and is not set");
                return Err(LogError::Setting { setting: String::from("bootstrap.servers"), reason });
            }
        };
        let admin = Admin::new(&ClientSettings::new(ClientKind::Admin, &settings.client, &BTreeMap::new()))?;
        let positions = database.keyspace("log.changelog-positions")?;
        let cluster_id = admin.client().cluster_id(QUESTION_TIME_MAX).ok_or_else(|| LogError::Retriable {
            action: format!("connecting to the Kafka cluster at {servers}"),
            cause: format!(
                "no broker answered within {} s; check bootstrap.servers, the network and security settings",
                QUESTION_TIME_MAX.as_secs()
            ),
        })?;
        Ok(KafkaLog { shared: Arc::new(Shared { admin, cluster_id, settings, database, positions }) })
    }

    pub fn database(&self) -> &Database {
        &self.shared.database
    }
}

impl Shared {
    fn client_settings(&self, kind: ClientKind, query: &BTreeMap<String, String>) -> ClientSettings {
        ClientSettings::new(kind, &self.settings.client, query)
    }

    fn find_topic(&self, name: &str) -> Result<Option<TopicInfo>> {
        let found = self.admin.client().topics(Some(name), QUESTION_TIME_MAX);
        let topics = found.map_err(|error| error.while_doing(format!("looking for topic '{name}'")))?;
        Ok(topics.into_iter().find(|topic| topic.partitions > 0))
    }

    fn partitions(&self, name: &str) -> Result<Vec<TopicPartition>> {
        let topic = self.find_topic(name)?.ok_or_else(|| LogError::TopicMissing { topic: name.to_owned() })?;
        let name: Arc<str> = name.into();
        Ok((0..topic.partitions).map(|partition| TopicPartition::new(name.clone(), partition)).collect())
    }

    fn offsets(&self, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Vec<i64>> {
        let deadline = Instant::now() + TOPIC_SETTLE_TIME_MAX;
        loop {
            match self.admin.offsets(partitions, spec, QUESTION_TIME_MAX) {
                // A new topic's leaders, or those after a broker's death, take a moment to know that they lead.
                Err(error) if (error.is_retriable || error.code == Code::UNKNOWN_TOPIC_OR_PART) && Instant::now() < deadline => {
                    std::thread::sleep(TOPIC_SETTLE_STEP);
                }
                outcome => return outcome.map_err(|error| error.while_doing("asking for the offsets of partitions")),
            }
        }
    }

    /// Who leads the partitions of these topics; those that do not exist have none.
    fn leaders(&self, topics: &[&str], timeout: Duration) -> std::result::Result<fetch::Leaders, NativeError> {
        let mut leaders = fetch::Leaders::default();
        for topic in topics {
            self.admin.client().leaders(topic, timeout, &mut leaders)?;
        }
        Ok(leaders)
    }

    /// Waits until brokers agree that the topic exists, or does not.
    fn settle(&self, name: &str, exists: bool) -> Result<()> {
        let deadline = Instant::now() + TOPIC_SETTLE_TIME_MAX;
        while self.find_topic(name)?.is_some() != exists && Instant::now() < deadline {
            std::thread::sleep(TOPIC_SETTLE_STEP);
        }
        Ok(())
    }
}

fn topic_error(error: NativeError, action: &str, topic: &str) -> LogError {
    error_for(error.code, format!("{action} topic '{topic}'"), error.text, Some(topic))
}

impl Log for KafkaLog {
    fn kind(&self) -> LogKind {
        LogKind::Kafka
    }

    fn cluster_id(&self) -> String {
        self.shared.cluster_id.clone()
    }

    fn topics(&self) -> Result<Vec<TopicInfo>> {
        let found = self.shared.admin.client().topics(None, QUESTION_TIME_MAX);
        let mut topics = found.map_err(|error| error.while_doing("listing topics"))?;
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>> {
        self.shared.find_topic(name)
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<()> {
        let created = self.shared.admin.create_topic(spec, QUESTION_TIME_MAX);
        created.map_err(|error| topic_error(error, "creating", &spec.name))?;
        self.shared.settle(&spec.name, true)
    }

    fn delete_topic(&self, name: &str) -> Result<()> {
        self.shared.admin.delete_topic(name, QUESTION_TIME_MAX).map_err(|error| topic_error(error, "deleting", name))?;
        let mut batch = self.shared.database.batch();
        positions::forget_topic(&self.shared.positions, &mut batch, name)?;
        batch.commit(Durability::Buffered)?;
        self.shared.settle(name, false)
    }

    fn offsets(&self, topic: &str) -> Result<Vec<PartitionOffsets>> {
        let partitions = self.shared.partitions(topic)?;
        let earliest = self.shared.offsets(&partitions, OffsetSpec::Earliest)?;
        let latest = self.shared.offsets(&partitions, OffsetSpec::Latest)?;
        Ok(earliest.into_iter().zip(latest).map(|(earliest, latest)| PartitionOffsets { earliest, latest }).collect())
    }

    fn trim(&self, partition: &TopicPartition, offset: i64) -> Result<()> {
        let trimmed = self.shared.admin.delete_records(partition, offset, QUESTION_TIME_MAX);
        trimmed.map_err(|error| error.while_doing(format!("removing old records of {partition}")))
    }

    fn maintain(&self, _now_ms: i64) -> Result<()> {
        Ok(())
    }

    fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        let partitions = self.shared.partitions(topic)?;
        let deadline = Instant::now() + TOPIC_SETTLE_TIME_MAX;
        let places = loop {
            match self.shared.admin.group_offsets(group, &partitions, QUESTION_TIME_MAX) {
                Ok(places) => break places,
                Err(error) if error.code == Code::GROUP_ID_NOT_FOUND => break Vec::new(),
                // The transaction that commits them is ending.
                Err(error) if error.is_retriable && Instant::now() < deadline => std::thread::sleep(TOPIC_SETTLE_STEP),
                Err(error) => return Err(error.while_doing(format!("asking for the offsets of group '{group}'"))),
            }
        };
        let offset_of =
            |tp: &TopicPartition| places.iter().find(|place| place.tp == *tp && place.offset >= 0).map(|place| place.offset);
        Ok(partitions.iter().map(offset_of).collect())
    }

    fn appender(&self) -> Result<Box<dyn Appender>> {
        Ok(Box::new(appender::KafkaAppender::new(&self.shared)?))
    }

    fn reader(&self, starts: &[(TopicPartition, StartOffset)]) -> Result<Box<dyn Reader>> {
        Ok(Box::new(reader::KafkaReader::new(self.shared.clone(), starts)?))
    }

    fn worker(&self, options: WorkerOptions) -> Result<Box<dyn Worker>> {
        Ok(Box::new(worker::KafkaWorker::new(self.shared.clone(), options)?))
    }

    fn forget_group(&self, group: &str) -> Result<()> {
        match self.shared.admin.delete_group(group, QUESTION_TIME_MAX) {
            Ok(()) => Ok(()),
            Err(error) if error.code == Code::GROUP_ID_NOT_FOUND => Ok(()),
            Err(error) => Err(error.while_doing(format!("deleting group '{group}'"))),
        }
    }

    fn changelog_position(&self, partition: &TopicPartition) -> Result<Option<i64>> {
        positions::read(&self.shared.positions, partition)
    }

    fn put_changelog_position(&self, batch: &mut WriteBatch, partition: &TopicPartition, next_offset: i64) -> Result<()> {
        positions::put(&self.shared.positions, batch, partition, next_offset);
        Ok(())
    }
}
