//! How fast the embedded log is, as figures to look at: `cargo test -p calzone-log --test speed -- --nocapture`.
//!
//! The bounds that are asserted are far below what is expected, since machines are noisy and this is no release build.

use calzone_log::*;
use calzone_state::{Database, Durability};
use calzone_types::{RecordBatch, RecordRef};
use std::time::{Duration, Instant};

const RECORDS: usize = 1_000_000;
const BATCH: usize = 4_096;

fn orders(from: usize) -> RecordBatch {
    let mut records = RecordBatch::default();
    for number in from..from + BATCH {
        let value = format!(
            "{{\"orderid\":{number},\"userid\":\"User_{}\",\"itemid\":\"Item_{}\",\"price\":{}.{:02},\"quantity\":{},\"region\":\"Region_{}\",\"ordertime\":{},\"address\":{{\"street\":\"Street_{}\",\"city\":\"City_{}\",\"state\":\"State_{}\",\"zip\":\"{}\"}}}}",
            number * 7 % 10_000,
            number % 977,
            number * 31 % 100,
            number % 100,
            number % 9,
            number % 10,
            1_500_000_000_000 + number,
            number % 997,
            number % 89,
            number % 51,
            number % 99_999
        );
        let key = (number as u64 % 10_000).to_be_bytes();
        records.push(RecordRef {
            offset: 0,
            timestamp: number as i64,
            partition: (from / BATCH % 4) as i32,
            key: Some(&key),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    records
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn rate(what: &str, records: usize, start: Instant) -> f64 {
    let rate = records as f64 / start.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} records/s, peak {:.0} MiB", resident_mib());
    rate
}

#[test]
fn appends_scans_copies_and_wakes_fast() {
    let directory = tempfile::tempdir().expect("directory");
    let log = EmbeddedLog::open(Database::open(directory.path()).expect("database"), EmbeddedSettings::default()).expect("log");
    for name in ["in", "out", "ping"] {
        log.create_topic(&TopicSpec { name: name.into(), partitions: 4, replicas: 1, config: Vec::new() }).expect("create");
    }
    let appender = log.appender().expect("appender");
    let batches: Vec<RecordBatch> = (0..8).map(|number| orders(number * BATCH)).collect();
    println!("{} bytes a record", batches[0].byte_len() / BATCH);

    let start = Instant::now();
    for number in 0..RECORDS / BATCH {
        appender.append("in", &batches[number % batches.len()]).expect("append");
    }
    let appended = rate("append, each batch of 4096 synced", RECORDS / BATCH * BATCH, start);

    let starts: Vec<_> = (0..4).map(|partition| (TopicPartition::new("in", partition), StartOffset::Earliest)).collect();
    for what in ["scan", "scan again"] {
        let mut reader = log.reader(&starts).expect("reader");
        let (mut out, mut seen, start) = (Vec::new(), 0, Instant::now());
        while seen < RECORDS / BATCH * BATCH {
            reader.poll(&mut out, BATCH, Duration::ZERO).expect("poll");
            seen += out.drain(..).map(|fetched| fetched.records.len()).sum::<usize>();
        }
        assert!(rate(what, seen, start) > 100_000.0);
    }

    let options = WorkerOptions {
        group: "copy".into(),
        topics: vec!["in".into()],
        auto_offset_reset: Reset::Earliest,
        ..WorkerOptions::default()
    };
    let mut worker = log.worker(options).expect("worker");
    let (mut events, mut seen, start) = (Vec::new(), 0, Instant::now());
    while seen < RECORDS / BATCH * BATCH {
        worker.poll(&mut events, 4 * BATCH, Duration::ZERO).expect("poll");
        let mut offsets = Vec::new();
        for event in events.drain(..) {
            if let Event::Records(fetched) = event {
                seen += fetched.records.len();
                worker.send("out", &fetched.records).expect("send");
                offsets.retain(|(tp, _, _)| *tp != *fetched.tp);
                offsets.push(((*fetched.tp).clone(), fetched.records.get(fetched.records.len() - 1).offset + 1, String::new()));
            }
        }
        assert_eq!(worker.commit(&offsets, log.database().batch()).expect("commit"), CommitOutcome::Committed);
    }
    rate("copy, a synced commit each 16384", seen, start);
    assert!(appended > 20_000.0);

    for (what, durability) in [("synced", Durability::Synced), ("buffered", Durability::Buffered)] {
        let other = tempfile::tempdir().expect("directory");
        let log = EmbeddedLog::open(
            Database::open(other.path()).expect("database"),
            EmbeddedSettings { durability, ..EmbeddedSettings::default() },
        )
        .expect("log");
        log.create_topic(&TopicSpec { name: "ping".into(), partitions: 1, replicas: 1, config: Vec::new() }).expect("create");
        let (rounds, appender) = (300, log.appender().expect("appender"));
        let mut reader = log.reader(&[(TopicPartition::new("ping", 0), StartOffset::Latest)]).expect("reader");
        let polled = std::thread::spawn(move || {
            let (mut seen, mut out) = (Vec::new(), Vec::new());
            while seen.len() < rounds {
                reader.poll(&mut out, 10, Duration::from_secs(5)).expect("poll");
                let records: usize = out.drain(..).map(|fetched| fetched.records.len()).sum();
                seen.extend(std::iter::repeat_n(Instant::now(), records));
            }
            seen
        });
        let one = {
            let mut one = RecordBatch::default();
            one.push(RecordRef { partition: 0, ..orders(0).get(0) });
            one
        };
        let mut sent = Vec::new();
        for _ in 0..rounds {
            std::thread::sleep(Duration::from_micros(300));
            sent.push(Instant::now());
            appender.append("ping", &one).expect("append");
        }
        let seen = polled.join().expect("reader");
        let mut delays: Vec<Duration> = seen.iter().zip(&sent).map(|(seen, sent)| seen.duration_since(*sent)).collect();
        delays.sort();
        println!("append to poll, {what}: median {:?}, 99 % {:?}", delays[rounds / 2], delays[rounds * 99 / 100]);
    }
}
