//! The model of error policies: each record meets one fate, in the order that its policy promises.

use std::collections::{BTreeMap, BTreeSet};

use calzone_log::{Guarantee, Log};
use calzone_plan::error_policy::{ChainFate, Decider, PolicyAction, QueryPolicy};
use calzone_types::Header;
use serde_json::Value as Json;

use crate::check::{Record, counts, fetch, revisions};
use crate::guest::{fails, passing_failures};
use crate::scenario::{FAILING_INPUT, Judged, LARGEST_TOTAL, Query};
use crate::world::World;

/// A record of the input, as it lies there.
pub struct Row {
    pub id: i64,
    place: Place,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    /// `None`: it cannot be decoded.
    content: Option<(i64, Vec<u8>)>,
}

/// Partition and offset.
type Place = (i32, i64);

impl Row {
    fn number(&self) -> Option<i64> {
        self.content.as_ref().map(|(number, _)| *number)
    }

    /// What it waits in order by.
    fn group(&self, policy: &QueryPolicy) -> Option<&[u8]> {
        match policy.lock_by {
            Some(_) => self.content.as_ref().map(|(_, group)| &group[..]),
            None => self.key.as_deref(),
        }
    }
}

/// All records of the input by partition and offset, those that cannot be decoded among them.
pub fn read_input(log: &dyn Log, topic: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for part in &fetch(log, topic)? {
        for record in part.records.iter() {
            let value = record.value.unwrap_or_default();
            let json: Option<Json> = serde_json::from_slice(value).ok();
            let content = json.as_ref().and_then(|json| Some((json["N"].as_i64()?, json["G"].as_str()?.as_bytes().to_vec())));
            let text = || std::str::from_utf8(value).ok()?.strip_prefix('#')?.parse().ok();
            let id = json.as_ref().and_then(|json| json["ID"].as_i64()).or_else(text);
            rows.push(Row {
                id: id.ok_or_else(|| format!("{topic} holds a record that nobody wrote"))?,
                place: (part.tp.partition, record.offset),
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: value.to_vec(),
                content,
            });
        }
    }
    rows.sort_by_key(|row| row.place);
    Ok(rows)
}

/// What a query has made of the input.
struct Fates<'a> {
    world: &'a World,
    query: &'a Query,
    policy: &'a QueryPolicy,
    rows: BTreeMap<Place, &'a Row>,
    /// Dead letters, in the order in which they lie in their partitions.
    dead: Vec<Place>,
    /// Ids that came out, in the same order, with their partitions.
    passed: Vec<(i32, i64)>,
}

/// Judges a query that has an error policy.
pub fn judge(world: &World, (slot, query): (usize, &Query), input: &[Row], output: &[Record]) -> Result<(), String> {
    let policy = query.plan.error_policy.as_deref().ok_or("it has no error policy")?;
    let rows: BTreeMap<Place, &Row> = input.iter().map(|row| (row.place, row)).collect();
    let dead = dead_letters(world, policy, &rows)?;
    let passed = match query.judged {
        Judged::Totals => Vec::new(),
        _ => output.iter().map(|row| (row.partition, row.id())).collect(),
    };
    let fates = Fates { world, query, policy, rows, dead, passed };
    match query.judged {
        Judged::Totals => fates.totals(output)?,
        _ => fates.each_has_one()?,
    }
    fates.deserved()?;
    if fates.is_in_order() {
        fates.order()?;
    }
    fates.redirects()?;
    if query.judged == Judged::Tried {
        let retried = fates.retried()?;
        let places = input.iter().filter(|row| !retried.contains(&row.place)).map(|row| (row.id, row.place)).collect();
        revisions(world, query, FAILING_INPUT, &places, output)?;
    }
    match world.waiting(slot).locked_groups {
        0 => Ok(()),
        locks => Err(format!("{locks} groups are still locked")),
    }
}

fn header<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().find(|(header, _)| **header == *name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

/// The place that headers with this prefix name.
fn place_of(headers: &[Header], prefix: &str) -> Result<Place, String> {
    let number = |name: &str| header(headers, &format!("{prefix}{name}")).and_then(|text| text.parse::<i64>().ok());
    match (header(headers, &format!("{prefix}topic")), number("partition"), number("offset")) {
        (Some(FAILING_INPUT), Some(partition), Some(offset)) => Ok((partition as i32, offset)),
        _ => Err(format!("headers name no record of the input: {headers:?}")),
    }
}

/// Where the dead letters come from: each is its record, byte for byte.
fn dead_letters(world: &World, policy: &QueryPolicy, rows: &BTreeMap<Place, &Row>) -> Result<Vec<Place>, String> {
    let log = world.log();
    let mut dead = Vec::new();
    let mut seen = BTreeSet::new();
    for part in fetch(&*log, &policy.dead_letter_topic)? {
        for record in part.records.iter() {
            let place = place_of(record.headers, "calzone.errors.")?;
            let row = rows.get(&place).ok_or_else(|| format!("dead letter of {place:?}, where nothing is"))?;
            let same = record.key == row.key.as_deref() && record.value == Some(&row.value) && record.timestamp == row.timestamp;
            if !same || part.tp.partition != place.0 || header(record.headers, "calzone.attempt").is_some() {
                return Err(format!("the dead letter of {place:?} is not what it was"));
            }
            match seen.insert(place) {
                true => dead.push(place),
                false if world.guarantee == Guarantee::ExactlyOnce => return Err(format!("{place:?} is a dead letter twice")),
                false => {}
            }
        }
    }
    Ok(dead)
}

impl Fates<'_> {
    fn exactly_once(&self) -> bool {
        self.world.guarantee == Guarantee::ExactlyOnce
    }

    fn first_action(&self) -> Option<PolicyAction> {
        match &self.policy.policy.decider {
            Decider::Actions { first, .. } => Some(*first),
            Decider::Plugin { .. } => None,
        }
    }

    fn is_in_order(&self) -> bool {
        self.first_action() == Some(PolicyAction::RetryInOrder)
    }

    /// Only the record itself decides about its fate: nobody gave up a group, by hand or by the policy.
    fn is_decided_by_records(&self) -> bool {
        let chained = self.is_in_order() && self.policy.policy.settings.chain != ChainFate::Release;
        !chained && !self.world.was_released
    }

    /// Each record came out or is a dead letter.
    fn each_has_one(&self) -> Result<(), String> {
        let ids: BTreeMap<i64, Place> = self.rows.values().map(|row| (row.id, row.place)).collect();
        let dead: BTreeSet<Place> = self.dead.iter().copied().collect();
        let mut passed = BTreeSet::new();
        for (_, id) in &self.passed {
            let place = *ids.get(id).ok_or_else(|| format!("row {id} came out and never went in"))?;
            let is_new = passed.insert(place);
            if self.exactly_once() && !is_new {
                return Err(format!("row {id} came out twice"));
            }
            if self.exactly_once() && dead.contains(&place) {
                return Err(format!("row {id} came out and is a dead letter"));
            }
        }
        match ids.iter().find(|(_, place)| !passed.contains(place) && !dead.contains(place)) {
            Some((id, place)) => Err(format!("row {id} at {place:?} did not come out and is no dead letter")),
            None => Ok(()),
        }
    }

    /// Those that fail for good are dead letters, and, where nothing else decides, no others are.
    fn deserved(&self) -> Result<(), String> {
        let dead: BTreeSet<Place> = self.dead.iter().copied().collect();
        let passed: BTreeSet<i64> = self.passed.iter().map(|(_, id)| *id).collect();
        for row in self.rows.values() {
            // Whether it fails for good; `None`: that depends on more than the record.
            let fails = match (self.query.judged, row.number()) {
                (_, None) => Some(true),
                (Judged::Tried, Some(n)) if fails(n) => Some(true),
                (Judged::Tried, Some(_)) if self.world.had_outage => None,
                (Judged::Tried, Some(n)) => {
                    Some(passing_failures(n) > 0 && self.first_action() == Some(PolicyAction::DeadLetter))
                }
                (Judged::Written, Some(n)) => Some(n % 11 == 3 || n % 13 == 4),
                _ => None,
            };
            match fails {
                Some(true) if !dead.contains(&row.place) => {
                    return Err(format!("row {} fails for good and is no dead letter", row.id));
                }
                Some(true) if passed.contains(&row.id) => return Err(format!("row {} came out and fails for good", row.id)),
                Some(false) if self.is_decided_by_records() && dead.contains(&row.place) => {
                    return Err(format!("row {} is a dead letter and should not be", row.id));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The table counts what is no dead letter; and what is one would have made a sum too large.
    fn totals(&self, output: &[Record]) -> Result<(), String> {
        let dead: BTreeSet<Place> = self.dead.iter().copied().collect();
        let added = |n: i64, id: i64| if n % 11 == 3 { LARGEST_TOTAL } else { id };
        let counted = |row: &&Row| Some((row.place, row.key.clone()?, added(row.number()?, row.id)));
        let all: Vec<(Place, Vec<u8>, i64)> = self.rows.values().filter_map(counted).collect();
        if self.exactly_once() {
            let kept = all.iter().filter(|(place, ..)| !dead.contains(place));
            counts(self.world, self.query, output, kept.map(|(_, key, value)| (key.clone(), *value)))?;
        }
        // Grouped by key, the records of a key are counted in their order, unless some wait and others pass them.
        let in_order = self.policy.lock_by.is_none() && self.first_action() != Some(PolicyAction::Retry);
        if !self.exactly_once() || !in_order || !self.is_decided_by_records() {
            return Ok(());
        }
        let mut sums: BTreeMap<&[u8], i64> = BTreeMap::new();
        for (place, key, value) in &all {
            let sum = sums.entry(key).or_default();
            let fits = *sum + value <= LARGEST_TOTAL;
            if fits == dead.contains(place) {
                let is = if fits { "is a dead letter and fits" } else { "is no dead letter and does not fit" };
                return Err(format!("{place:?} {is} in the sum {sum}"));
            }
            *sum += if fits { *value } else { 0 };
        }
        Ok(())
    }

    /// Records of a group come out, and are given up, in the order in which they came in.
    fn order(&self) -> Result<(), String> {
        let by_id: BTreeMap<i64, &Row> = self.rows.values().map(|row| (row.id, *row)).collect();
        let passed = self.passed.iter().filter_map(|(partition, id)| Some(("came out", *partition, *by_id.get(id)?)));
        let dead = self.dead.iter().filter_map(|place| Some(("became a dead letter", place.0, *self.rows.get(place)?)));
        let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (how, partition, row) in passed.chain(dead) {
            let Some(group) = row.group(self.policy) else { continue };
            if !seen.insert((how, row.place)) {
                continue;
            }
            // A group may be spread over partitions of the sink; what came of one input partition keeps its order in each.
            let before = last.insert((how, partition, row.place.0, group), row.place);
            if let Some(before) = before.filter(|before| *before > row.place) {
                return Err(format!("{:?} {how} after {before:?} of the same group", row.place));
            }
        }
        Ok(())
    }

    /// Each record that waited in order was announced once, and then taken back. At least once, a crash may leave an
    /// announcement of a record that never waited.
    fn redirects(&self) -> Result<(), String> {
        if !self.policy.retries() || !self.exactly_once() {
            return Ok(());
        }
        let log = self.world.log();
        let mut told: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for part in fetch(&*log, &self.policy.redirect_topic)? {
            for record in part.records.iter() {
                let id = header(record.headers, "calzone.record.id").ok_or("an announcement names no record")?;
                told.entry(id.to_owned()).or_default().push(record.value.is_some());
            }
        }
        match told.iter().find(|(_, told)| *told != &[true, false]) {
            Some((id, told)) => Err(format!("{id} was announced (true) and taken back (false) so: {told:?}")),
            None => Ok(()),
        }
    }

    /// Places of the records that went through the retry topic.
    fn retried(&self) -> Result<BTreeSet<Place>, String> {
        if !self.policy.retries() {
            return Ok(BTreeSet::new());
        }
        let log = self.world.log();
        let mut places = BTreeSet::new();
        for part in fetch(&*log, &self.policy.retry_topic)? {
            for record in part.records.iter() {
                places.insert(place_of(record.headers, "calzone.retry.")?);
            }
        }
        Ok(places)
    }
}
