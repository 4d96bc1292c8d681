//! The model: what must have come out of the rows that went in.

use std::collections::{BTreeMap, BTreeSet};

use calzone_engine::RevisionHistory;
use calzone_log::{Fetched, Guarantee, Log, LogKind, StartOffset, TopicPartition};
use calzone_state::Durability;
use serde_json::Value as Json;

use crate::fates;
use crate::guest::fails;
use crate::kafka::lock;
use crate::scenario::{FAILING_INPUT, INPUT, Judged, Query};
use crate::world::World;

/// A committed record.
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Vec<u8>,
    pub value: Json,
    /// Of the plugin, from the record's header.
    pub revision: Option<i64>,
}

/// All committed records of a topic, partition by partition.
pub fn fetch(log: &dyn Log, topic: &str) -> Result<Vec<Fetched>, String> {
    let failed = |e: calzone_log::LogError| format!("reading {topic}: {e}");
    let ends = log.offsets(topic).map_err(failed)?;
    let places: Vec<TopicPartition> = (0..ends.len()).map(|p| TopicPartition::new(topic, p as i32)).collect();
    let starts: Vec<_> = places.iter().map(|tp| (tp.clone(), StartOffset::Earliest)).collect();
    let mut reader = log.reader(&starts).map_err(failed)?;
    let mut fetched = Vec::new();
    while places.iter().zip(&ends).any(|(tp, end)| reader.position(tp) < end.latest) {
        reader.poll(&mut fetched, 10_000, std::time::Duration::ZERO).map_err(failed)?;
    }
    Ok(fetched)
}

/// The places of all committed records of a topic: partition and offset.
pub fn places(log: &dyn Log, topic: &str) -> Result<Vec<(i32, i64)>, String> {
    let fetched = fetch(log, topic)?;
    let of = |part: &Fetched| part.records.iter().map(|r| (part.tp.partition, r.offset)).collect::<Vec<_>>();
    Ok(fetched.iter().flat_map(of).collect())
}

/// All committed records of a topic whose values are JSON, by partition and offset.
pub fn read(log: &dyn Log, topic: &str) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    for part in &fetch(log, topic)? {
        for record in part.records.iter() {
            let header = record.headers.iter().find(|(name, _)| &**name == "calzone.revision");
            let label = header.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
            records.push(Record {
                partition: part.tp.partition,
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key.unwrap_or_default().to_vec(),
                value: serde_json::from_slice(record.value.unwrap_or(b"null")).map_err(|e| format!("{topic}: {e}"))?,
                revision: label.and_then(|label| label.rsplit_once('@')?.1.parse().ok()),
            });
        }
    }
    records.sort_by_key(|r| (r.partition, r.offset));
    Ok(records)
}

impl Record {
    pub fn number(&self, field: &str) -> i64 {
        self.value.get(field).and_then(Json::as_i64).unwrap_or(i64::MIN)
    }

    pub fn id(&self) -> i64 {
        self.number("ID")
    }
}

/// Judges what lies in the topics of a world at rest. The error says what is wrong.
pub fn judge(world: &World) -> Result<(), String> {
    let log = world.log();
    let input = read(&*log, INPUT)?;
    let failing = fates::read_input(&*log, FAILING_INPUT)?;
    let ids: BTreeSet<i64> = input.iter().map(Record::id).chain(failing.iter().map(|row| row.id)).collect();
    if ids.len() != input.len() + failing.len() {
        return Err("an input row lies in its topic twice".into());
    }
    let safe = world.kind == LogKind::Kafka || world.durability == Durability::Synced || !world.power_was_cut;
    if let Some(lost) = world.acknowledged.iter().find(|id| safe && !ids.contains(id)) {
        return Err(format!("input row {lost} was acknowledged and is lost"));
    }
    for (slot, query) in world.queries.iter().enumerate() {
        let output = read(&*log, &query.sink_topic)?;
        let verdict = match query.judged {
            Judged::Copy => copies(world, &input, &output, |row| row.number("N") % 5 != 0),
            Judged::Stage => copies(world, &input, &output, |row| !fails(row.number("N"))).and_then(|()| {
                let places = input.iter().map(|row| (row.id(), (row.partition, row.offset))).collect();
                revisions(world, query, INPUT, &places, &output)
            }),
            Judged::CountByGroup => {
                let group = |row: &Record| row.value["G"].as_str().unwrap_or_default().as_bytes().to_vec();
                counts(world, query, &output, input.iter().map(|row| (group(row), row.id())))
            }
            Judged::CountOfCopies => {
                let copied = read(&*log, "copied")?;
                counts(world, query, &output, copied.iter().map(|row| (row.key.clone(), row.id())))
            }
            Judged::CountByWindow => {
                let window = |row: &Record| {
                    let start = row.timestamp.div_euclid(10_000) * 10_000;
                    [&row.key[..], &start.to_be_bytes()].concat()
                };
                counts(world, query, &output, input.iter().map(|row| (window(row), row.id())))
            }
            Judged::Tried | Judged::Written | Judged::Totals => fates::judge(world, (slot, query), &failing, &output),
        };
        verdict.map_err(|e| format!("{:?} ({}): {e}", query.judged, query.sink_topic))?;
    }
    Ok(())
}

/// Each wanted row came out, once or at least once, and rows of a key in their order.
fn copies(world: &World, input: &[Record], output: &[Record], wanted: impl Fn(&Record) -> bool) -> Result<(), String> {
    let wanted: BTreeSet<i64> = input.iter().filter(|row| wanted(row)).map(Record::id).collect();
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let mut last_of_key: BTreeMap<&[u8], i64> = BTreeMap::new();
    for row in output {
        let id = row.id();
        if !wanted.contains(&id) {
            return Err(format!("row {id} came out and should not have"));
        }
        if !seen.insert(id) {
            match world.guarantee {
                Guarantee::ExactlyOnce => return Err(format!("row {id} came out twice")),
                Guarantee::AtLeastOnce => continue,
            }
        }
        let last = last_of_key.insert(&row.key, id);
        if last.is_some_and(|last| last > id) {
            return Err(format!("row {id} came out after {} of the same key", last.unwrap_or_default()));
        }
    }
    match wanted.difference(&seen).next() {
        Some(lost) => Err(format!("row {lost} did not come out")),
        None => Ok(()),
    }
}

/// In each partition a revision begins at one offset, the one that was committed, in the order of the statements. Rows without
/// a place are not looked at.
pub fn revisions(
    world: &World,
    query: &Query,
    topic: &str,
    places: &BTreeMap<i64, (i32, i64)>,
    output: &[Record],
) -> Result<(), String> {
    if world.guarantee == Guarantee::AtLeastOnce {
        // Records that are done again may meet a newer revision.
        return Ok(());
    }
    let mut met: BTreeMap<(i32, i64), i64> = BTreeMap::new();
    for row in output {
        let revision = row.revision.ok_or_else(|| format!("row {} bears no revision", row.id()))?;
        if let Some(place) = places.get(&row.id()) {
            met.insert(*place, revision);
        }
    }
    let mut sequences: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    for ((partition, _), revision) in &met {
        let sequence = sequences.entry(*partition).or_default();
        if sequence.last() != Some(revision) {
            sequence.push(*revision);
        }
    }
    for (partition, sequence) in &sequences {
        let mut statements = world.revisions.iter();
        if !sequence.iter().all(|revision| statements.any(|r| r == revision)) {
            return Err(format!("partition {partition} met revisions {sequence:?}; statements: {:?}", world.revisions));
        }
    }
    let cluster = lock(&world.cluster);
    let Some(group) = cluster.groups.get(&query.group()) else { return Ok(()) };
    let stage = query.plan.plugins.first().map_or("", |used| &*used.name);
    for ((partition, offset), revision) in &met {
        let Some((_, text)) = group.offsets.get(&TopicPartition::new(topic, *partition)) else { continue };
        let history = RevisionHistory::parse(text);
        let noted = history.of(stage).iter().rev().find(|(_, from)| from <= offset).map(|(noted, _)| *noted);
        if noted != Some(*revision) {
            return Err(format!("offset {offset} of partition {partition} met revision {revision}; committed: {text}"));
        }
    }
    Ok(())
}

/// A table of counts and sums: at its end it has each row once, and on the way no change is missing.
pub fn counts(world: &World, query: &Query, output: &[Record], rows: impl Iterator<Item = (Vec<u8>, i64)>) -> Result<(), String> {
    let mut expected: BTreeMap<Vec<u8>, (i64, i64)> = BTreeMap::new();
    for (key, id) in rows {
        let entry = expected.entry(key).or_default();
        *entry = (entry.0 + 1, entry.1 + id);
    }
    let mut found: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
    for change in output {
        let (count, total) = (change.number("C"), change.number("TOTAL"));
        let before = found.insert(&change.key, (count, total)).map_or(0, |(count, _)| count);
        let steps = count - before;
        let fits = if query.cache_bytes == 0 { steps == 1 } else { steps >= 1 };
        if world.guarantee == Guarantee::ExactlyOnce && !fits {
            return Err(format!("the count of {} went from {before} to {count}", text(&change.key)));
        }
    }
    for (key, (count, total)) in &expected {
        let (found_count, found_total) = found.remove(&key[..]).unwrap_or_default();
        let fits = match world.guarantee {
            Guarantee::ExactlyOnce => (found_count, found_total) == (*count, *total),
            Guarantee::AtLeastOnce => found_count >= *count && found_total >= *total,
        };
        if !fits {
            let key = text(key);
            return Err(format!("{key} has count {found_count} and sum {found_total}, not {count} and {total}"));
        }
    }
    match found.keys().next() {
        Some(key) => Err(format!("{} should not be there", text(key))),
        None => Ok(()),
    }
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
