//! `DRY RUN ALTER … USE REVISION n [ON LAST m ROWS]`: the old and the new code side by side on recent records.
//!
//! Each query that would change is run twice in memory, from the last records of the topics it reads: with the code it has
//! and with the code it would have. Nothing is written, no state is touched, and guests can send no requests. A query with
//! state begins empty on both sides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calzone_exec::{Local, OutputTopic, TaskOutput, Topology, TopologyOptions};
use calzone_log::{Fetched, StartOffset, TopicPartition};
use calzone_plan::QueryPlan;
use calzone_sql::ast::{DryRun, Name, RevisionTarget};
use calzone_types::{RecordBatch, RecordRef};

use crate::StatementError;
use crate::answer::{Answer, AnswerKind, DryRunDifference, DryRunQuery};
use crate::apply::{Apply, Effect, revisions};
use crate::engine::Engine;
use crate::options::BATCH_RECORDS_MAX;
use crate::query::{Bindings, QueryStatistics, TaskEnvironment};

/// Rows of each topic when the statement names no number, and the most it may name.
const ROWS_DEFAULT: u64 = 1_000;
const ROWS_MAX: u64 = 100_000;

/// Differences that are shown; all are counted.
const EXAMPLES_MAX: usize = 10;
/// Characters of a row that are shown.
const ROW_TEXT_MAX: usize = 1_000;

/// How long reading the records may take.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Topic, partition and offset of a record that went in.
type Place = (Arc<str>, i32, i64);
/// What came of each record, in order.
type Outcome = BTreeMap<Place, Vec<String>>;

/// A query as it is and as it would be.
struct Candidate {
    id: String,
    plan: Arc<QueryPlan>,
    properties: BTreeMap<String, String>,
    topics: Vec<Arc<str>>,
    old: Bindings,
    new: Bindings,
}

impl Engine {
    pub(crate) fn dry_run(
        &self,
        target: RevisionTarget,
        name: &Name,
        revision: i64,
        dry_run: &DryRun,
        text: &str,
    ) -> Result<Answer, StatementError> {
        let rows = dry_run.last_rows.unwrap_or(ROWS_DEFAULT);
        if rows == 0 || rows > ROWS_MAX {
            let message = format!("ON LAST {rows} ROWS: give a number from 1 to {ROWS_MAX}.");
            return Err(StatementError::bad_statement(message, text));
        }
        let candidates = self.candidates(target, name, revision, text)?;
        let mut queries = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            queries.push(self.compare(candidate, rows)?);
        }
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::DryRun { revision, queries }, warnings: Vec::new() })
    }

    /// The queries that would change. A revision that does not fit is refused, as it would be in earnest.
    fn candidates(
        &self,
        target: RevisionTarget,
        name: &Name,
        revision: i64,
        text: &str,
    ) -> Result<Vec<Candidate>, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let Effect::UseRevision { target, name, revision, users } = revisions::alter(self, &state, target, name, revision, text)?
        else {
            return Err(StatementError::internal("a change of revision was planned as something else"));
        };
        let mut changed = state.copy_for_rehearsal();
        revisions::switch(self, &mut changed, target, &name, revision, &users, Apply::Rehearsal)?;
        let concerned = state.queries.values().filter(|q| q.plan.plugins.iter().any(|p| users.iter().any(|u| u.name == p.name)));
        let candidate = |query: &crate::state::PersistentQuery| {
            let sources = query.plan.reads.iter().filter_map(|name| state.catalog.sources.get(&**name));
            let mut topics: Vec<Arc<str>> = sources.map(|s| s.topic.clone()).collect();
            topics.sort();
            topics.dedup();
            Ok(Candidate {
                id: query.id.clone(),
                plan: query.plan.clone(),
                properties: query.properties.clone(),
                topics,
                old: state.bindings(&query.plan.plugins, &self.plugin_store)?,
                new: changed.bindings(&query.plan.plugins, &self.plugin_store)?,
            })
        };
        concerned.map(candidate).collect()
    }

    fn compare(&self, candidate: Candidate, rows: u64) -> Result<DryRunQuery, StatementError> {
        let chunks = self.last_records(&candidate.topics, rows)?;
        let run = |bindings: &Bindings| run(&candidate, bindings, &chunks);
        let (old, new) = (run(&candidate.old)?, run(&candidate.new)?);
        let mut places: Vec<&Place> = old.keys().chain(new.keys()).collect();
        places.sort();
        places.dedup();
        let none = Vec::new();
        let mut differences = places.into_iter().filter_map(|place| {
            let (before, after) = (old.get(place).unwrap_or(&none), new.get(place).unwrap_or(&none));
            (before != after).then(|| DryRunDifference {
                topic: place.0.to_string(),
                partition: place.1,
                offset: place.2,
                old: before.clone(),
                new: after.clone(),
            })
        });
        let examples: Vec<DryRunDifference> = differences.by_ref().take(EXAMPLES_MAX).collect();
        let differing = examples.len() + differences.count();
        let records = chunks.iter().map(|(_, batch)| batch.len()).sum();
        Ok(DryRunQuery { query_id: candidate.id, records, differing, examples })
    }

    /// The last records of each topic, all together in order of time, in runs of one partition.
    fn last_records(&self, topics: &[Arc<str>], rows: u64) -> Result<Vec<(TopicPartition, RecordBatch)>, StatementError> {
        let failed = |topic: &str, e: &dyn std::fmt::Display| {
            StatementError::internal(format!("the last records of topic {topic} cannot be read: {e}"))
        };
        let mut read: Vec<(TopicPartition, RecordBatch)> = Vec::new();
        for topic in topics {
            let offsets = self.log.offsets(topic).map_err(|e| failed(topic, &e))?;
            let mut ends = Vec::new();
            for (partition, range) in offsets.iter().enumerate() {
                // One partition alone may hold all of the last rows.
                let start = range.earliest.max(range.latest.saturating_sub(rows as i64));
                if start < range.latest {
                    ends.push((TopicPartition::new(topic.clone(), partition as i32), start, range.latest));
                }
            }
            if ends.is_empty() {
                continue;
            }
            let starts: Vec<_> = ends.iter().map(|(place, start, _)| (place.clone(), StartOffset::At(*start))).collect();
            let mut reader = self.log.reader(&starts).map_err(|e| failed(topic, &e))?;
            let deadline = Instant::now() + READ_TIMEOUT;
            let mut fetched: Vec<Fetched> = Vec::new();
            while ends.iter().any(|(place, _, end)| reader.position(place) < *end) {
                if Instant::now() > deadline {
                    return Err(failed(topic, &"it took too long"));
                }
                reader.poll(&mut fetched, BATCH_RECORDS_MAX, Duration::from_millis(200)).map_err(|e| failed(topic, &e))?;
            }
            let mut newest: Vec<(i64, usize, usize)> = Vec::new();
            for (part, fetched) in fetched.iter().enumerate() {
                newest.extend(fetched.records.iter().enumerate().map(|(row, record)| (record.timestamp, part, row)));
            }
            newest.sort_unstable();
            let excess = newest.len().saturating_sub(rows as usize);
            for (_, part, row) in newest.drain(excess..) {
                let mut one = RecordBatch::default();
                one.push(fetched[part].records.get(row));
                read.push(((*fetched[part].tp).clone(), one));
            }
        }
        read.sort_by_key(|(_, record)| record.get(0).timestamp);
        let mut chunks: Vec<(TopicPartition, RecordBatch)> = Vec::new();
        for (place, record) in read {
            match chunks.last_mut().filter(|(last, batch)| *last == place && batch.len() < BATCH_RECORDS_MAX) {
                Some((_, batch)) => batch.push(record.get(0)),
                None => chunks.push((place, record)),
            }
        }
        Ok(chunks)
    }
}

/// Sends the records through a query with this code.
fn run(candidate: &Candidate, bindings: &Bindings, chunks: &[(TopicPartition, RecordBatch)]) -> Result<Outcome, StatementError> {
    let failed = |e: calzone_exec::ExecError| {
        StatementError::internal(format!("query {} cannot be run for a comparison: {e}", candidate.id))
    };
    let options = TopologyOptions {
        query_id: candidate.id.clone(),
        internal_prefix: "dry-run".to_owned(),
        cache_bytes: 0,
        properties: candidate.properties.clone(),
    };
    let topology = Topology::new(&candidate.plan, &options).map_err(failed)?;
    let mut confined = bindings.clone();
    for binding in confined.values_mut() {
        if let Some(guest) = binding.guest.confined() {
            binding.guest = guest;
        }
    }
    let mut environment = TaskEnvironment::transient(Arc::new(confined), Arc::new(QueryStatistics::default()));
    let mut local = Local::new(&topology, &mut environment).map_err(failed)?;
    let mut outcome = Outcome::new();
    let mut out = TaskOutput::new();
    for (place, records) in chunks {
        let result = local.process(&place.topic, records, &mut out).and_then(|()| local.flush(&mut out));
        let at = |offset: i64| (place.topic.clone(), place.partition, offset);
        for (topic, batch) in &out.records {
            let into = if let OutputTopic::Route(topic) = topic { format!("{topic}: ") } else { String::new() };
            for record in batch.iter() {
                outcome.entry(at(record.offset)).or_default().push(format!("{into}{}", record_text(&record)));
            }
        }
        for error in &out.errors {
            let place = (error.topic.clone(), error.partition, error.offset);
            outcome.entry(place).or_default().push(format!("error: {}", cut(&error.message)));
        }
        out.clear();
        if let Err(e) = result {
            // The query would stop here, on this side.
            let last = records.get(records.len() - 1).offset;
            outcome.entry(at(last)).or_default().push(format!("the query stops: {}", cut(&e.to_string())));
            break;
        }
    }
    Ok(outcome)
}

/// A record as text: key, value, and headers but the one that names the revision.
fn record_text(record: &RecordRef<'_>) -> String {
    let part = |bytes: Option<&[u8]>| bytes.map_or("null".to_owned(), |b| String::from_utf8_lossy(b).into_owned());
    let mut text = match record.key {
        Some(key) => format!("{} -> {}", part(Some(key)), part(record.value)),
        None => part(record.value),
    };
    for (name, value) in record.headers.iter().filter(|(name, _)| **name != *"calzone.revision") {
        text.push_str(&format!(" [{name}={}]", part(value.as_deref())));
    }
    cut(&text)
}

fn cut(text: &str) -> String {
    text.chars().take(ROW_TEXT_MAX).collect()
}
