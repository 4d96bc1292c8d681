//! The queries that are measured, and what must come out of them.

use crate::orders::{USERS, orders};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

pub const WINDOW_MS: i64 = 60_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// One record in twenty leaves, with three columns and one computed.
    Filter,
    /// Every record leaves.
    All,
    /// COUNT and SUM by the record's key in windows of a minute.
    Aggregate,
    /// The same by a column that is not the key.
    Regroup,
    /// Each order with the row of its user.
    StreamTable,
    /// Each order with its payment.
    StreamStream,
}

/// What was loaded: how many orders, from which time, of how many users.
#[derive(Clone, Copy)]
pub struct Input {
    pub count: i64,
    pub base_ms: i64,
    pub users: u64,
}

impl Input {
    pub fn new(count: i64, base_ms: i64, users: Option<u64>) -> Input {
        Input { count, base_ms, users: users.unwrap_or(USERS) }
    }
}

impl Work {
    pub fn parse(text: &str) -> Result<Work, String> {
        match text {
            "filter" => Ok(Work::Filter),
            "all" => Ok(Work::All),
            "aggregate" => Ok(Work::Aggregate),
            "regroup" => Ok(Work::Regroup),
            "stream-table" => Ok(Work::StreamTable),
            "stream-stream" => Ok(Work::StreamStream),
            other => Err(format!("--work {other}: there are filter, all, aggregate, regroup, stream-table and stream-stream")),
        }
    }

    pub fn is_aggregate(self) -> bool {
        matches!(self, Work::Aggregate | Work::Regroup)
    }

    pub fn keeps(self, price: u64, region: u64) -> bool {
        self != Work::Filter || (price > 5000 && region == 3)
    }
}

/// How much came out, and a sum over its content in which order plays no part. Of an aggregate only the last row of each
/// group counts: how often a group is emitted is the engine's affair.
#[derive(Default, PartialEq, Eq)]
pub struct Content {
    pub rows: u64,
    pub sum: u64,
}

impl Content {
    fn add(&mut self, row: impl Hash) {
        let mut hasher = DefaultHasher::new();
        row.hash(&mut hasher);
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// What must come out.
pub fn expected(work: Work, input: Input) -> Content {
    let mut content = Content::default();
    let mut groups: HashMap<(u64, i64), (u64, u64)> = HashMap::new();
    for order in orders(input.count, input.base_ms, input.users) {
        if work.is_aggregate() {
            let group = if work == Work::Aggregate { order.user } else { order.item };
            let window = order.time - order.time.rem_euclid(WINDOW_MS);
            let entry = groups.entry((group, window)).or_default();
            *entry = (entry.0 + 1, entry.1 + order.price);
        } else if work == Work::StreamTable {
            let name = format!("Name of user {}", order.user);
            content.add((order.number, format!("User_{}", order.user), order.price, name, order.user % 10));
        } else if work == Work::StreamStream {
            let method = format!("Method_{}", order.payment_method());
            content.add((format!("Order_{}", order.number), order.price, order.price, method));
        } else if work.keeps(order.price, order.region) {
            content.add((order.number, format!("User_{}", order.user), order.price, format!("REGION_{}", order.region)));
        }
    }
    let prefix = if work == Work::Aggregate { "User" } else { "Item" };
    for ((group, window), (count, sum)) in groups {
        content.add((format!("{prefix}_{group}"), window, count, sum));
    }
    content
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Projected<'a> {
    orderid: i64,
    #[serde(borrow)]
    userid: Cow<'a, str>,
    price: f64,
    #[serde(borrow)]
    region: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Aggregated {
    cnt: u64,
    total: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct OfUser<'a> {
    orderid: i64,
    price: f64,
    #[serde(borrow)]
    name: Cow<'a, str>,
    level: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Paid<'a> {
    price: f64,
    amount: f64,
    #[serde(borrow)]
    method: Cow<'a, str>,
}

/// Collects the content of an output topic.
pub struct Collector {
    work: Work,
    content: Content,
    groups: HashMap<(String, i64), (u64, u64)>,
}

impl Collector {
    pub fn new(work: Work) -> Collector {
        Collector { work, content: Content::default(), groups: HashMap::new() }
    }

    /// # Errors
    /// A record that is not what the query writes.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        let bad = |why: String| format!("{why}: {}", String::from_utf8_lossy(value));
        if self.work.is_aggregate() {
            let row: Aggregated = sonic_rs::from_slice(value).map_err(|e| bad(e.to_string()))?;
            let at = key.len().checked_sub(8).ok_or_else(|| bad("the key has no window".into()))?;
            let (group, window) = key.split_at(at);
            let window = i64::from_be_bytes(window.try_into().map_err(|_| bad("the key has no window".into()))?);
            let group = String::from_utf8(group.to_vec()).map_err(|e| bad(e.to_string()))?;
            self.groups.insert((group, window), (row.cnt, hundredths(row.total)));
        } else if self.work == Work::StreamTable {
            let row: OfUser<'_> = sonic_rs::from_slice(value).map_err(|e| bad(e.to_string()))?;
            self.content.add((row.orderid, text(key)?, hundredths(row.price), row.name.as_ref(), row.level));
        } else if self.work == Work::StreamStream {
            let row: Paid<'_> = sonic_rs::from_slice(value).map_err(|e| bad(e.to_string()))?;
            self.content.add((text(key)?, hundredths(row.price), hundredths(row.amount), row.method.as_ref()));
        } else {
            let row: Projected<'_> = sonic_rs::from_slice(value).map_err(|e| bad(e.to_string()))?;
            if key != row.userid.as_bytes() {
                return Err(bad("the key is not the user".into()));
            }
            self.content.add((row.orderid, row.userid.as_ref(), hundredths(row.price), row.region.as_ref()));
        }
        Ok(())
    }

    pub fn finish(mut self) -> Content {
        for ((group, window), (count, sum)) in self.groups {
            self.content.add((group, window, count, sum));
        }
        self.content
    }
}

fn text(key: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(key).map_err(|e| e.to_string())
}

fn hundredths(value: f64) -> u64 {
    (value * 100.0).round() as u64
}
