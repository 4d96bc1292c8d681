//! Headers of dead letters and of records in the retry topic.
//!
//! Both stand behind the headers that the record had.

use std::sync::Arc;

use calzone_plan::error_policy::HeaderStyle;
use calzone_types::Header;

use super::entry::{Entry, Failed, LockId};

/// Where a record lay when it was read first.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

/// Who made a dead letter.
#[derive(Clone, Debug)]
pub struct Author {
    pub query: String,
    /// Its consumer group.
    pub group: String,
    pub policy: Arc<str>,
}

/// Our own headers of a dead letter, whichever style the others have. They begin with the first.
pub const DEAD_LETTER_HEADERS: [&str; 10] = [
    "calzone.errors.query",
    "calzone.errors.policy",
    "calzone.errors.topic",
    "calzone.errors.partition",
    "calzone.errors.offset",
    "calzone.errors.timestamp",
    "calzone.errors.class",
    "calzone.errors.step",
    "calzone.errors.message",
    "calzone.errors.attempts",
];

/// Headers of a record in the retry topic, in this order.
const RETRY_TOPIC: &str = "calzone.retry.topic";
const RETRY_PARTITION: &str = "calzone.retry.partition";
const RETRY_OFFSET: &str = "calzone.retry.offset";
const RETRY_TIMESTAMP: &str = "calzone.retry.timestamp";
const RETRY_ATTEMPTS: &str = "calzone.retry.attempts";
/// The rest is there if the record itself has failed.
const RETRY_DUE: &str = "calzone.retry.due";
const RETRY_CLASS: &str = "calzone.retry.class";
const RETRY_STEP: &str = "calzone.retry.step";
const RETRY_MESSAGE: &str = "calzone.retry.message";
/// Only of records that are processed in order: what they are ordered by, and the lock that they wait for, as
/// `<first offset>@<since>`.
const RETRY_GROUP: &str = "calzone.retry.group";
const RETRY_LOCK: &str = "calzone.retry.lock";

/// Header of a record while it is tried again: which attempt it is, from 2. It leaves the query with no record.
pub const ATTEMPT: &str = "calzone.attempt";

/// The headers of a record that has failed so often, for its next attempt.
pub fn with_attempt(headers: &[Header], failed: &Failed) -> Vec<Header> {
    headers.iter().cloned().chain([text(ATTEMPT, &failed.attempts.saturating_add(1).to_string())]).collect()
}

/// The headers of a record as they were before its last attempt.
fn without_attempt<'a>(headers: &'a [Header], failed: &Failed) -> &'a [Header] {
    match headers.split_last() {
        Some((last, own)) if failed.attempts > 1 && *last.0 == *ATTEMPT => own,
        _ => headers,
    }
}

/// Header of a record in the redirect topic: which record it is about.
pub const RECORD_ID: &str = "calzone.record.id";

/// The name of a record: `orders-2-17`.
pub fn record_id(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}-{partition}-{offset}")
}

/// The headers of a dead letter: those that the record had, ours, and then those of the style, as the tools know them that read
/// them.
pub fn dead_letter(original: &[Header], style: HeaderStyle, author: &Author, origin: Origin<'_>, failed: &Failed) -> Vec<Header> {
    let mut headers = without_attempt(original, failed).to_vec();
    let number = |n: i64| n.to_string();
    let own = [
        author.query.clone(),
        author.policy.to_string(),
        origin.topic.to_owned(),
        number(origin.partition.into()),
        number(origin.offset),
        number(origin.timestamp),
        failed.class.to_string(),
        failed.step.to_string(),
        failed.cause.to_string(),
        number(failed.attempts.into()),
    ];
    headers.extend(DEAD_LETTER_HEADERS.iter().zip(own).map(|(name, value)| text(name, &value)));
    // The nearest to a class of exceptions there is.
    let exception = format!("calzone.{}", failed.class.replace(' ', "."));
    let exception = exception.as_str();
    match style {
        HeaderStyle::Connect => headers.extend([
            text("__connect.errors.topic", origin.topic),
            text("__connect.errors.partition", &number(origin.partition.into())),
            text("__connect.errors.offset", &number(origin.offset)),
            text("__connect.errors.connector.name", &author.query),
            text("__connect.errors.task.id", &number(origin.partition.into())),
            text("__connect.errors.stage", connect_stage(&failed.class)),
            text("__connect.errors.class.name", &failed.step),
            text("__connect.errors.exception.class.name", exception),
            text("__connect.errors.exception.message", &failed.cause),
            text("__connect.errors.exception.stacktrace", &format!("{exception}: {}\n\tat {}", failed.cause, failed.step)),
        ]),
        HeaderStyle::Streams => headers.extend([
            text("__streams.errors.exception", exception),
            text("__streams.errors.stacktrace", &format!("{exception}: {}\n\tat {}", failed.cause, failed.step)),
            text("__streams.errors.message", &failed.cause),
            text("__streams.errors.topic", origin.topic),
            text("__streams.errors.partition", &number(origin.partition.into())),
            text("__streams.errors.offset", &number(origin.offset)),
        ]),
        // Numbers are big-endian binary here.
        HeaderStyle::Spring => headers.extend([
            text("kafka_dlt-original-topic", origin.topic),
            binary("kafka_dlt-original-partition", &origin.partition.to_be_bytes()),
            binary("kafka_dlt-original-offset", &origin.offset.to_be_bytes()),
            binary("kafka_dlt-original-timestamp", &origin.timestamp.to_be_bytes()),
            text("kafka_dlt-original-timestamp-type", "CreateTime"),
            text("kafka_dlt-original-consumer-group", &author.group),
            text("kafka_dlt-exception-fqcn", exception),
            text("kafka_dlt-exception-cause-fqcn", exception),
            text("kafka_dlt-exception-message", &failed.cause),
            text("kafka_dlt-exception-stacktrace", &format!("{exception}: {}\n\tat {}", failed.cause, failed.step)),
            binary("retry_topic-attempts", &failed.attempts.to_be_bytes()),
        ]),
        HeaderStyle::SmallRye => headers.extend([
            text("dead-letter-exception-class-name", exception),
            text("dead-letter-reason", &failed.cause),
            text("dead-letter-cause", &failed.cause),
            text("dead-letter-topic", origin.topic),
            text("dead-letter-partition", &number(origin.partition.into())),
            text("dead-letter-offset", &number(origin.offset)),
        ]),
    }
    headers
}

/// Kafka Connect's words for the step that failed.
fn connect_stage(class: &str) -> &'static str {
    match class {
        "deserialization" => "VALUE_CONVERTER",
        "production" => "TASK_PUT",
        _ => "TRANSFORMATION",
    }
}

/// The headers of a record in the retry topic.
pub fn retry(entry: &Entry, topic: &str, partition: i32, offset: i64, lock: Option<LockId>) -> Vec<Header> {
    let mut headers = match &entry.failed {
        Some(failed) => without_attempt(&entry.headers, failed).to_vec(),
        None => entry.headers.clone(),
    };
    headers.extend([
        text(RETRY_TOPIC, topic),
        text(RETRY_PARTITION, &partition.to_string()),
        text(RETRY_OFFSET, &offset.to_string()),
        text(RETRY_TIMESTAMP, &entry.timestamp.to_string()),
        text(RETRY_ATTEMPTS, &entry.failed.as_ref().map_or(0, |failed| failed.attempts).to_string()),
    ]);
    if let Some(failed) = &entry.failed {
        headers.extend([
            text(RETRY_DUE, &failed.due_ms.to_string()),
            text(RETRY_CLASS, &failed.class),
            text(RETRY_STEP, &failed.step),
            text(RETRY_MESSAGE, &failed.cause),
        ]);
    }
    if let Some(group) = &entry.group {
        headers.push(binary(RETRY_GROUP, group));
    }
    if let Some((first, since_ms)) = lock {
        headers.push(text(RETRY_LOCK, &format!("{first}@{since_ms}")));
    }
    headers
}

/// A record as it was read from the retry topic.
#[derive(Debug, PartialEq)]
pub struct Retried {
    /// Where it lay when it was read first.
    pub topic: Arc<str>,
    pub offset: i64,
    pub entry: Entry,
    /// What it waits for, if it waits in order.
    pub lock: Option<LockId>,
}

/// `None` if the record is none of ours.
pub fn parse_retry(record: calzone_types::RecordRef<'_>) -> Option<Retried> {
    // The record may itself have come from a retry topic: only the last ones are ours.
    let first = record.headers.iter().rposition(|(name, _)| **name == *RETRY_TOPIC)?;
    let (original, ours) = record.headers.split_at(first);
    let value = |name: &str| ours.iter().find(|(n, _)| **n == *name).and_then(|(_, value)| value.as_deref());
    let word = |name: &str| value(name).and_then(|value| std::str::from_utf8(value).ok());
    let number = |name: &str| word(name)?.parse::<i64>().ok();
    let failed = match number(RETRY_DUE) {
        None => None,
        Some(due_ms) => Some(Failed {
            attempts: u32::try_from(number(RETRY_ATTEMPTS)?).ok()?,
            due_ms,
            class: word(RETRY_CLASS)?.into(),
            step: word(RETRY_STEP)?.into(),
            cause: word(RETRY_MESSAGE)?.into(),
        }),
    };
    let entry = Entry {
        failed,
        group: value(RETRY_GROUP).map(<[u8]>::to_vec),
        timestamp: number(RETRY_TIMESTAMP)?,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: original.to_vec(),
    };
    let lock = word(RETRY_LOCK).and_then(|lock| lock.split_once('@'));
    let lock = lock.and_then(|(first, since_ms)| Some((first.parse().ok()?, since_ms.parse().ok()?)));
    Some(Retried { topic: word(RETRY_TOPIC)?.into(), offset: number(RETRY_OFFSET)?, entry, lock })
}

pub fn text(name: &str, value: &str) -> Header {
    (name.into(), Some(value.as_bytes().to_vec()))
}

fn binary(name: &str, value: &[u8]) -> Header {
    (name.into(), Some(value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_types::RecordRef;

    #[test]
    fn a_record_comes_back_from_the_retry_topic_as_it_was() {
        let failed = Failed { attempts: 2, due_ms: 99, class: "plugin".into(), step: "Stage S".into(), cause: "down".into() };
        let inner = Entry {
            failed: Some(failed.clone()),
            group: Some(vec![0, 200]),
            timestamp: 42,
            key: Some(b"k".to_vec()),
            value: None,
            headers: vec![text("mine", "1")],
        };
        // Through two retry topics, one after the other.
        let outer = Entry { headers: retry(&inner, "a", 1, 7, Some((3, 11))), failed: None, group: None, ..inner.clone() };
        let headers = retry(&outer, "b", 2, 8, None);
        let record = RecordRef { offset: 0, timestamp: 42, partition: 2, key: Some(b"k"), value: None, headers: &headers };
        let back = |topic: &str, offset, entry, lock| Some(Retried { topic: topic.into(), offset, entry, lock });
        assert_eq!(parse_retry(record), back("b", 8, outer.clone(), None));
        let record = RecordRef { headers: &outer.headers, ..record };
        assert_eq!(parse_retry(record), back("a", 7, inner, Some((3, 11))));
        assert_eq!(parse_retry(RecordRef { headers: &[text("mine", "1")], ..record }), None);
    }
}
