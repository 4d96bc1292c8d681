use super::tests::{batch, numbers, values};
use super::*;
use std::time::Duration;

const DAY_MS: i64 = 24 * 3_600_000;

fn open(path: &std::path::Path) -> EmbeddedLog {
    EmbeddedLog::open(Database::open(path).expect("open"), EmbeddedSettings::default()).expect("log")
}

fn create(log: &EmbeddedLog, name: &str, config: &[(&str, &str)]) {
    let config = config.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    log.create_topic(&TopicSpec { name: name.into(), partitions: 1, replicas: 1, config }).expect("create");
}

fn append(log: &EmbeddedLog, topic: &str, records: std::ops::Range<usize>) {
    for number in records {
        log.appender().expect("appender").append(topic, &batch(0, numbers(number..number + 1))).expect("append");
    }
}

fn earliest(log: &EmbeddedLog, topic: &str) -> i64 {
    log.offsets(topic).expect("offsets")[0].earliest
}

fn read(log: &EmbeddedLog, topic: &str, start: StartOffset) -> Vec<String> {
    let mut reader = log.reader(&[(TopicPartition::new(topic, 0), start)]).expect("reader");
    let mut out = Vec::new();
    reader.poll(&mut out, 1_000, Duration::ZERO).expect("poll");
    values(&out)
}

#[test]
fn records_go_when_they_are_older_than_their_topic_keeps_them() {
    let path = tempfile::tempdir().expect("dir");
    let log = open(path.path());
    create(&log, "day", &[("retention.ms", "86400000")]);
    create(&log, "week", &[]);
    create(&log, "rows", &[("cleanup.policy", "compact")]);
    let start = 1_000 * DAY_MS;
    for topic in ["day", "week", "rows"] {
        append(&log, topic, 0..3);
    }
    log.maintain(start).expect("maintain");
    for topic in ["day", "week", "rows"] {
        append(&log, topic, 3..5);
    }
    log.maintain(start + DAY_MS - 1).expect("maintain");
    assert_eq!(earliest(&log, "day"), 0, "the first three are not yet a day old");
    drop(log);
    let log = open(path.path());
    log.maintain(start + DAY_MS).expect("maintain");
    assert_eq!(earliest(&log, "day"), 3);
    assert_eq!(read(&log, "day", StartOffset::Earliest), ["3", "4"]);
    log.maintain(start + 7 * DAY_MS).expect("maintain");
    assert_eq!((earliest(&log, "week"), earliest(&log, "rows")), (3, 0));
    log.maintain(start + 100 * DAY_MS).expect("maintain");
    drop(log);
    let log = open(path.path());
    // The last block says where the partition goes on.
    let ends: Vec<_> = ["day", "week", "rows"].map(|topic| log.offsets(topic).expect("offsets")[0].latest).to_vec();
    assert_eq!(ends, [5, 5, 5]);
    assert_eq!((earliest(&log, "day"), earliest(&log, "week"), earliest(&log, "rows")), (4, 4, 0));
    append(&log, "day", 5..6);
    assert_eq!(read(&log, "day", StartOffset::At(0)), ["4", "5"]);
}

#[test]
fn readers_go_on_behind_what_was_removed_under_them() {
    let log = EmbeddedLog::open(Database::temporary().expect("database"), EmbeddedSettings::default()).expect("log");
    create(&log, "t", &[]);
    append(&log, "t", 0..6);
    let place = TopicPartition::new("t", 0);
    let mut reader = log.reader(&[(place.clone(), StartOffset::Earliest)]).expect("reader");
    let mut out = Vec::new();
    reader.poll(&mut out, 2, Duration::ZERO).expect("poll");
    assert_eq!(values(&out), ["0", "1"]);
    log.trim(&place, 4).expect("trim");
    assert_eq!(earliest(&log, "t"), 4);
    out.clear();
    reader.poll(&mut out, 10, Duration::ZERO).expect("poll");
    assert_eq!(values(&out), ["4", "5"]);
    // Never back, never beyond the end, and the last block stays.
    log.trim(&place, 2).expect("trim");
    log.trim(&place, 1_000).expect("trim");
    assert_eq!((earliest(&log, "t"), log.offsets("t").expect("offsets")[0].latest), (5, 6));
}

#[test]
fn only_whole_blocks_are_removed() {
    let log = EmbeddedLog::open(Database::temporary().expect("database"), EmbeddedSettings::default()).expect("log");
    create(&log, "t", &[]);
    for _ in 0..2 {
        log.appender().expect("appender").append("t", &batch(0, numbers(0..10))).expect("append");
    }
    let place = TopicPartition::new("t", 0);
    log.trim(&place, 9).expect("trim");
    assert_eq!(earliest(&log, "t"), 0);
    log.trim(&place, 10).expect("trim");
    assert_eq!(earliest(&log, "t"), 10);
}
