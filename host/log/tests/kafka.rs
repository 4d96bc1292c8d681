//! The log on a real Kafka cluster.

use calzone_log::*;
use calzone_state::Database;
use calzone_types::{Header, RecordBatch, RecordRef};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn open() -> KafkaLog {
    let servers = std::env::var("CALZONE_TEST_KAFKA")
        .expect("these tests need a Kafka cluster: set CALZONE_TEST_KAFKA to its bootstrap servers (make test does)");
    let client = BTreeMap::from([(String::from("bootstrap.servers"), servers)]);
    KafkaLog::open(Database::temporary().expect("database"), KafkaSettings { client }).expect("connect")
}

fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("clock").as_millis();
    format!("test-{what}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn topic(log: &dyn Log, what: &str, partitions: i32) -> String {
    let name = unique(what);
    let spec = TopicSpec { name: name.clone(), partitions, replicas: 1, config: Vec::new() };
    log.create_topic(&spec).expect("create topic");
    name
}

fn batch(partition: i32, values: impl IntoIterator<Item = String>) -> RecordBatch {
    let mut records = RecordBatch::default();
    for value in values {
        records.push(RecordRef {
            offset: 0,
            timestamp: 1_000,
            partition,
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    records
}

fn numbers(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

fn append(log: &dyn Log, topic: &str, records: &RecordBatch) -> Vec<(i32, i64)> {
    log.appender().expect("appender").append(topic, records).expect("append")
}

/// Everything that is committed, by partition.
fn contents(log: &dyn Log, topic: &str) -> Vec<Vec<String>> {
    let partitions = log.topic(topic).expect("topic").expect("exists").partitions;
    let starts: Vec<_> =
        (0..partitions).map(|partition| (TopicPartition::new(topic, partition), StartOffset::Earliest)).collect();
    let mut reader = log.reader(&starts).expect("reader");
    let ends = reader.end_offsets().expect("ends");
    let (mut found, mut out, start) = (vec![Vec::new(); partitions as usize], Vec::new(), Instant::now());
    while ends.iter().any(|(tp, end)| reader.position(tp) < *end) {
        assert!(start.elapsed() < PATIENCE, "reading {topic} to its end");
        reader.poll(&mut out, 1_000, Duration::from_millis(200)).expect("poll");
        for fetched in out.drain(..) {
            for record in fetched.records.iter() {
                found[fetched.tp.partition as usize].push(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
            }
        }
    }
    found
}

/// A transaction is seen a moment after it has committed, when the brokers have marked its end.
fn expect_contents(log: &dyn Log, topic: &str, expected: &[&[&str]]) {
    let start = Instant::now();
    loop {
        let found = contents(log, topic);
        if found == expected || start.elapsed() > PATIENCE / 3 {
            assert_eq!(found, expected);
            return;
        }
    }
}

fn options(group: &str, topics: &[&str], guarantee: Guarantee) -> WorkerOptions {
    WorkerOptions {
        group: group.into(),
        topics: topics.iter().map(|topic| topic.to_string()).collect(),
        guarantee,
        transactional_id: format!("{group}-0"),
        auto_offset_reset: Reset::Earliest,
        ..WorkerOptions::default()
    }
}

/// Polls until the condition holds for all events so far.
fn poll_until(worker: &mut dyn Worker, what: &str, mut done: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
    let (mut events, start) = (Vec::new(), Instant::now());
    while !done(&events) {
        assert!(start.elapsed() < PATIENCE, "waiting for {what}, got {events:?}");
        worker.poll(&mut events, 4_096, Duration::from_millis(100)).expect("poll");
    }
    events
}

fn record_count(events: &[Event]) -> usize {
    events.iter().map(|event| if let Event::Records(fetched) = event { fetched.records.len() } else { 0 }).sum()
}

fn assignment(events: &[Event]) -> &[Assignment] {
    events
        .iter()
        .rev()
        .find_map(|event| if let Event::Assigned(all) = event { Some(all.as_slice()) } else { None })
        .expect("an assignment")
}

#[test]
fn topics_come_and_go() {
    let log = open();
    assert_eq!(log.kind(), LogKind::Kafka);
    assert!(!log.cluster_id().is_empty());
    let name = topic(&log, "topics", 3);
    assert_eq!(log.topic(&name).expect("topic"), Some(TopicInfo { name: name.clone(), partitions: 3, replicas: 1 }));
    assert!(log.topics().expect("topics").iter().any(|topic| topic.name == name));
    let again = TopicSpec { name: name.clone(), partitions: 1, ..TopicSpec::default() };
    assert!(matches!(log.create_topic(&again), Err(LogError::TopicExists { .. })));
    let wrong = TopicSpec {
        name: unique("wrong"),
        partitions: 1,
        replicas: 1,
        config: vec![("cleanup.policy".into(), "nonsense".into())],
    };
    assert!(matches!(log.create_topic(&wrong), Err(LogError::InvalidTopic { .. })));
    assert_eq!(log.offsets(&name).expect("offsets"), [PartitionOffsets::default(); 3]);
    log.delete_topic(&name).expect("delete");
    assert_eq!(log.topic(&name).expect("topic"), None);
    assert!(matches!(log.delete_topic(&name), Err(LogError::TopicMissing { .. })));
    assert!(matches!(log.offsets(&name), Err(LogError::TopicMissing { .. })));
    assert!(matches!(log.worker(options("g", &[&name], Guarantee::AtLeastOnce)), Err(LogError::TopicMissing { .. })));
}

#[test]
fn records_come_back_as_they_went_in() {
    let log = open();
    let name = topic(&log, "round", 4);
    let headers: Vec<Header> =
        vec![(Arc::from("a"), Some(b"1".to_vec())), (Arc::from("b"), None), (Arc::from("c"), Some(Vec::new()))];
    let mut records = RecordBatch::default();
    for number in 0..20u8 {
        let key = [number; 3];
        let key = (number % 5 != 4).then_some(key.as_slice());
        let value = (number % 3 != 2).then_some(if number % 2 == 0 { b"value".as_slice() } else { b"" });
        let headers = if number % 4 == 0 || number % 5 == 0 { headers.as_slice() } else { &[] };
        records.push(RecordRef {
            offset: 0,
            timestamp: 5_000 + i64::from(number),
            partition: RecordBatch::ANY_PARTITION,
            key,
            value,
            headers,
        });
    }
    let places = append(&log, &name, &records);
    for (record, (partition, offset)) in records.iter().zip(&places) {
        if record.key.is_some() {
            assert_eq!(*partition, partition_for_key(record.key, 4), "as Java's clients place it");
        }
        let mut reader =
            log.reader(&[(TopicPartition::new(name.as_str(), *partition), StartOffset::At(*offset))]).expect("reader");
        let (mut out, start) = (Vec::new(), Instant::now());
        while out.is_empty() {
            assert!(start.elapsed() < PATIENCE);
            reader.poll(&mut out, 1, Duration::from_millis(200)).expect("poll");
        }
        assert_eq!(out[0].records.get(0), RecordRef { offset: *offset, partition: *partition, ..record });
    }
    let negative = RecordRef { offset: 0, timestamp: -1, partition: 0, key: None, value: None, headers: &[] };
    let mut records = RecordBatch::default();
    records.push(negative);
    let error = log.appender().expect("appender").append(&name, &records).expect_err("negative timestamp");
    assert!(error.blames_record(), "{error}");
    let error =
        log.appender().expect("appender").append(&name, &batch(0, [String::from("x").repeat(9 << 20)])).expect_err("too large");
    assert!(matches!(error, LogError::RecordTooLarge { .. }), "{error}");
}

#[test]
fn an_appender_serves_several_threads() {
    let log = open();
    let name = topic(&log, "threads", 2);
    let appender = log.appender().expect("appender");
    appender.append(&name, &batch(0, numbers(0..1))).expect("warm up");
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (appender, name) = (&appender, &name);
            scope.spawn(move || {
                for _ in 0..50 {
                    let places = appender.append(name, &batch(thread % 2, numbers(0..3))).expect("append");
                    assert!(places.windows(2).all(|pair| pair[1].1 > pair[0].1));
                }
            });
        }
    });
    println!("200 appends by 4 threads took {:?}", start.elapsed());
    assert_eq!(contents(&log, &name).iter().map(Vec::len).collect::<Vec<_>>(), [301, 300]);
}

#[test]
fn exactly_once_commits_records_offsets_texts_and_state_together() {
    let log = open();
    let (input, sink, changelog, group) =
        (topic(&log, "in", 2), topic(&log, "out", 2), topic(&log, "changelog", 2), unique("group"));
    append(&log, &input, &batch(0, numbers(0..10)));
    append(&log, &input, &batch(1, numbers(10..15)));
    let mut all = options(&group, &[&input], Guarantee::ExactlyOnce);
    all.changelog_topics = vec![changelog.clone()];
    let store = log.database().keyspace("store").expect("keyspace");
    let mut worker = log.worker(all.clone()).expect("worker");
    let events = poll_until(&mut *worker, "15 records", |events| record_count(events) == 15);
    assert_eq!(assignment(&events).iter().map(|a| (a.tp.partition, a.committed)).collect::<Vec<_>>(), [(0, None), (1, None)]);

    // What is not committed is not seen.
    worker.send(&sink, &batch(0, numbers(0..3))).expect("send");
    worker.send(&changelog, &batch(1, numbers(0..5))).expect("send");
    assert!(worker.uncommitted_bytes() > 0);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(contents(&log, &sink), [Vec::<String>::new(), Vec::new()]);
    let mut state = log.database().batch();
    state.put(&store, b"count", b"3");
    let offsets = [(TopicPartition::new(input.as_str(), 0), 4, String::from("sauce@2"))];
    assert_eq!(worker.commit(&offsets, state).expect("commit"), CommitOutcome::Committed);
    expect_contents(&log, &sink, &[&["0", "1", "2"], &[]]);
    assert_eq!(store.get(b"count").expect("get").as_deref(), Some(b"3".as_slice()));
    assert_eq!(log.committed(&group, &input).expect("committed"), [Some(4), None]);
    assert_eq!(log.changelog_position(&TopicPartition::new(changelog.as_str(), 1)).expect("position"), Some(5));
    assert_eq!(log.changelog_position(&TopicPartition::new(changelog.as_str(), 0)).expect("position"), None);

    // An abort drops what was sent and begins again at what is committed.
    worker.send(&sink, &batch(1, numbers(3..9))).expect("send");
    worker.abort().expect("abort");
    let events = poll_until(&mut *worker, "11 records", |events| record_count(events) == 11);
    assert!(matches!(&events[0], Event::Assigned(_)), "{events:?}");
    let first = &assignment(&events)[0];
    assert_eq!((first.committed, first.position, first.metadata.as_str()), (Some(4), 4, "sauce@2"));
    assert_eq!(contents(&log, &sink)[1], Vec::<String>::new());

    // Commits with offsets only, with records only, and with nothing.
    let offsets = [(TopicPartition::new(input.as_str(), 1), 2, String::new())];
    assert_eq!(worker.commit(&offsets, log.database().batch()).expect("commit"), CommitOutcome::Committed);
    worker.send(&sink, &batch(0, numbers(9..10))).expect("send");
    assert_eq!(worker.commit(&[], log.database().batch()).expect("commit"), CommitOutcome::Committed);
    assert_eq!(worker.commit(&[], log.database().batch()).expect("commit"), CommitOutcome::Committed);
    expect_contents(&log, &sink, &[&["0", "1", "2", "9"], &[]]);

    // A record that no broker takes: nothing of its transaction is kept, and the worker goes on.
    worker.send(&sink, &batch(0, numbers(10..11))).expect("send");
    let error = worker.send(&sink, &batch(0, [String::from("x").repeat(9 << 20)])).expect_err("too large");
    assert!(matches!(error, LogError::RecordTooLarge { .. }), "{error}");
    worker.abort().expect("abort");
    drop(worker);

    // A new worker of the name goes on where the old one was.
    let mut worker = log.worker(all).expect("worker");
    let events = poll_until(&mut *worker, "9 records", |events| record_count(events) == 9);
    assert_eq!(assignment(&events).iter().map(|a| a.committed).collect::<Vec<_>>(), [Some(4), Some(2)]);
    drop(worker);
    log.forget_group(&group).expect("forget");
    assert_eq!(log.committed(&group, &input).expect("committed"), [None, None]);
    log.forget_group(&group).expect("forgetting twice is no error");
}

#[test]
fn a_record_refused_by_the_broker_fails_the_commit_and_nothing_else() {
    let log = open();
    let (input, group, sink) = (topic(&log, "in", 1), unique("group"), unique("small"));
    let spec =
        TopicSpec { name: sink.clone(), partitions: 1, replicas: 1, config: vec![("max.message.bytes".into(), "2000".into())] };
    log.create_topic(&spec).expect("create");
    append(&log, &input, &batch(0, numbers(0..3)));
    let mut worker = log.worker(options(&group, &[&input], Guarantee::ExactlyOnce)).expect("worker");
    poll_until(&mut *worker, "3 records", |events| record_count(events) == 3);
    worker.send(&sink, &batch(0, [String::from("x").repeat(5_000)])).expect("send");
    let offsets = [(TopicPartition::new(input.as_str(), 0), 3, String::new())];
    let error = worker.commit(&offsets, log.database().batch()).expect_err("refused");
    assert!(matches!(error, LogError::RecordTooLarge { .. }), "{error}");
    assert_eq!(log.committed(&group, &input).expect("committed"), [None]);
    // The producer may need one more abort to get over it.
    let start = Instant::now();
    loop {
        poll_until(&mut *worker, "the records again", |events| record_count(events) == 3);
        worker.send(&sink, &batch(0, numbers(0..3))).expect("send");
        match worker.commit(&offsets, log.database().batch()).expect("commit") {
            CommitOutcome::Committed => break,
            CommitOutcome::Aborted { .. } if start.elapsed() < PATIENCE => {}
            outcome => panic!("{outcome:?}"),
        }
    }
    expect_contents(&log, &sink, &[&["0", "1", "2"]]);
}

#[test]
fn a_second_worker_of_the_same_name_fences_the_first() {
    let log = open();
    let (input, sink, group) = (topic(&log, "in", 1), topic(&log, "out", 1), unique("group"));
    append(&log, &input, &batch(0, numbers(0..3)));
    let mut zombie = log.worker(options(&group, &[&input], Guarantee::ExactlyOnce)).expect("worker");
    poll_until(&mut *zombie, "3 records", |events| record_count(events) == 3);
    zombie.send(&sink, &batch(0, [String::from("zombie")])).expect("send");
    let mut other = options(&group, &[&input], Guarantee::ExactlyOnce);
    // In a group of its own, so that only the transactional id is contested.
    other.group = unique("group");
    let mut successor = log.worker(other).expect("worker");
    let offsets = [(TopicPartition::new(input.as_str(), 0), 3, String::new())];
    let outcome = zombie.commit(&offsets, log.database().batch()).expect("commit");
    assert!(matches!(outcome, CommitOutcome::Fenced { .. }), "{outcome:?}");
    successor.send(&sink, &batch(0, [String::from("successor")])).expect("send");
    assert_eq!(successor.commit(&[], log.database().batch()).expect("commit"), CommitOutcome::Committed);
    expect_contents(&log, &sink, &[&["successor"]]);
    assert_eq!(log.committed(&group, &input).expect("committed"), [None]);
}

#[test]
fn partitions_move_after_the_last_commit_of_their_owner() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let log = open();
        let (input, sink, group) = (topic(&log, "in", 4), topic(&log, "out", 1), unique("group"));
        for partition in 0..4 {
            append(&log, &input, &batch(partition, numbers(0..5)));
        }
        let mut first = log.worker(options(&group, &[&input], guarantee)).expect("worker");
        poll_until(&mut *first, "20 records", |events| record_count(events) == 20);
        first.send(&sink, &batch(0, [String::from("by first")])).expect("send");
        let second = std::thread::spawn({
            let (log, mut options) = (log.clone(), options(&group, &[&input], guarantee));
            options.transactional_id = format!("{group}-1");
            move || {
                let mut worker = log.worker(options).expect("worker");
                let events = poll_until(&mut *worker, "two partitions", |events| {
                    events.iter().any(|event| matches!(event, Event::Assigned(all) if all.len() == 2))
                });
                let gained = assignment(&events).to_vec();
                let extra = record_count(&events);
                (gained, extra)
            }
        });
        let events =
            poll_until(&mut *first, "a revocation", |events| events.iter().any(|event| matches!(event, Event::Revoked(_))));
        let Some(Event::Revoked(revoked)) = events.iter().find(|event| matches!(event, Event::Revoked(_))) else {
            panic!("{events:?}")
        };
        let offsets: Vec<_> = revoked.iter().map(|tp| (tp.clone(), 5, String::from("last"))).collect();
        assert_eq!(first.commit(&offsets, log.database().batch()).expect("commit"), CommitOutcome::Committed);
        let events = poll_until(&mut *first, "the rest", |events| {
            events.iter().any(|event| matches!(event, Event::Assigned(all) if all.len() == 2))
        });
        assert!(assignment(&events).iter().all(|a| a.committed == Some(5) && a.metadata == "last"));
        let (gained, extra) = second.join().expect("second");
        assert!(gained.iter().all(|a| a.committed == Some(5) && a.metadata == "last"), "{gained:?}");
        assert_eq!(extra, 0);
        // The second has left: all come back.
        poll_until(&mut *first, "all four", |events| {
            events.iter().any(|event| matches!(event, Event::Assigned(all) if all.len() == 4))
        });
        expect_contents(&log, &sink, &[&["by first"]]);
    }
}

#[test]
fn latest_means_the_end_when_the_worker_was_made() {
    let log = open();
    let (input, group) = (topic(&log, "in", 1), unique("group"));
    append(&log, &input, &batch(0, numbers(0..5)));
    let mut late = options(&group, &[&input], Guarantee::AtLeastOnce);
    late.auto_offset_reset = Reset::Latest;
    let mut worker = log.worker(late.clone()).expect("worker");
    append(&log, &input, &batch(0, numbers(5..6)));
    let events = poll_until(&mut *worker, "a record", |events| record_count(events) > 0);
    let Some(Event::Records(fetched)) = events.last() else { panic!("{events:?}") };
    assert_eq!(fetched.records.get(0).value, Some(b"5".as_slice()));
    // Dies before its first commit: nothing is skipped.
    drop(worker);
    append(&log, &input, &batch(0, numbers(6..7)));
    let mut worker = log.worker(late).expect("worker");
    let events = poll_until(&mut *worker, "two records", |events| record_count(events) == 2);
    assert_eq!(assignment(&events)[0].position, 5);
}

#[test]
fn a_poll_is_paused_resumed_and_woken() {
    let log = open();
    let (input, group) = (topic(&log, "in", 2), unique("group"));
    let mut worker = log.worker(options(&group, &[&input], Guarantee::AtLeastOnce)).expect("worker");
    poll_until(&mut *worker, "an assignment", |events| !events.is_empty());
    let held = [TopicPartition::new(input.as_str(), 0)];
    worker.pause(&held).expect("pause");
    append(&log, &input, &batch(0, numbers(0..1)));
    append(&log, &input, &batch(1, numbers(1..2)));
    let events = poll_until(&mut *worker, "a record", |events| record_count(events) > 0);
    assert!(matches!(&events[..], [Event::Records(fetched)] if fetched.tp.partition == 1), "{events:?}");
    worker.resume(&held).expect("resume");
    let events = poll_until(&mut *worker, "the held one", |events| record_count(events) > 0);
    assert!(matches!(&events[..], [Event::Records(fetched)] if fetched.tp.partition == 0), "{events:?}");
    let wake = worker.wake_handle();
    let waking = wake.clone();
    let start = Instant::now();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        waking();
    });
    worker.poll(&mut Vec::new(), 10, PATIENCE).expect("poll");
    assert!(start.elapsed() < PATIENCE / 3, "woken after {:?}", start.elapsed());
    thread.join().expect("thread");
    drop(worker);
    wake();
}

/// Not a limit, a figure to look at: `cargo test -p calzone-log --test kafka -- --nocapture copies`.
#[test]
fn copies_a_topic_in_transactions() {
    let log = open();
    let (input, sink, group) = (topic(&log, "in", 4), topic(&log, "out", 4), unique("group"));
    let total = 400_000usize;
    let value = "x".repeat(223);
    let mut loader = log.worker(options(&unique("group"), &[&sink], Guarantee::AtLeastOnce)).expect("worker");
    for chunk in 0..total / 4_000 {
        loader.send(&input, &batch(chunk as i32 % 4, (0..4_000).map(|_| value.clone()))).expect("send");
    }
    loader.commit(&[], log.database().batch()).expect("commit");
    drop(loader);
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let mut worker = log.worker(options(&format!("{group}-{guarantee:?}"), &[&input], guarantee)).expect("worker");
        poll_until(&mut *worker, "an assignment", |events| !events.is_empty());
        worker.abort().expect("abort");
        let (start, mut last, mut copied, mut commits) = (Instant::now(), Instant::now(), 0, 0);
        let (mut next, mut events) = (BTreeMap::new(), Vec::new());
        while copied < total {
            assert!(start.elapsed() < PATIENCE);
            worker.poll(&mut events, 4_096, Duration::from_millis(100)).expect("poll");
            for event in events.drain(..) {
                if let Event::Records(fetched) = event {
                    copied += fetched.records.len();
                    next.insert((*fetched.tp).clone(), fetched.records.get(fetched.records.len() - 1).offset + 1);
                    worker.send(&sink, &fetched.records).expect("send");
                }
            }
            if last.elapsed() > Duration::from_millis(100) || copied == total {
                let offsets: Vec<_> =
                    next.iter().map(|(tp, offset): (&TopicPartition, &i64)| (tp.clone(), *offset, String::new())).collect();
                assert_eq!(worker.commit(&offsets, log.database().batch()).expect("commit"), CommitOutcome::Committed);
                (last, commits) = (Instant::now(), commits + 1);
            }
        }
        println!(
            "{guarantee:?}: {total} records copied in {:?} with {commits} commits: {:.0} records/s",
            start.elapsed(),
            total as f64 / start.elapsed().as_secs_f64()
        );
        assert_eq!(
            log.committed(&format!("{group}-{guarantee:?}"), &input).expect("committed").iter().flatten().sum::<i64>() as usize,
            total
        );
    }
}
