//! The limit: what somebody would write by hand for just this query, with librdkafka's batch calls and typed decoding.

use crate::arguments::Arguments;
use crate::librdkafka::{Consumer, Message, Producer};
use crate::{hand_joins, hand_regroup};
use crate::work::{WINDOW_MS, Work};
use serde::Deserialize;
use std::borrow::Cow;
use std::time::{Duration, Instant};

pub const BATCH: usize = 4096;
pub const BATCH_WAIT_MS: i32 = 100;

#[derive(Deserialize)]
struct Order<'a> {
    orderid: i64,
    #[serde(borrow)]
    userid: Cow<'a, str>,
    price: f64,
    #[serde(borrow)]
    region: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Sale<'a> {
    #[serde(borrow)]
    userid: Cow<'a, str>,
    price: f64,
}

/// What a run needs.
pub struct Run<'a> {
    pub brokers: &'a str,
    pub topic: &'a str,
    /// What it is joined with.
    pub other: Option<&'a str>,
    pub out: &'a str,
    pub partitions: i32,
    pub interval: Duration,
    pub exactly_once: bool,
}

impl Run<'_> {
    pub fn consumer(&self, topic: &str) -> Result<Consumer, String> {
        Consumer::new(self.brokers, topic, self.partitions, BATCH)
    }

    /// Writes to the output, and to topics that have its name with these endings.
    pub fn producer(&self, more: &[&str]) -> Result<Producer, String> {
        let names: Vec<String> = [""].iter().chain(more).map(|ending| format!("{}{ending}", self.out)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Producer::new(self.brokers, &names, self.exactly_once.then_some("bench-loop"))
    }
}

pub fn run(arguments: &Arguments) -> Result<String, String> {
    let work = Work::parse(arguments.text("work")?)?;
    let run = Run {
        brokers: arguments.text("brokers")?,
        topic: arguments.text("topic")?,
        other: arguments.optional("with"),
        out: arguments.text("out")?,
        partitions: arguments.number("partitions")? as i32,
        interval: Duration::from_millis(arguments.optional("commit-ms").and_then(|v| v.parse().ok()).unwrap_or(2000)),
        exactly_once: arguments.optional("exactly-once").is_some(),
    };
    let mut clock = Clock::start();
    let done = match work {
        Work::Filter | Work::All => project(&run, work == Work::All)?,
        Work::Aggregate => aggregate(&run)?,
        Work::Regroup => hand_regroup::run(&run)?,
        Work::StreamTable => hand_joins::with_table(&run, &mut clock)?,
        Work::StreamStream => hand_joins::with_stream(&run)?,
    };
    let (seconds, cpu) = clock.stop();
    Ok(format!(r#"{{"records":{done},"seconds":{seconds:.3},"cpu_seconds":{cpu:.3},"peak_mib":{:.1}}}"#, peak_mib()))
}

/// Wall-clock and CPU time of what is measured.
pub struct Clock {
    started: Instant,
    cpu_before: f64,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { started: Instant::now(), cpu_before: cpu_seconds() }
    }

    fn stop(self) -> (f64, f64) {
        (self.started.elapsed().as_secs_f64(), cpu_seconds() - self.cpu_before)
    }
}

fn project(run: &Run<'_>, all: bool) -> Result<u64, String> {
    let (mut consumer, mut producer) = (run.consumer(run.topic)?, run.producer(&[])?);
    let mut projection = Projection { all, out: Vec::new() };
    let (mut done, mut committed) = (0, Instant::now());
    while done < consumer.total {
        let mut failure = Ok(());
        done += consumer.batch(BATCH_WAIT_MS, |message| {
            let result = projection.take(&message, &mut producer);
            if failure.is_ok() {
                failure = result;
            }
        })?;
        failure?;
        producer.poll();
        if committed.elapsed() >= run.interval {
            producer.commit(&consumer)?;
            committed = Instant::now();
        }
    }
    producer.commit(&consumer)?;
    producer.flush()?;
    Ok(done)
}

fn aggregate(run: &Run<'_>) -> Result<u64, String> {
    let (mut consumer, mut producer) = (run.consumer(run.topic)?, run.producer(&[CHANGELOG])?);
    let mut groups = Groups::default();
    let (mut done, mut committed) = (0, Instant::now());
    while done < consumer.total {
        let mut failure = Ok(());
        done += consumer.batch(BATCH_WAIT_MS, |message| {
            let sale: Result<Sale<'_>, _> = sonic_rs::from_slice(message.value());
            match sale {
                Ok(sale) => groups.add(&sale.userid, message.timestamp(), message.partition(), sale.price),
                Err(error) => failure = Err(error.to_string()),
            }
        })?;
        failure?;
        producer.poll();
        if committed.elapsed() >= run.interval {
            groups.emit(&mut producer)?;
            producer.commit(&consumer)?;
            committed = Instant::now();
        }
    }
    groups.emit(&mut producer)?;
    producer.commit(&consumer)?;
    producer.flush()?;
    Ok(done)
}

/// Ending of the name of the topic that keeps the groups.
pub const CHANGELOG: &str = "_changelog";

struct Projection {
    all: bool,
    out: Vec<u8>,
}

impl Projection {
    fn take(&mut self, message: &Message, producer: &mut Producer) -> Result<(), String> {
        let order: Order<'_> = sonic_rs::from_slice(message.value()).map_err(|e| e.to_string())?;
        if !self.all && (order.price <= 50.0 || order.region != "Region_3") {
            return Ok(());
        }
        let out = &mut self.out;
        out.clear();
        out.extend_from_slice(b"{\"ORDERID\":");
        out.extend_from_slice(itoa::Buffer::new().format(order.orderid).as_bytes());
        out.extend_from_slice(b",\"USERID\":");
        write_text(out, &order.userid, false);
        out.extend_from_slice(b",\"PRICE\":");
        out.extend_from_slice(ryu::Buffer::new().format_finite(order.price).as_bytes());
        out.extend_from_slice(b",\"REGION\":");
        write_text(out, &order.region, true);
        out.push(b'}');
        producer.send(0, message.partition(), message.key(), out)
    }
}

/// A JSON string; plain ASCII takes the short way.
fn write_text(out: &mut Vec<u8>, text: &str, upper: bool) {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\') {
        out.push(b'"');
        let start = out.len();
        out.extend_from_slice(text.as_bytes());
        if upper {
            out[start..].make_ascii_uppercase();
        }
        out.push(b'"');
    } else {
        let text = if upper { text.to_uppercase() } else { text.to_owned() };
        out.extend_from_slice(sonic_rs::to_string(&text).unwrap_or_default().as_bytes());
    }
}

struct Group {
    count: u64,
    total: f64,
    dirty: bool,
}

/// Window, name's number, partition.
type GroupKey = (i64, u32, i32);

/// COUNT and SUM in windows; names have numbers, so that a group's key is three integers.
#[derive(Default)]
pub struct Groups {
    numbers: hashbrown::HashMap<String, u32, foldhash::fast::RandomState>,
    names: Vec<String>,
    groups: hashbrown::HashMap<GroupKey, Group, foldhash::fast::RandomState>,
    dirty: Vec<GroupKey>,
    key: Vec<u8>,
    out: Vec<u8>,
}

impl Groups {
    pub fn add(&mut self, name: &str, time: i64, partition: i32, price: f64) {
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(name.to_owned());
                self.numbers.insert(name.to_owned(), number);
                number
            }
        };
        let key = (time - time.rem_euclid(WINDOW_MS), number, partition);
        let group = self.groups.entry(key).or_insert(Group { count: 0, total: 0.0, dirty: false });
        group.count += 1;
        group.total += price;
        if !group.dirty {
            group.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Sends each changed group, to its topic and to its changelog.
    pub fn emit(&mut self, producer: &mut Producer) -> Result<(), String> {
        for key in self.dirty.drain(..) {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            group.dirty = false;
            let (window, number, partition) = key;
            self.key.clear();
            self.key.extend_from_slice(self.names[number as usize].as_bytes());
            self.key.extend_from_slice(&window.to_be_bytes());
            self.out.clear();
            self.out.extend_from_slice(b"{\"CNT\":");
            self.out.extend_from_slice(itoa::Buffer::new().format(group.count).as_bytes());
            self.out.extend_from_slice(b",\"TOTAL\":");
            self.out.extend_from_slice(ryu::Buffer::new().format(group.total).as_bytes());
            self.out.push(b'}');
            producer.send(0, partition, &self.key, &self.out)?;
            producer.send(1, partition, &self.key, &self.out)?;
        }
        Ok(())
    }
}

fn usage() -> libc::rusage {
    // SAFETY: getrusage fills the structure, for which zeros are valid.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let usage = usage();
    [usage.ru_utime, usage.ru_stime].iter().map(|t| t.tv_sec as f64 + t.tv_usec as f64 / 1e6).sum()
}

fn peak_mib() -> f64 {
    usage().ru_maxrss as f64 / 1024.0
}
