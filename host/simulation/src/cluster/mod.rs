//! A Kafka cluster as far as queries notice: partitions, transactions, groups. Requests take no time; what the network and
//! the brokers do to them is decided by the worker that sends them.

mod groups;
mod transactions;

use std::collections::BTreeMap;

use calzone_log::{LogError, Result, TopicPartition, TopicSpec, partition_for_key};
use calzone_types::{Header, RecordBatch, RecordRef};

use groups::Group;
pub use groups::Joined;
pub use transactions::TransactionState;
use transactions::{Producer, Transaction};

/// More bytes of key and value are refused, by the simulated cluster and by the embedded log when it is simulated.
pub const RECORD_BYTES_MAX: usize = 2_000;

/// All state of the cluster.
#[derive(Default)]
pub struct Cluster {
    topics: BTreeMap<String, Vec<Vec<Entry>>>,
    pub(crate) groups: BTreeMap<String, Group>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<String, Producer>,
    pub(crate) now_ms: u64,
    turn: usize,
}

/// One offset of a partition.
enum Entry {
    Record {
        timestamp: i64,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<Header>,
        transaction: Option<usize>,
    },
    /// The end of a transaction takes an offset, too.
    Marker,
}

/// Is the record too large for a topic?
pub fn is_too_large(record: &RecordRef<'_>) -> bool {
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) > RECORD_BYTES_MAX
}

/// The error that such a record is to blame for.
pub fn too_large(topic: &str) -> LogError {
    LogError::RecordTooLarge { topic: topic.to_owned(), detail: format!("a record may have {RECORD_BYTES_MAX} bytes") }
}

impl Cluster {
    pub fn create_topic(&mut self, spec: &TopicSpec) -> Result<()> {
        if self.topics.contains_key(&spec.name) {
            return Err(LogError::TopicExists { topic: spec.name.clone() });
        }
        let partitions = (0..spec.partitions).map(|_| Vec::new()).collect();
        self.topics.insert(spec.name.clone(), partitions);
        Ok(())
    }

    pub fn delete_topic(&mut self, name: &str) -> Result<()> {
        self.topics.remove(name).map(|_| ()).ok_or_else(|| LogError::TopicMissing { topic: name.to_owned() })
    }

    /// Names and partition counts.
    pub fn topics(&self) -> impl Iterator<Item = (&String, i32)> {
        self.topics.iter().map(|(name, partitions)| (name, partitions.len() as i32))
    }

    pub fn partition_count(&self, topic: &str) -> Result<i32> {
        let found = self.topics.get(topic).map(|partitions| partitions.len() as i32);
        found.ok_or_else(|| LogError::TopicMissing { topic: topic.to_owned() })
    }

    /// Appends records, of a transaction or at once; gives partition and offset of each.
    pub fn append(&mut self, topic: &str, records: &RecordBatch, transaction: Option<usize>) -> Result<Vec<(i32, i64)>> {
        let partitions = self.topics.get_mut(topic).ok_or_else(|| LogError::TopicMissing { topic: topic.to_owned() })?;
        if records.iter().any(|record| is_too_large(&record)) {
            return Err(too_large(topic));
        }
        let count = partitions.len() as i32;
        let mut places = Vec::with_capacity(records.len());
        for record in records.iter() {
            let partition = match (record.partition, record.placing_key()) {
                (given, _) if given >= 0 => given,
                (_, Some(key)) => partition_for_key(Some(key), count),
                (_, None) => {
                    self.turn += 1;
                    self.turn as i32 % count
                }
            };
            let log = partitions.get_mut(partition as usize).ok_or_else(|| LogError::PartitionMissing {
                topic: topic.to_owned(),
                partition,
                partitions: count,
            })?;
            places.push((partition, log.len() as i64));
            log.push(Entry::Record {
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record.headers.to_vec(),
                transaction,
            });
        }
        if let Some(transaction) = transaction {
            self.transactions[transaction].touch(topic, places.iter().map(|(partition, _)| *partition));
        }
        Ok(places)
    }

    fn log(&self, tp: &TopicPartition) -> &[Entry] {
        self.topics.get(&*tp.topic).and_then(|t| t.get(tp.partition as usize)).map_or(&[], Vec::as_slice)
    }

    /// Up to where a reader of committed records can see: the first record of a transaction that is open.
    pub fn visible_end(&self, tp: &TopicPartition) -> i64 {
        let log = self.log(tp);
        let open = |entry: &Entry| match entry {
            Entry::Record { transaction: Some(t), .. } => self.transactions[*t].state == TransactionState::Open,
            _ => false,
        };
        log.iter().position(open).unwrap_or(log.len()) as i64
    }

    /// Committed records from an offset on, at most so many; and the offset to go on at.
    pub fn fetch(&self, tp: &TopicPartition, from: i64, max_records: usize) -> (RecordBatch, i64) {
        let (end, mut next, mut records) = (self.visible_end(tp), from.max(0), RecordBatch::default());
        for (offset, entry) in self.log(tp).iter().enumerate().take(end as usize).skip(next as usize) {
            if records.len() == max_records {
                break;
            }
            next = offset as i64 + 1;
            let Entry::Record { timestamp, key, value, headers, transaction } = entry else { continue };
            if transaction.is_some_and(|t| self.transactions[t].state != TransactionState::Committed) {
                continue;
            }
            records.push(RecordRef {
                offset: offset as i64,
                timestamp: *timestamp,
                partition: tp.partition,
                key: key.as_deref(),
                value: value.as_deref(),
                headers,
            });
        }
        (records, next)
    }

    /// Lets time pass: sessions and transactions of the silent end.
    pub fn pass_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        for group in self.groups.values_mut() {
            group.expire(now_ms);
        }
        self.end_silent_transactions();
    }
}
