//! Topics in memory: one list of records each, whatever number of partitions they are said to have.

use std::collections::BTreeMap;

use calzone_plan::TopicLookup;
use calzone_types::{Header, RecordBatch, RecordRef};

/// A record as a topic holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub headers: Vec<Header>,
}

/// A topic.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    pub partitions: i32,
    pub replicas: i32,
    pub records: Vec<Record>,
    /// When each record came, counted over all topics.
    pub arrivals: Vec<u64>,
}

/// All topics, by name.
#[derive(Clone, Debug, Default)]
pub struct Topics {
    by_name: BTreeMap<String, Topic>,
    arrived: u64,
}

impl Topics {
    /// Makes a topic unless it is there.
    pub fn create(&mut self, name: &str, partitions: i32, replicas: i32) {
        self.by_name.entry(name.to_owned()).or_insert_with(|| Topic { partitions, replicas, ..Topic::default() });
    }

    pub fn delete(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    pub fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Appends a record; a topic that is missing is made.
    pub fn append(&mut self, name: &str, record: Record) {
        self.create(name, 1, 1);
        if let Some(topic) = self.by_name.get_mut(name) {
            topic.records.push(record);
            topic.arrivals.push(self.arrived);
            self.arrived += 1;
        }
    }

    /// The records of a topic; none if it is missing.
    pub fn records(&self, name: &str) -> &[Record] {
        self.by_name.get(name).map_or(&[], |topic| &topic.records)
    }
}

impl TopicLookup for Topics {
    fn partitions(&self, topic: &str) -> Option<i32> {
        self.get(topic).map(|topic| topic.partitions)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.get(topic).map(|topic| topic.replicas)
    }
}

impl Record {
    /// Copies a record of a batch.
    pub fn of(record: RecordRef<'_>) -> Record {
        Record {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            timestamp: record.timestamp,
            headers: record.headers.to_vec(),
        }
    }

    /// Appends the record to a batch of partition 0.
    pub fn push_to(&self, batch: &mut RecordBatch, offset: i64) {
        batch.push(RecordRef {
            offset,
            timestamp: self.timestamp,
            partition: 0,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        });
    }
}
