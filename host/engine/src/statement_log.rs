//! The statement log: one partition of one topic, whose order is the order of statements on every server.

use std::time::{Duration, Instant};

use calzone_log::{Appender, Fetched, Log, LogError, Reader, StartOffset, TopicPartition, TopicSpec};
use calzone_types::{RecordBatch, RecordRef};

use crate::command::Command;

/// Longest wait for the log while replaying, before start-up gives up.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);

/// Appends commands.
pub struct StatementLog {
    topic: String,
    appender: Box<dyn Appender>,
}

/// Reads commands in order, from the first.
pub struct StatementReader {
    topic: String,
    reader: Box<dyn Reader>,
    fetched: Vec<Fetched>,
}

/// A command and its place, which is its order.
pub struct LoggedCommand {
    pub offset: i64,
    /// Why an entry cannot be read is kept, so that the applier can say so and go on.
    pub command: Result<Command, String>,
}

impl StatementLog {
    /// Opens the log, creating its topic where it is missing.
    pub fn open(log: &dyn Log, topic: &str, replicas: i32) -> Result<StatementLog, LogError> {
        if log.topic(topic)?.is_none() {
            let config = vec![("retention.ms".into(), "-1".into()), ("cleanup.policy".into(), "delete".into())];
            log.create_topic(&TopicSpec { name: topic.to_owned(), partitions: 1, replicas, config })?;
        }
        Ok(StatementLog { topic: topic.to_owned(), appender: log.appender()? })
    }

    /// Appends a command durably and returns its offset.
    pub fn append(&self, id: &str, command: &Command, now_ms: i64) -> Result<i64, LogError> {
        let value = serde_json::to_vec(command).expect("commands are plain data");
        let mut records = RecordBatch::default();
        records.push(RecordRef {
            offset: 0,
            timestamp: now_ms,
            partition: 0,
            key: Some(id.as_bytes()),
            value: Some(&value),
            headers: &[],
        });
        let places = self.appender.append(&self.topic, &records)?;
        Ok(places[0].1)
    }
}

impl StatementReader {
    pub fn open(log: &dyn Log, topic: &str) -> Result<StatementReader, LogError> {
        let start = (TopicPartition::new(topic, 0), StartOffset::Earliest);
        Ok(StatementReader { topic: topic.to_owned(), reader: log.reader(&[start])?, fetched: Vec::new() })
    }

    /// All commands that are in the log now.
    pub fn replay(&mut self, log: &dyn Log, mut apply: impl FnMut(LoggedCommand)) -> Result<(), LogError> {
        let Some(offsets) = log.offsets(&self.topic)?.into_iter().next() else { return Ok(()) };
        let mut next = offsets.earliest;
        let mut progress = Instant::now();
        while next < offsets.latest {
            let before = next;
            self.poll(Duration::from_millis(100), |logged| {
                next = logged.offset + 1;
                apply(logged);
            })?;
            // Kafka's control records take offsets without being records.
            next = next.max(self.reader.position(&TopicPartition::new(self.topic.as_str(), 0)));
            if next > before {
                progress = Instant::now();
            } else if progress.elapsed() > REPLAY_TIMEOUT {
                return Err(LogError::Retriable {
                    action: format!("reading the statement log `{}`", self.topic),
                    cause: format!("it stopped answering at offset {next} of {}; is the cluster reachable?", offsets.latest),
                });
            }
        }
        Ok(())
    }

    /// Waits up to `timeout` for further commands.
    pub fn poll(&mut self, timeout: Duration, mut apply: impl FnMut(LoggedCommand)) -> Result<(), LogError> {
        self.fetched.clear();
        self.reader.poll(&mut self.fetched, 256, timeout)?;
        for fetched in &self.fetched {
            for record in fetched.records.iter() {
                let command = serde_json::from_slice(record.value.unwrap_or_default())
                    .map_err(|e| format!("entry {} of `{}` is not a command: {e}", record.offset, self.topic));
                apply(LoggedCommand { offset: record.offset, command });
            }
        }
        Ok(())
    }
}
