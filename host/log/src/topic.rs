//! Topics and partitions by name.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    pub name: String,
    pub partitions: i32,
    /// Copies of each partition; always 1 in the embedded log.
    pub replicas: i32,
}

/// A topic to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    /// Copies of each partition; 0 or less leaves it to the broker. The embedded log keeps one.
    pub replicas: i32,
    /// Kafka's topic configuration, such as `cleanup.policy` = `compact`.
    pub config: Vec<(String, String)>,
}

/// What a partition holds: offsets from `earliest` to one before `latest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionOffsets {
    pub earliest: i64,
    /// End of what a reader of committed records can see.
    pub latest: i64,
}
