//! What the headers of a dead letter say: where the record came from and why it is here.
//!
//! Our own dead letters say it in headers of ours, whatever else they carry. Those of other programs are read by the names
//! that Kafka Connect, Kafka Streams, Spring Kafka and SmallRye give.

use std::sync::Arc;

use calzone_types::{Header, RecordRef};

/// The first of our own headers of a dead letter; the record's own ones stand before it.
const OURS_BEGIN: &str = "calzone.errors.query";

/// How the names of other programs' headers begin.
const FOREIGN_PREFIXES: [&str; 5] = ["__connect.errors.", "__streams.errors.", "kafka_dlt-", "retry_topic-", "dead-letter-"];

/// The mark on a record that was replayed: from where.
pub const REPLAYED: &str = "calzone.replayed";

/// A dead letter, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    pub topic: Option<String>,
    pub partition: Option<i32>,
    pub offset: Option<i64>,
    pub cause: Option<String>,
    pub class: Option<String>,
    pub stage: Option<String>,
    pub query: Option<String>,
    pub attempts: Option<i32>,
    /// The record's own headers.
    pub headers: Vec<Header>,
}

/// Reads a dead letter's headers.
pub fn facts(record: &RecordRef<'_>) -> Facts {
    // A record that was buried, replayed and buried again has ours twice: the last ones count.
    let (own, about) = match record.headers.iter().rposition(|(name, _)| **name == *OURS_BEGIN) {
        Some(at) => (record.headers[..at].to_vec(), &record.headers[at..]),
        None => (record.headers.iter().filter(|h| !is_foreign(&h.0)).cloned().collect(), record.headers),
    };
    let bytes = |name: &str| about.iter().rfind(|(n, _)| **n == *name).and_then(|(_, value)| value.as_deref());
    let text = |names: &[&str]| names.iter().find_map(|n| bytes(n)).map(|b| String::from_utf8_lossy(b).into_owned());
    let number = |names: &[&str]| names.iter().find_map(|n| bytes(n)).and_then(number_of);
    let narrow = |n: i64| i32::try_from(n).ok();
    Facts {
        topic: text(&[
            "calzone.errors.topic",
            "__connect.errors.topic",
            "__streams.errors.topic",
            "kafka_dlt-original-topic",
            "dead-letter-topic",
        ]),
        partition: number(&[
            "calzone.errors.partition",
            "__connect.errors.partition",
            "__streams.errors.partition",
            "kafka_dlt-original-partition",
            "dead-letter-partition",
        ])
        .and_then(narrow),
        offset: number(&[
            "calzone.errors.offset",
            "__connect.errors.offset",
            "__streams.errors.offset",
            "kafka_dlt-original-offset",
            "dead-letter-offset",
        ]),
        cause: text(&[
            "calzone.errors.message",
            "__connect.errors.exception.message",
            "__streams.errors.message",
            "kafka_dlt-exception-message",
            "dead-letter-reason",
        ]),
        class: text(&[
            "calzone.errors.class",
            "__connect.errors.exception.class.name",
            "__streams.errors.exception",
            "kafka_dlt-exception-fqcn",
            "dead-letter-exception-class-name",
        ]),
        stage: text(&["calzone.errors.step", "__connect.errors.stage"]),
        query: text(&["calzone.errors.query", "__connect.errors.connector.name", "kafka_dlt-original-consumer-group"]),
        attempts: number(&["calzone.errors.attempts", "retry_topic-attempts"]).and_then(narrow),
        headers: own,
    }
}

fn is_foreign(name: &str) -> bool {
    FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A number as text, or as Spring writes it: four or eight bytes, the highest first.
fn number_of(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok().and_then(|t| t.trim().parse().ok());
    text.or_else(|| match bytes.len() {
        4 => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
        8 => bytes.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    })
}

/// The record's own headers with a mark that says from which dead letter it was replayed; an older mark goes.
pub fn replayed_headers(facts: &Facts, dead_letter_topic: &str, partition: i32, offset: i64) -> Vec<Header> {
    let place = format!("{dead_letter_topic}-{partition}@{offset}");
    let mark = (Arc::from(REPLAYED), Some(place.into_bytes()));
    facts.headers.iter().filter(|(name, _)| **name != *REPLAYED).cloned().chain([mark]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: impl AsRef<[u8]>) -> Header {
        (name.into(), Some(value.as_ref().to_vec()))
    }

    fn read(headers: &[Header]) -> Facts {
        facts(&RecordRef { offset: 0, timestamp: 0, partition: 0, key: None, value: None, headers })
    }

    #[test]
    fn every_style_is_read() {
        let own = header("trace", "1");
        let place = |facts: &Facts| (facts.topic.clone(), facts.partition, facts.offset, facts.cause.clone());
        let expected = (Some("orders".to_owned()), Some(2), Some(17), Some("down".to_owned()));
        for style in [
            vec![
                header("__connect.errors.topic", "orders"),
                header("__connect.errors.partition", "2"),
                header("__connect.errors.offset", "17"),
                header("__connect.errors.exception.message", "down"),
            ],
            vec![
                header("__streams.errors.topic", "orders"),
                header("__streams.errors.partition", "2"),
                header("__streams.errors.offset", "17"),
                header("__streams.errors.message", "down"),
            ],
            vec![
                header("kafka_dlt-original-topic", "orders"),
                header("kafka_dlt-original-partition", 2i32.to_be_bytes()),
                header("kafka_dlt-original-offset", 17i64.to_be_bytes()),
                header("kafka_dlt-exception-message", "down"),
            ],
            vec![
                header("dead-letter-topic", "orders"),
                header("dead-letter-partition", "2"),
                header("dead-letter-offset", "17"),
                header("dead-letter-reason", "down"),
            ],
        ] {
            let facts = read(&[vec![own.clone()], style].concat());
            assert_eq!(place(&facts), expected);
            assert_eq!(facts.headers, std::slice::from_ref(&own));
        }
    }

    #[test]
    fn what_stands_before_ours_is_the_records_own() {
        // It came out of another program's dead letter topic, and was replayed before.
        let own = [header("__connect.errors.topic", "elsewhere"), header("calzone.replayed", "d-0@1")];
        let ours = [header("calzone.errors.query", "Q"), header("calzone.errors.topic", "orders")];
        let facts = read(&[&own[..], &ours[..], &own[..1]].concat());
        assert_eq!((facts.topic.as_deref(), facts.query.as_deref()), (Some("orders"), Some("Q")));
        assert_eq!(facts.headers, own);
        let marked = replayed_headers(&facts, "d", 3, 9);
        assert_eq!(marked, [own[0].clone(), header("calzone.replayed", "d-3@9")]);
    }
}
