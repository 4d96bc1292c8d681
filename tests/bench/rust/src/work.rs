//! The queries that are measured, and what must come out of them.

use crate::orders::orders;
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
}

impl Work {
    pub fn parse(text: &str) -> Result<Work, String> {
        match text {
            "filter" => Ok(Work::Filter),
            "all" => Ok(Work::All),
            "aggregate" => Ok(Work::Aggregate),
            "regroup" => Ok(Work::Regroup),
            other => Err(format!("--work {other}: there are filter, all, aggregate and regroup")),
        }
    }

    pub fn is_aggregate(self) -> bool {
        matches!(self, Work::Aggregate | Work::Regroup)
    }

    pub fn keeps(self, price: u64, region: u64) -> bool {
        self == Work::All || (price > 5000 && region == 3)
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

/// What must come out for the first `count` orders.
pub fn expected(work: Work, count: i64, base_ms: i64) -> Content {
    let mut content = Content::default();
    let mut groups: HashMap<(u64, i64), (u64, u64)> = HashMap::new();
    for order in orders(count, base_ms) {
        if work.is_aggregate() {
            let group = if work == Work::Aggregate { order.user } else { order.item };
            let window = order.time - order.time.rem_euclid(WINDOW_MS);
            let entry = groups.entry((group, window)).or_default();
            *entry = (entry.0 + 1, entry.1 + order.price);
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

fn hundredths(value: f64) -> u64 {
    (value * 100.0).round() as u64
}
