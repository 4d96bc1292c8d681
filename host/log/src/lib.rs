//! The partitioned log behind one trait, with two implementations: Apache Kafka and the embedded log.
//!
//! A record leaves the log through a [`Reader`] (no group: push queries, replay, restore) or a [`Worker`] (one
//! thread of a persistent query, whose partitions the group decides) and comes back through an [`Appender`]
//! (INSERT VALUES, the statement log) or the same worker, which commits its outputs, its input offsets and its
//! tasks' state as one. [`EmbeddedLog`] does that by one atomic write to the server's own database, [`KafkaLog`] by
//! a Kafka transaction followed by the local write.
//!
//! This crate knows bytes, topics and offsets. It knows no rows, no SQL, no queries.

mod embedded;
mod error;
mod kafka;
mod log;
mod partitioner;
mod reader;
mod topic;
mod worker;

pub use embedded::{EmbeddedLog, EmbeddedSettings};
pub use error::{LogError, Result};
pub use kafka::{KafkaLog, KafkaSettings};
pub use log::{Appender, Log, LogKind};
pub use partitioner::partition_for_key;
pub use reader::{Fetched, Reader, StartOffset};
pub use topic::{PartitionOffsets, TopicInfo, TopicPartition, TopicSpec};
pub use worker::{Assignment, CommitOutcome, Event, Guarantee, Reset, WakeHandle, Worker, WorkerOptions};
