//! The processing log: what went wrong with which record.
//!
//! Entries have ksqlDB's columns (`logger`, `level`, `time`, `message`) and, at the end of `message`, where the record lay.
//! A thread of its own writes them, so that a query waits only when it makes errors faster than they can be written.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use calzone_exec::{ErrorClass, RecordError};
use calzone_log::{Log, TopicSpec};
use calzone_types::{RecordBatch, RecordRef};
use serde_json::{Value as Json, json};

use crate::options::EngineOptions;
use crate::query::now_ms;

/// Batches of entries that may wait to be written.
const QUEUE_BATCHES: usize = 64;

/// Name of the stream over the log.
pub const STREAM_NAME: &str = "KSQL_PROCESSING_LOG";

/// Where queries report failed records.
pub struct ProcessingLog {
    sender: Mutex<Option<SyncSender<(String, Vec<RecordError>)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ProcessingLog {
    /// Starts the writer. Without `ksql.logging.processing.topic.auto.create` entries only go to the server's own log,
    /// unless the topic is there already.
    pub fn start(log: &Arc<dyn Log>, options: &EngineOptions) -> Result<Arc<ProcessingLog>, calzone_log::LogError> {
        let topic = options.processing_log_topic();
        let setting = |name: &str| options.properties.get(name).map(String::as_str);
        if setting("ksql.logging.processing.topic.auto.create") == Some("true") && log.topic(&topic)?.is_none() {
            let number = |name: &str| setting(name).and_then(|v| v.parse().ok()).unwrap_or(1);
            log.create_topic(&TopicSpec {
                name: topic.clone(),
                partitions: number("ksql.logging.processing.topic.partitions"),
                replicas: number("ksql.logging.processing.topic.replication.factor"),
                config: Vec::new(),
            })?;
        }
        let appender = if log.topic(&topic)?.is_some() { Some(log.appender()?) } else { None };
        let (sender, receiver) = sync_channel(QUEUE_BATCHES);
        let thread = std::thread::Builder::new()
            .name("processing-log".into())
            .spawn(move || write_entries(&receiver, appender.as_deref(), &topic))
            .map_err(|e| calzone_log::LogError::Fatal {
                action: "starting the processing log's thread".into(),
                cause: e.to_string(),
            })?;
        Ok(Arc::new(ProcessingLog { sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) }))
    }

    /// Takes the errors away to be written.
    pub fn report(&self, query_id: &str, errors: &mut Vec<RecordError>) {
        let errors = std::mem::take(errors);
        let sender = self.sender.lock().expect("no panic while holding the lock").clone();
        if let Some(sender) = sender {
            // The writer ends only after all queries have.
            let _ = sender.send((query_id.to_owned(), errors));
        }
    }

    /// Writes what is left and ends the writer; later reports are dropped.
    pub fn stop(&self) {
        *self.sender.lock().expect("no panic while holding the lock") = None;
        if let Some(thread) = self.thread.lock().expect("no panic while holding the lock").take() {
            let _ = thread.join();
        }
    }
}

fn write_entries(receiver: &Receiver<(String, Vec<RecordError>)>, appender: Option<&dyn calzone_log::Appender>, topic: &str) {
    let mut records = RecordBatch::default();
    while let Ok((query_id, errors)) = receiver.recv() {
        let mut waiting = vec![(query_id, errors)];
        waiting.extend(receiver.try_iter().take(QUEUE_BATCHES));
        records.clear();
        for (query_id, errors) in &waiting {
            for error in errors {
                tracing::warn!(target: "processing", query = %query_id, step = %error.step, topic = %error.topic, partition = error.partition,
                    offset = error.offset, message = %error.message);
                let value = serde_json::to_vec(&entry(query_id, error)).expect("an entry is plain JSON");
                records.push(RecordRef {
                    offset: 0,
                    timestamp: now_ms(),
                    partition: RecordBatch::ANY_PARTITION,
                    key: None,
                    value: Some(&value),
                    headers: &[],
                });
            }
        }
        if let Some(appender) = appender
            && let Err(e) = appender.append(topic, &records)
        {
            tracing::error!(%topic, error = %e, entries = records.len(), "processing log entries could not be written");
        }
    }
}

fn entry(query_id: &str, error: &RecordError) -> Json {
    let mut message = json!({
        "type": 1,
        "deserializationError": null,
        "recordProcessingError": null,
        "productionError": null,
        "serializationError": null,
        "kafkaStreamsThreadError": null,
    });
    let cause: [&str; 0] = [];
    match error.class {
        ErrorClass::Deserialization => {
            message["type"] = json!(0);
            message["deserializationError"] = json!({ "target": "value", "errorMessage": error.message, "recordB64": null, "cause": cause, "topic": &*error.topic });
        }
        ErrorClass::Production => {
            message["type"] = json!(2);
            message["productionError"] = json!({ "errorMessage": error.message });
        }
        ErrorClass::Serialization => {
            message["type"] = json!(3);
            message["serializationError"] = json!({ "target": "value", "errorMessage": error.message, "record": null, "cause": cause, "topic": &*error.topic });
        }
        _ => message["recordProcessingError"] = json!({ "errorMessage": error.message, "record": null, "cause": cause }),
    }
    message["class"] = json!(error.class.as_str());
    message["topic"] = json!(&*error.topic);
    message["partition"] = json!(error.partition);
    message["offset"] = json!(error.offset);
    json!({ "logger": format!("processing.{query_id}.{}", error.step), "level": "ERROR", "time": now_ms(), "message": message })
}

/// The statement that makes the stream over the log.
pub fn stream_statement(topic: &str) -> String {
    format!(
        "CREATE STREAM {STREAM_NAME} (logger VARCHAR, level VARCHAR, time BIGINT, message STRUCT<type INT, \
         deserializationError STRUCT<target VARCHAR, errorMessage VARCHAR, recordB64 VARCHAR, cause ARRAY<VARCHAR>, `topic` VARCHAR>, \
         recordProcessingError STRUCT<errorMessage VARCHAR, record VARCHAR, cause ARRAY<VARCHAR>>, \
         productionError STRUCT<errorMessage VARCHAR>, \
         serializationError STRUCT<target VARCHAR, errorMessage VARCHAR, record VARCHAR, cause ARRAY<VARCHAR>, `topic` VARCHAR>, \
         kafkaStreamsThreadError STRUCT<errorMessage VARCHAR, threadName VARCHAR, cause ARRAY<VARCHAR>>, \
         class VARCHAR, `topic` VARCHAR, partition INT, offset BIGINT>) \
         WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON', KEY_FORMAT='KAFKA');"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stream_statement_is_a_statement() {
        let text = super::stream_statement("default_ksql_processing_log");
        assert!(calzone_sql::parse_statement(&text).is_ok(), "{:?}", calzone_sql::parse_statement(&text));
    }
}
