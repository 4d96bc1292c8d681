//! A server that is killed at any instant, and what the next one finds.
//!
//! The test starts itself as a child that copies `in` to `out` in transactions, with a sum in a store, and kills it
//! while it works. Every record must be in `out` once, the store and the offsets must agree with it, and whatever
//! was acknowledged to the outside (printed by the child) must be there.

use calzone_log::*;
use calzone_state::{Database, Durability};
use calzone_types::{RecordBatch, RecordRef};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "CALZONE_KILL_CHILD_DIR";
const ROUNDS: u32 = 12;

fn open(path: &Path) -> EmbeddedLog {
    EmbeddedLog::open(
        Database::open(path).expect("database"),
        EmbeddedSettings { durability: Durability::Buffered, ..EmbeddedSettings::default() },
    )
    .expect("log")
}

fn options() -> WorkerOptions {
    WorkerOptions {
        group: "copy".into(),
        topics: vec!["in".into()],
        auto_offset_reset: Reset::Earliest,
        ..WorkerOptions::default()
    }
}

fn numbered(from: i64, count: i64) -> RecordBatch {
    let mut records = RecordBatch::default();
    for number in from..from + count {
        let value = number.to_string();
        records.push(RecordRef {
            offset: 0,
            timestamp: number,
            partition: 0,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    records
}

/// Appends and copies until it is killed, printing after each append how far it is acknowledged.
fn work(path: &Path) -> ! {
    let log = open(path);
    let store = log.database().keyspace("sum").expect("store");
    let (appender, mut worker) = (log.appender().expect("appender"), log.worker(options()).expect("worker"));
    let mut next = log.offsets("in").expect("offsets")[0].latest;
    let mut sum =
        store.get(b"sum").expect("get").map_or(0, |value| value.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes)));
    loop {
        appender.append("in", &numbered(next, 1 + next % 40)).expect("append");
        next += 1 + next % 40;
        println!("{next}");
        let mut events = Vec::new();
        worker.poll(&mut events, 100, Duration::ZERO).expect("poll");
        let mut offsets = Vec::new();
        for event in events {
            let Event::Records(fetched) = event else { continue };
            for record in fetched.records.iter() {
                sum += record.offset;
                offsets = vec![((*fetched.tp).clone(), record.offset + 1, format!("sum {sum}"))];
            }
            worker.send("out", &fetched.records).expect("send");
        }
        let mut state = log.database().batch();
        state.put(&store, b"sum", &sum.to_be_bytes());
        assert_eq!(worker.commit(&offsets, state).expect("commit"), CommitOutcome::Committed);
    }
}

/// What `out` holds, checked to be the numbers from 0 on, each once.
fn copied(log: &dyn Log) -> i64 {
    let mut reader = log.reader(&[(TopicPartition::new("out", 0), StartOffset::Earliest)]).expect("reader");
    let end = log.offsets("out").expect("offsets")[0].latest;
    let (mut out, mut count) = (Vec::new(), 0);
    while count < end {
        reader.poll(&mut out, 4_096, Duration::ZERO).expect("poll");
        for record in
            out.drain(..).flat_map(|fetched| fetched.records.iter().map(|r| r.value.map(<[u8]>::to_vec)).collect::<Vec<_>>())
        {
            assert_eq!(record, Some(count.to_string().into_bytes()));
            count += 1;
        }
    }
    end
}

#[test]
fn nothing_acknowledged_is_lost_and_commits_stay_whole_through_kill_9() {
    if let Ok(path) = std::env::var(CHILD) {
        work(Path::new(&path));
    }
    let directory = tempfile::tempdir().expect("directory");
    {
        let log = open(directory.path());
        for name in ["in", "out"] {
            log.create_topic(&TopicSpec { name: name.into(), partitions: 1, replicas: 1, config: Vec::new() }).expect("create");
        }
    }
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "nothing_acknowledged_is_lost_and_commits_stay_whole_through_kill_9", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("child");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut acknowledged = 0;
        // Killed after some appends, at a moment that differs from round to round.
        for line in lines
            .by_ref()
            .map_while(std::result::Result::ok)
            .filter_map(|line| line.parse::<i64>().ok())
            .take(20 + 37 * round as usize)
        {
            acknowledged = line;
        }
        std::thread::sleep(Duration::from_micros(u64::from(round) * 613));
        child.kill().expect("kill");
        child.wait().expect("wait");
        for line in lines.map_while(std::result::Result::ok).filter_map(|line| line.parse::<i64>().ok()) {
            acknowledged = line;
        }
        let log = open(directory.path());
        let input = log.offsets("in").expect("offsets")[0].latest;
        assert!(input >= acknowledged, "round {round}: {acknowledged} acknowledged, {input} there");
        assert!(acknowledged > before, "round {round}: the child did nothing");
        let copied = copied(&log);
        let committed = log.committed("copy", "in").expect("committed")[0].expect("offset");
        assert_eq!(copied, committed, "round {round}");
        let store = log.database().keyspace("sum").expect("store");
        let sum = store.get(b"sum").expect("get").map(|value| i64::from_be_bytes(*value.first_chunk().expect("8 bytes")));
        assert_eq!(sum, Some(copied * (copied - 1) / 2), "round {round}");
        before = acknowledged;
    }
}
