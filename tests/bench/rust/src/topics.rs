//! Topics through the log crate: loading, checking, waiting. Kafka by its brokers, the embedded log by its folder.

use crate::orders::{Order, PAID_AFTER_MS, orders, write_user, write_user_key};
use crate::work::{Collector, Input, Work, expected};
use calzone_log::{Appender, EmbeddedLog, EmbeddedSettings, KafkaLog, KafkaSettings, Log, StartOffset, TopicPartition, TopicSpec};
use calzone_state::{Database, Durability};
use calzone_types::RecordBatch;
use std::path::Path;
use std::time::{Duration, Instant};

/// Records appended at a time.
const LOAD_RECORDS: usize = 50_000;
const READ_RECORDS: usize = 50_000;
/// An output that gives nothing for this long has ended too early.
const QUIET_TIME_MAX: Duration = Duration::from_secs(20);

/// A log with what must live as long as it.
pub struct Opened {
    pub log: Box<dyn Log>,
    _scratch: Option<tempfile::TempDir>,
}

/// `kafka:HOST:PORT`, or `embedded:FOLDER` of a server that does not run.
///
/// # Errors
/// In words.
pub fn open(place: &str) -> Result<Opened, String> {
    match place.split_once(':') {
        Some(("kafka", brokers)) => {
            let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
            let database = Database::open(scratch.path()).map_err(|e| e.to_string())?;
            let client = [("bootstrap.servers".to_owned(), brokers.to_owned())].into();
            let log = KafkaLog::open(database, KafkaSettings { client }).map_err(|e| e.to_string())?;
            Ok(Opened { log: Box::new(log), _scratch: Some(scratch) })
        }
        Some(("embedded", folder)) => {
            let database = Database::open(Path::new(folder)).map_err(|e| e.to_string())?;
            let settings = EmbeddedSettings { durability: Durability::Buffered, ..EmbeddedSettings::default() };
            let log = EmbeddedLog::open(database, settings).map_err(|e| e.to_string())?;
            Ok(Opened { log: Box::new(log), _scratch: None })
        }
        _ => Err(format!("--log {place}: write kafka:HOST:PORT or embedded:FOLDER")),
    }
}

/// Makes the topic anew.
pub fn create(log: &dyn Log, topic: &str, partitions: i32) -> Result<(), String> {
    if log.topic(topic).map_err(|e| e.to_string())?.is_some() {
        log.delete_topic(topic).map_err(|e| e.to_string())?;
    }
    let spec = TopicSpec { name: topic.to_owned(), partitions, ..TopicSpec::default() };
    log.create_topic(&spec).map_err(|e| e.to_string())
}

/// What a topic is loaded with.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Orders by their user.
    Orders,
    /// Orders by their number.
    Numbered,
    /// What was paid for them, by the order's number.
    Payments,
    /// A row for each user.
    Users,
    /// Orders with so many columns more.
    Wide(u64),
}

impl Kind {
    pub fn parse(text: &str) -> Result<Kind, String> {
        match text {
            "orders" => Ok(Kind::Orders),
            "numbered" => Ok(Kind::Numbered),
            "payments" => Ok(Kind::Payments),
            "users" => Ok(Kind::Users),
            other => match other.strip_prefix("wide").and_then(|columns| columns.parse().ok()) {
                Some(columns) => Ok(Kind::Wide(columns)),
                None => Err(format!("--kind {other}: there are orders, numbered, payments, users and wide<columns>")),
            },
        }
    }
}

/// Loads the topic; returns bytes of values.
pub fn load(log: &dyn Log, topic: &str, kind: Kind, input: Input) -> Result<usize, String> {
    let mut loader = Loader { log: log.appender().map_err(|e| e.to_string())?, topic, records: RecordBatch::default(), bytes: 0 };
    match kind {
        Kind::Users => {
            for user in 0..input.users {
                loader.add(input.base_ms, &|out| write_user_key(user, out), &|out| write_user(user, out))?;
            }
        }
        _ => orders(input.count, input.base_ms, input.users).try_for_each(|order| loader.add_order(kind, &order))?,
    }
    loader.flush()?;
    Ok(loader.bytes)
}

struct Loader<'a> {
    log: Box<dyn Appender>,
    topic: &'a str,
    records: RecordBatch,
    bytes: usize,
}

impl Loader<'_> {
    fn add_order(&mut self, kind: Kind, order: &Order) -> Result<(), String> {
        match kind {
            Kind::Payments => {
                self.add(order.time + PAID_AFTER_MS, &|out| order.write_number_key(out), &|out| order.write_payment(out))
            }
            Kind::Numbered => self.add(order.time, &|out| order.write_number_key(out), &|out| order.write_value(out)),
            Kind::Wide(columns) => {
                self.add(order.time, &|out| order.write_key(out), &|out| order.write_wide_value(columns, out))
            }
            Kind::Orders | Kind::Users => self.add(order.time, &|out| order.write_key(out), &|out| order.write_value(out)),
        }
    }

    fn add(&mut self, time: i64, key: &dyn Fn(&mut Vec<u8>), value: &dyn Fn(&mut Vec<u8>)) -> Result<(), String> {
        let mut bytes = 0;
        self.records.push_with(
            0,
            time,
            RecordBatch::ANY_PARTITION,
            |out| {
                key(out);
                true
            },
            |out| {
                let start = out.len();
                value(out);
                bytes = out.len() - start;
                true
            },
        );
        self.bytes += bytes;
        if self.records.len() == LOAD_RECORDS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), String> {
        self.log.append(self.topic, &self.records).map_err(|e| e.to_string())?;
        self.records.clear();
        Ok(())
    }
}

/// Reads the topic to its end and compares it with what must be there; returns rows and records.
pub fn check(log: &dyn Log, topic: &str, work: Work, input: Input) -> Result<(u64, u64), String> {
    let wanted = expected(work, input);
    let mut collector = Collector::new(work);
    let mut records = 0;
    each_record(log, topic, |key, value| {
        records += 1;
        collector.take(key, value)
    })?;
    let found = collector.finish();
    if found.rows != wanted.rows {
        return Err(format!("{topic} has {} rows where {} must be", found.rows, wanted.rows));
    }
    if found != wanted {
        return Err(format!("{topic} has as many rows as it must, {}, but not all with the right content", found.rows));
    }
    Ok((found.rows, records))
}

fn each_record(log: &dyn Log, topic: &str, mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), String>) -> Result<(), String> {
    let info = log.topic(topic).map_err(|e| e.to_string())?.ok_or_else(|| format!("there is no topic {topic}"))?;
    let starts: Vec<_> = (0..info.partitions).map(|p| (TopicPartition::new(topic, p), StartOffset::Earliest)).collect();
    let mut reader = log.reader(&starts).map_err(|e| e.to_string())?;
    let ends = reader.end_offsets().map_err(|e| e.to_string())?;
    let mut fetched = Vec::new();
    let mut progress = Instant::now();
    while ends.iter().any(|(place, end)| reader.position(place) < *end) {
        fetched.clear();
        reader.poll(&mut fetched, READ_RECORDS, Duration::from_millis(100)).map_err(|e| e.to_string())?;
        for part in &fetched {
            for record in part.records.iter() {
                visit(record.key.unwrap_or_default(), record.value.unwrap_or_default())?;
            }
        }
        if !fetched.is_empty() {
            progress = Instant::now();
        } else if progress.elapsed() > QUIET_TIME_MAX {
            return Err(format!("reading {topic} does not come to its end"));
        }
    }
    Ok(())
}

/// Waits until the topic holds as many records as must come out; returns how many there are.
pub fn await_rows(log: &dyn Log, topic: &str, wanted: u64, time_max: Duration) -> Result<u64, String> {
    let deadline = Instant::now() + time_max;
    loop {
        // The query makes the topic.
        let found: u64 = match log.offsets(topic) {
            Ok(offsets) => offsets.iter().map(|o| (o.latest - o.earliest) as u64).sum(),
            Err(_) => 0,
        };
        if found >= wanted {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("{topic} has {found} records after {} s, not {wanted}", time_max.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
