//! The limit: what somebody would write by hand for just this query, with librdkafka's batch calls and typed decoding.

use crate::arguments::Arguments;
use crate::librdkafka::{Consumer, Message, Producer};
use crate::work::{WINDOW_MS, Work};
use serde::Deserialize;
use std::borrow::Cow;
use std::time::{Duration, Instant};

const BATCH: usize = 4096;

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

pub fn run(arguments: &Arguments) -> Result<String, String> {
    let work = Work::parse(arguments.text("work")?)?;
    let (brokers, topic, out) = (arguments.text("brokers")?, arguments.text("topic")?, arguments.text("out")?);
    let changelog = format!("{out}_changelog");
    let outs = if work == Work::Aggregate { vec![out, &changelog] } else { vec![out] };
    let interval = Duration::from_millis(arguments.optional("commit-ms").and_then(|v| v.parse().ok()).unwrap_or(2000));
    let mut consumer = Consumer::new(brokers, topic, arguments.number("partitions")? as i32, BATCH)?;
    let mut producer = Producer::new(brokers, &outs, arguments.optional("exactly-once").map(|_| "bench-loop"))?;
    let started = Instant::now();
    let cpu_before = cpu_seconds();
    let (mut done, mut committed) = (0, Instant::now());
    let mut projection = Projection { all: work == Work::All, out: Vec::new() };
    let mut groups = Groups::default();
    while done < consumer.total {
        let mut failure = Ok(());
        done += consumer.batch(|message| {
            let result = match work {
                Work::Filter | Work::All => projection.take(&message, &mut producer),
                Work::Aggregate => groups.take(&message),
                Work::Regroup => Err("regroup: there is no loop for it".to_owned()),
            };
            if failure.is_ok() {
                failure = result;
            }
        })?;
        failure?;
        producer.poll();
        if committed.elapsed() >= interval {
            groups.emit(&mut producer)?;
            producer.commit(&consumer)?;
            committed = Instant::now();
        }
    }
    groups.emit(&mut producer)?;
    producer.commit(&consumer)?;
    producer.flush()?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    Ok(format!(r#"{{"records":{done},"seconds":{seconds:.3},"cpu_seconds":{cpu:.3},"peak_mib":{:.1}}}"#, peak_mib()))
}

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

/// Window, user's number, partition.
type GroupKey = (i64, u32, i32);

/// COUNT and SUM in windows; users have numbers, so that a group's key is three integers.
#[derive(Default)]
struct Groups {
    numbers: hashbrown::HashMap<String, u32, foldhash::fast::RandomState>,
    names: Vec<String>,
    groups: hashbrown::HashMap<GroupKey, Group, foldhash::fast::RandomState>,
    dirty: Vec<GroupKey>,
    key: Vec<u8>,
    out: Vec<u8>,
}

impl Groups {
    fn take(&mut self, message: &Message) -> Result<(), String> {
        let sale: Sale<'_> = sonic_rs::from_slice(message.value()).map_err(|e| e.to_string())?;
        let number = match self.numbers.get(&*sale.userid) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(sale.userid.clone().into_owned());
                self.numbers.insert(sale.userid.into_owned(), number);
                number
            }
        };
        let time = message.timestamp();
        let key = (time - time.rem_euclid(WINDOW_MS), number, message.partition());
        let group = self.groups.entry(key).or_insert(Group { count: 0, total: 0.0, dirty: false });
        group.count += 1;
        group.total += sale.price;
        if !group.dirty {
            group.dirty = true;
            self.dirty.push(key);
        }
        Ok(())
    }

    /// Sends each changed group, to its topic and to its changelog.
    fn emit(&mut self, producer: &mut Producer) -> Result<(), String> {
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
