use super::*;
use crate::worker::{CommitOutcome, Event, Guarantee, Reset};
use crate::{Fetched, LogError, partition_for_key};
use calzone_types::{RecordBatch, RecordRef};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const NOW: Duration = Duration::ZERO;

fn buffered() -> EmbeddedLog {
    let settings = EmbeddedSettings { durability: Durability::Buffered, ..EmbeddedSettings::default() };
    EmbeddedLog::open(Database::temporary().expect("database"), settings).expect("log")
}

fn create(log: &dyn Log, name: &str, partitions: i32) {
    let spec = TopicSpec { name: name.into(), partitions, replicas: 1, config: Vec::new() };
    log.create_topic(&spec).expect("create");
}

pub(super) fn batch(partition: i32, values: impl IntoIterator<Item = String>) -> RecordBatch {
    let mut records = RecordBatch::default();
    for value in values {
        let (key, value) = (Some(b"key".as_slice()), Some(value.as_bytes()));
        records.push(RecordRef { offset: 0, timestamp: 7, partition, key, value, headers: &[] });
    }
    records
}

pub(super) fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

pub(super) fn values(fetched: &[Fetched]) -> Vec<String> {
    let records = fetched.iter().flat_map(|fetched| fetched.records.iter());
    records.map(|record| String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()).collect()
}

fn options(group: &str, topics: &[&str], reset: Reset) -> WorkerOptions {
    WorkerOptions {
        group: group.into(),
        topics: topics.iter().map(|topic| topic.to_string()).collect(),
        guarantee: Guarantee::ExactlyOnce,
        auto_offset_reset: reset,
        ..WorkerOptions::default()
    }
}

#[test]
fn a_reader_gets_every_record_once_whatever_it_asks_for_at_a_time() {
    let log = buffered();
    create(&log, "t", 1);
    let appender = log.appender().expect("appender");
    let mut written = 0;
    for size in [1, 1, 700, 2, 5_000, 1, 9_000] {
        let places = appender.append("t", &batch(0, numbers(written..written + size))).expect("append");
        assert_eq!(places.first(), Some(&(0, written as i64)));
        assert_eq!(places.last(), Some(&(0, (written + size) as i64 - 1)));
        written += size;
    }
    for (limit, start) in [(1_000_000, 0), (4_096, 0), (17, 0), (1_000, 703), (4_096, 5_000), (3, 14_700)] {
        let tp = TopicPartition::new("t", 0);
        let mut reader = log.reader(&[(tp.clone(), StartOffset::At(start))]).expect("reader");
        let mut seen = start;
        while seen < written as i64 {
            let mut out = Vec::new();
            reader.poll(&mut out, limit, NOW).expect("poll");
            assert!(out.iter().map(|fetched| fetched.records.len()).sum::<usize>() <= limit);
            assert!(!out.is_empty(), "nothing at {seen} with limit {limit}");
            for record in out.iter().flat_map(|fetched| fetched.records.iter()) {
                assert_eq!((record.offset, record.value), (seen, Some(seen.to_string().as_bytes())));
                assert_eq!((record.partition, record.timestamp, record.key), (0, 7, Some(b"key".as_slice())));
                seen += 1;
            }
            assert_eq!(reader.position(&tp), seen);
        }
        assert_eq!(reader.end_offsets().expect("ends"), [(tp, seen)]);
    }
}

#[test]
fn records_without_a_partition_go_by_key_and_those_without_a_key_are_spread() {
    let log = buffered();
    create(&log, "t", 4);
    let mut records = RecordBatch::default();
    for number in 0..40u8 {
        let key = [number];
        let key = (number >= 20).then_some(key.as_slice());
        let partition = RecordBatch::ANY_PARTITION;
        records.push(RecordRef { offset: 0, timestamp: 0, partition, key, value: None, headers: &[] });
    }
    let places = log.appender().expect("appender").append("t", &records).expect("append");
    for (number, (partition, _)) in places.iter().enumerate().skip(20) {
        assert_eq!(*partition, partition_for_key(Some(&[number as u8]), 4));
    }
    for partition in 0..4 {
        assert_eq!(places[..20].iter().filter(|place| place.0 == partition).count(), 5);
    }
}

#[test]
fn what_cannot_be_done_says_what_and_where() {
    let log = buffered();
    create(&log, "t", 2);
    let appender = log.appender().expect("appender");
    let error = appender.append("nothing", &batch(0, numbers(0..1))).expect_err("no topic");
    assert!(matches!(error, LogError::TopicMissing { topic } if topic == "nothing"));
    let error = appender.append("t", &batch(2, numbers(0..1))).expect_err("no partition");
    assert!(error.blames_record() && error.to_string().contains("no partition 2"), "{error}");
    let error = appender.append("t", &batch(0, [String::from("x").repeat(33 << 20)])).expect_err("too large");
    assert!(matches!(error, LogError::RecordTooLarge { .. }));
    assert_eq!(log.offsets("t").expect("offsets")[0].latest, 0, "a refused batch leaves nothing");
    for name in ["", "..", "a/b", "ä"] {
        let spec = TopicSpec { name: name.into(), partitions: 1, ..TopicSpec::default() };
        assert!(matches!(log.create_topic(&spec), Err(LogError::InvalidTopic { .. })), "{name}");
    }
    let again = TopicSpec { name: "t".into(), partitions: 1, ..TopicSpec::default() };
    assert!(matches!(log.create_topic(&again), Err(LogError::TopicExists { .. })));
    assert!(matches!(log.delete_topic("nothing"), Err(LogError::TopicMissing { .. })));
}

#[test]
fn a_topic_made_again_is_empty_and_readers_of_the_old_one_are_told() {
    let log = buffered();
    create(&log, "t", 1);
    log.appender().expect("appender").append("t", &batch(0, numbers(0..10))).expect("append");
    let mut reader = log.reader(&[(TopicPartition::new("t", 0), StartOffset::Latest)]).expect("reader");
    let mut worker = log.worker(options("g", &["t"], Reset::Earliest)).expect("worker");
    worker.poll(&mut Vec::new(), 100, NOW).expect("poll");
    let offsets = [(TopicPartition::new("t", 0), 10, String::new())];
    worker.commit(&offsets, log.database().batch()).expect("commit");
    drop(worker);
    log.delete_topic("t").expect("delete");
    assert!(log.topic("t").expect("topic").is_none());
    assert!(matches!(reader.poll(&mut Vec::new(), 10, NOW), Err(LogError::TopicMissing { .. })));
    create(&log, "t", 1);
    assert_eq!(log.offsets("t").expect("offsets"), [PartitionOffsets { earliest: 0, latest: 0 }]);
    assert_eq!(log.committed("g", "t").expect("committed"), [None]);
}

#[test]
fn a_worker_commits_records_offsets_texts_and_state_together_and_goes_on_there() {
    let log = buffered();
    create(&log, "in", 2);
    create(&log, "out", 1);
    let store = log.database().keyspace("store").expect("keyspace");
    log.appender().expect("appender").append("in", &batch(1, numbers(0..5))).expect("append");
    let mut worker = log.worker(options("g", &["in"], Reset::Earliest)).expect("worker");
    let mut events = Vec::new();
    worker.poll(&mut events, 100, NOW).expect("poll");
    let Event::Assigned(assigned) = &events[0] else { panic!("{events:?}") };
    assert_eq!(
        assigned.iter().map(|a| (a.tp.partition, a.committed, a.position)).collect::<Vec<_>>(),
        [(0, None, 0), (1, None, 0)]
    );
    let Event::Records(fetched) = &events[1] else { panic!("{events:?}") };
    assert_eq!(fetched.records.len(), 5);

    worker.send("out", &batch(0, numbers(0..3))).expect("send");
    assert!(worker.uncommitted_bytes() > 0);
    assert_eq!(log.offsets("out").expect("offsets")[0].latest, 0);
    let tp = TopicPartition::new("in", 1);
    let mut state = log.database().batch();
    state.put(&store, b"count", b"3");
    let outcome = worker.commit(&[(tp.clone(), 3, String::from("sauce@2"))], state).expect("commit");
    assert_eq!((outcome, worker.uncommitted_bytes()), (CommitOutcome::Committed, 0));
    assert_eq!(log.offsets("out").expect("offsets")[0].latest, 3);
    assert_eq!(store.get(b"count").expect("get").as_deref(), Some(b"3".as_slice()));
    assert_eq!(log.committed("g", "in").expect("committed"), [Some(0), Some(3)]);

    // An abort drops what was sent and begins again at what is committed.
    worker.send("out", &batch(0, numbers(3..9))).expect("send");
    worker.abort().expect("abort");
    let mut events = Vec::new();
    worker.poll(&mut events, 100, NOW).expect("poll");
    let Event::Assigned(assigned) = &events[0] else { panic!("{events:?}") };
    assert_eq!((assigned[1].committed, assigned[1].position, assigned[1].metadata.as_str()), (Some(3), 3, "sauce@2"));
    let Event::Records(fetched) = &events[1] else { panic!("{events:?}") };
    assert_eq!(fetched.records.get(0).offset, 3);
    assert_eq!(log.offsets("out").expect("offsets")[0].latest, 3);

    assert!(log.forget_group("g").expect_err("in use").is_retriable());
    drop(worker);
    log.forget_group("g").expect("forget");
    assert_eq!(log.committed("g", "in").expect("committed"), [None, None]);
}

#[test]
fn latest_means_the_end_when_the_worker_was_made() {
    let log = buffered();
    create(&log, "in", 1);
    let appender = log.appender().expect("appender");
    appender.append("in", &batch(0, numbers(0..5))).expect("append");
    let mut worker = log.worker(options("g", &["in"], Reset::Latest)).expect("worker");
    appender.append("in", &batch(0, numbers(5..6))).expect("append");
    let mut events = Vec::new();
    worker.poll(&mut events, 100, NOW).expect("poll");
    let Event::Records(fetched) = &events[1] else { panic!("{events:?}") };
    assert_eq!(fetched.records.get(0).value, Some(b"5".as_slice()));
}

#[test]
fn partitions_change_hands_only_after_their_owner_let_them_go() {
    let log = buffered();
    create(&log, "a", 4);
    create(&log, "b", 4);
    let mut first = log.worker(options("g", &["a", "b"], Reset::Earliest)).expect("worker");
    let mut events = Vec::new();
    first.poll(&mut events, 10, NOW).expect("poll");
    assert!(matches!(&events[..], [Event::Assigned(all)] if all.len() == 8));
    let mut second = log.worker(options("g", &["a", "b"], Reset::Earliest)).expect("worker");
    let mut of_second = Vec::new();
    second.poll(&mut of_second, 10, NOW).expect("poll");
    assert!(of_second.is_empty());
    events.clear();
    first.poll(&mut events, 10, NOW).expect("poll");
    let [Event::Revoked(revoked)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(revoked.iter().map(|tp| tp.partition).collect::<Vec<_>>(), [1, 3, 1, 3]);
    // Still ours: the last commit before letting go.
    let offsets = [(TopicPartition::new("a", 1), 0, String::from("last"))];
    assert_eq!(first.commit(&offsets, log.database().batch()).expect("commit"), CommitOutcome::Committed);
    second.poll(&mut of_second, 10, NOW).expect("poll");
    assert!(of_second.is_empty());
    first.poll(&mut Vec::new(), 10, NOW).expect("poll");
    second.poll(&mut of_second, 10, Duration::from_secs(5)).expect("poll");
    let [Event::Assigned(gained)] = &of_second[..] else { panic!("{of_second:?}") };
    assert_eq!(gained.len(), 4);
    assert_eq!(gained[0].metadata, "last");
    // And it is too late for the first.
    assert!(matches!(first.commit(&offsets, log.database().batch()), Ok(CommitOutcome::Fenced { .. })));
    drop(second);
    events.clear();
    first.poll(&mut events, 10, NOW).expect("poll");
    assert!(matches!(&events[..], [Event::Assigned(back)] if back.len() == 4));
}

#[test]
fn a_paused_partition_is_held_back_and_none_of_it_is_lost() {
    let log = buffered();
    create(&log, "in", 2);
    let appender = log.appender().expect("appender");
    let mut worker = log.worker(options("g", &["in"], Reset::Earliest)).expect("worker");
    worker.poll(&mut Vec::new(), 10, NOW).expect("poll");
    let held = [TopicPartition::new("in", 0)];
    worker.pause(&held).expect("pause");
    appender.append("in", &batch(0, numbers(0..1))).expect("append");
    appender.append("in", &batch(1, numbers(1..2))).expect("append");
    let mut events = Vec::new();
    worker.poll(&mut events, 10, NOW).expect("poll");
    assert!(matches!(&events[..], [Event::Records(fetched)] if fetched.tp.partition == 1));
    events.clear();
    worker.poll(&mut events, 10, NOW).expect("poll");
    assert!(events.is_empty());
    worker.resume(&held).expect("resume");
    worker.poll(&mut events, 10, Duration::from_secs(5)).expect("poll");
    assert!(matches!(&events[..], [Event::Records(fetched)] if fetched.tp.partition == 0));
}

#[test]
fn a_waiting_poll_ends_at_once_when_records_come_or_it_is_woken() {
    let log = buffered();
    create(&log, "t", 1);
    let mut reader = log.reader(&[(TopicPartition::new("t", 0), StartOffset::Latest)]).expect("reader");
    let wake = reader.wake_handle();
    let appender = log.appender().expect("appender");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            appender.append("t", &batch(0, numbers(0..1))).expect("append");
        });
        let (mut out, start) = (Vec::new(), Instant::now());
        reader.poll(&mut out, 10, Duration::from_secs(20)).expect("poll");
        assert_eq!(values(&out), ["0"]);
        assert!(start.elapsed() < Duration::from_secs(10));
        scope.spawn(move || wake());
        out.clear();
        reader.poll(&mut out, 10, Duration::from_secs(20)).expect("poll");
        assert!(out.is_empty() && start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn many_appenders_and_a_reader_agree_on_dense_offsets() {
    let log = EmbeddedLog::open(Database::temporary().expect("database"), EmbeddedSettings::default()).expect("log");
    create(&log, "t", 2);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let starts = [0, 1].map(|partition| (TopicPartition::new("t", partition), StartOffset::Earliest));
            let mut reader = log.reader(&starts).expect("reader");
            let (mut counts, mut out) = ([0i64; 2], Vec::new());
            while counts.iter().sum::<i64>() < 4 * 50 * 3 && !done.load(Ordering::Relaxed) {
                reader.poll(&mut out, 1_000, Duration::from_secs(10)).expect("poll");
                for record in
                    out.drain(..).flat_map(|fetched| fetched.records.iter().map(|r| (r.partition, r.offset)).collect::<Vec<_>>())
                {
                    assert_eq!(record.1, counts[record.0 as usize]);
                    counts[record.0 as usize] += 1;
                }
            }
            counts
        });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let appender = log.appender().expect("appender");
                scope.spawn(move || {
                    for _ in 0..50 {
                        appender.append("t", &batch(writer % 2, numbers(0..3))).expect("append");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("writer");
        }
        assert_eq!(reading.join().expect("reader"), [300, 300]);
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn everything_is_there_again_after_a_restart() {
    let path = tempfile::tempdir().expect("dir");
    let open = || EmbeddedLog::open(Database::open(path.path()).expect("open"), EmbeddedSettings::default()).expect("log");
    let log = open();
    create(&log, "t", 3);
    create(&log, "gone", 1);
    let appender = log.appender().expect("appender");
    appender.append("t", &batch(1, numbers(0..5_000))).expect("append");
    appender.append("gone", &batch(0, numbers(0..10))).expect("append");
    log.delete_topic("gone").expect("delete");
    let cluster = log.cluster_id();
    drop((appender, log));
    let log = open();
    assert_eq!(log.cluster_id(), cluster);
    assert_eq!(log.topics().expect("topics"), [TopicInfo { name: "t".into(), partitions: 3, replicas: 1 }]);
    assert_eq!(log.offsets("t").expect("offsets").iter().map(|o| o.latest).collect::<Vec<_>>(), [0, 5_000, 0]);
    let places = log.appender().expect("appender").append("t", &batch(1, numbers(0..1))).expect("append");
    assert_eq!(places, [(1, 5_000)]);
}

#[test]
fn a_changed_byte_in_a_block_is_reported_with_its_place() {
    let log = buffered();
    create(&log, "t", 1);
    let appender = log.appender().expect("appender");
    appender.append("t", &batch(0, numbers(0..3))).expect("append");
    appender.append("t", &batch(0, numbers(3..6))).expect("append");
    let key = topics::block_key(0, 0, 3);
    let blocks = log.database().keyspace_with("log.blocks", Layout::Log).expect("keyspace");
    let mut block = blocks.get(&key).expect("get").expect("block").to_vec();
    if let Some(last) = block.last_mut() {
        *last ^= 1;
    }
    let mut write = log.database().batch();
    write.put(&blocks, &key, &block);
    write.commit(Durability::Buffered).expect("commit");
    let mut reader = log.reader(&[(TopicPartition::new("t", 0), StartOffset::Earliest)]).expect("reader");
    let mut out = Vec::new();
    let error = reader.poll(&mut out, 100, NOW).expect_err("damaged");
    assert!(matches!(&error, LogError::Corrupt { offset: 3, partition: 0, .. }), "{error}");
    assert_eq!(values(&out), ["0", "1", "2"], "what lies before is given out");
}
