//! `REPLAY DEAD LETTERS`: records go back to where they failed, once each.
//!
//! It is done at once and by this server, as INSERT is: it changes topics, not the catalog. Records and the marks that say
//! which dead letters they were are written together, so that a crash leaves none replayed twice or half.

mod facts;
mod marks;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::Int64Array;
use calzone_exec::{Predicate, Rows};
use calzone_log::{
    CommitOutcome, Fetched, Guarantee, LogError, Reset, StartOffset, TopicPartition, TopicSpec, Worker, WorkerOptions,
};
use calzone_plan::{PlanContext, dead_letters};
use calzone_sql::ast::{self, Name};
use calzone_types::{RecordBatch, RecordRef, Value, column_from_values};

use self::facts::{Facts, facts, replayed_headers};
use self::marks::Marks;
use crate::answer::{Answer, AnswerKind};
use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::now_ms;
use crate::submit::plan_error;
use crate::{Session, StatementError};

/// Dead letters that are read, and records that are written, at a time.
const BATCH_RECORDS: usize = 1024;

/// Longest wait for records that the log says are there.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What a statement asks for.
pub struct Replay<'a> {
    pub topic: &'a Name,
    pub filter: Option<&'a ast::Expr>,
    pub limit: Option<u64>,
    pub into: Option<&'a Name>,
}

/// Where records go.
enum Target {
    /// Each to the topic it came from.
    Origin,
    /// To a query's source.
    Topic(Arc<str>),
}

/// What was done.
#[derive(Default)]
struct Counts {
    replayed: u64,
    /// Nothing says where they came from, or their topic is gone.
    homeless: u64,
}

impl Engine {
    pub(crate) fn replay_dead_letters(
        &self,
        replay: &Replay<'_>,
        text: &str,
        session: &Session,
    ) -> Result<Answer, StatementError> {
        let refused = |message: String| StatementError::bad_statement(message, text);
        let topic = replay.topic.node.as_str();
        let partitions = match self.log.topic(topic) {
            Ok(Some(found)) => found.partitions,
            Ok(None) => return Err(refused(format!("There is no topic '{topic}'. SHOW TOPICS lists those there are."))),
            Err(e) => return Err(internal(&e)),
        };
        let target = self.replay_target(replay.into, text)?;
        let mut filter = self.replay_filter(replay.filter, text, session)?;
        // Two replays of one topic would both see what neither has marked yet.
        let _alone = self.replaying.lock().expect("no panic while holding the lock");
        let mut counts = Counts::default();
        let outcome = Work::start(self, topic)
            .and_then(|mut work| work.run(partitions, &target, filter.as_mut(), replay.limit.unwrap_or(u64::MAX), &mut counts));
        outcome.map_err(|e| {
            let done = counts.replayed;
            StatementError::internal(format!("Replaying {topic} failed after {done} dead letters, which are done: {e}"))
        })?;
        let kind = AnswerKind::Replayed { topic: topic.to_owned(), replayed: counts.replayed, left: counts.homeless };
        Ok(Answer { statement: text.to_owned(), kind, warnings: Vec::new() })
    }

    fn replay_target(&self, into: Option<&Name>, text: &str) -> Result<Target, StatementError> {
        let Some(name) = into else { return Ok(Target::Origin) };
        let state = self.state.read().expect("no panic while holding the lock");
        let query = state.find_query(&name.node).ok_or_else(|| {
            let message = format!("There is no query or stage {}. SHOW QUERIES lists those that run.", name.node);
            StatementError::bad_statement(message, text)
        })?;
        let source = query.plan.reads.first().and_then(|read| state.catalog.sources.get(&**read));
        let source = source.ok_or_else(|| StatementError::internal(format!("the source of query {} is not there", query.id)))?;
        Ok(Target::Topic(source.topic.clone()))
    }

    fn replay_filter(
        &self,
        filter: Option<&ast::Expr>,
        text: &str,
        session: &Session,
    ) -> Result<Option<Predicate>, StatementError> {
        let Some(filter) = filter else { return Ok(None) };
        let properties = self.options.effective(&session.properties);
        let (expr, bindings) = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
            let topics = LogTopics { log: &*self.log };
            let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
            (dead_letters::filter(&context, filter).map_err(|e| plan_error(&e, text))?, self.all_function_bindings(&state)?)
        };
        let mut environment = self.transient_environment(Arc::new(bindings));
        Predicate::new(&expr, &mut environment).map(Some).map_err(|e| StatementError::bad_statement(e, text))
    }
}

fn internal(e: &LogError) -> StatementError {
    StatementError::internal(e.to_string())
}

/// A replay in progress.
struct Work<'a> {
    engine: &'a Engine,
    topic: &'a str,
    worker: Box<dyn Worker>,
    marks_topic: String,
    marks: Marks,
    /// Chunks of marks that are not committed yet.
    changed: BTreeSet<(i32, i64)>,
}

impl<'a> Work<'a> {
    /// Takes over from an earlier replay of the topic, and reads what it has done.
    fn start(engine: &'a Engine, topic: &'a str) -> Result<Work<'a>, LogError> {
        let marks_topic = engine.options.replayed_topic();
        if engine.log.topic(&marks_topic)?.is_none() {
            let replicas =
                engine.options.properties.get("ksql.internal.topic.replicas").and_then(|v| v.parse().ok()).unwrap_or(1);
            let config = vec![("cleanup.policy".into(), "compact".into())];
            match engine.log.create_topic(&TopicSpec { name: marks_topic.clone(), partitions: 1, replicas, config }) {
                Ok(()) | Err(LogError::TopicExists { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        let group = engine.options.replay_group(topic);
        // The worker only writes. On Kafka another server's replay of this topic cannot commit any more once it is made, so
        // that the marks read after it are all there are.
        let worker = engine.log.worker(WorkerOptions {
            transactional_id: group.clone(),
            group,
            topics: vec![topic.to_owned()],
            guarantee: Guarantee::ExactlyOnce,
            auto_offset_reset: Reset::Earliest,
            ..WorkerOptions::default()
        })?;
        let mut marks = Marks::default();
        read_topic(engine, &marks_topic, 1, &mut |fetched, _| {
            for record in fetched.records.iter() {
                marks.read(topic, record.key.unwrap_or_default(), record.value.unwrap_or_default());
            }
            Ok(true)
        })?;
        for (partition, offsets) in engine.log.offsets(topic)?.into_iter().enumerate() {
            marks.check_end(partition as i32, offsets.latest);
        }
        Ok(Work { engine, topic, worker, marks_topic, marks, changed: BTreeSet::new() })
    }

    fn run(
        &mut self,
        partitions: i32,
        target: &Target,
        mut filter: Option<&mut Predicate>,
        limit: u64,
        counts: &mut Counts,
    ) -> Result<(), LogError> {
        if limit == 0 {
            return Ok(());
        }
        let (engine, topic) = (self.engine, self.topic);
        read_topic(engine, topic, partitions, &mut |fetched, end| {
            let partition = fetched.tp.partition;
            // What was buried again meanwhile is for the next replay.
            let left = fetched.records.iter().filter(|r| r.offset < end && !self.marks.contains(partition, r.offset));
            let records: Vec<(RecordRef<'_>, Facts)> = left.map(|r| (r, facts(&r))).collect();
            let chosen = filter.as_mut().map(|filter| choose(filter, partition, &records));
            let mut replayed = 0;
            for (i, (record, facts)) in records.iter().enumerate() {
                if counts.replayed + replayed == limit {
                    break;
                }
                if chosen.as_ref().is_some_and(|chosen| !chosen[i]) {
                    continue;
                }
                match destination(engine, target, facts)? {
                    Some((to, to_partition)) => {
                        let headers = replayed_headers(facts, topic, partition, record.offset);
                        let mut batch = RecordBatch::default();
                        batch.push(RecordRef { partition: to_partition, headers: &headers, ..*record });
                        self.worker.send(&to, &batch)?;
                        self.changed.insert(self.marks.insert(partition, record.offset));
                        replayed += 1;
                    }
                    None => counts.homeless += 1,
                }
            }
            self.commit()?;
            counts.replayed += replayed;
            Ok(counts.replayed < limit)
        })
    }

    /// Makes records and marks visible at once.
    fn commit(&mut self) -> Result<(), LogError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut batch = RecordBatch::default();
        for place in std::mem::take(&mut self.changed) {
            let (key, value) = (marks::key(self.topic, place.0, place.1), self.marks.value(place));
            batch.push(RecordRef {
                offset: 0,
                timestamp: now_ms(),
                partition: 0,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &[],
            });
        }
        self.worker.send(&self.marks_topic, &batch)?;
        match self.worker.commit(&[], self.engine.database.batch())? {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Aborted { cause } => Err(not_committed(cause)),
            CommitOutcome::Fenced { cause } => Err(not_committed(format!("another server replays this topic now ({cause})"))),
        }
    }
}

fn not_committed(cause: String) -> LogError {
    LogError::Retriable { action: "replaying dead letters".into(), cause }
}

/// Topic and partition that a dead letter goes to; `None`: nothing there that its headers name.
fn destination(engine: &Engine, target: &Target, facts: &Facts) -> Result<Option<(Arc<str>, i32)>, LogError> {
    let topic: Arc<str> = match (target, &facts.topic) {
        (Target::Topic(topic), _) => topic.clone(),
        (Target::Origin, Some(topic)) => topic.as_str().into(),
        (Target::Origin, None) => return Ok(None),
    };
    let Some(found) = engine.log.topic(&topic)? else { return Ok(None) };
    // Back to its own partition; elsewhere by its key.
    let same = facts.topic.as_deref() == Some(&*topic);
    let partition = facts.partition.filter(|p| same && (0..found.partitions).contains(p));
    Ok(Some((topic, partition.unwrap_or(RecordBatch::ANY_PARTITION))))
}

/// Which dead letters the condition is true for. Where it cannot be computed, it is not.
fn choose(filter: &mut Predicate, partition: i32, records: &[(RecordRef<'_>, Facts)]) -> Vec<bool> {
    if records.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<Value>> = records.iter().map(|(record, facts)| row(partition, record, facts)).collect();
    let columns = dead_letters::COLUMNS.iter().enumerate();
    let columns: Vec<_> = columns.map(|(i, (_, ty))| column_from_values(ty, rows.iter().map(|row| &row[i]))).collect();
    let timestamps = Int64Array::from_iter_values(records.iter().map(|(record, _)| record.timestamp));
    let (passes, _) = filter.test(Rows { columns: &columns, timestamps: timestamps.values(), windows: None, origin: None }, None);
    (0..records.len()).map(|i| passes.value(i)).collect()
}

/// A dead letter's values, in the order of [`dead_letters::COLUMNS`].
fn row(partition: i32, record: &RecordRef<'_>, facts: &Facts) -> Vec<Value> {
    let text = |text: &Option<String>| text.as_ref().map_or(Value::Null, |t| Value::Varchar(t.clone()));
    let bytes = |b: Option<&[u8]>| b.map_or(Value::Null, |b| Value::Varchar(String::from_utf8_lossy(b).into_owned()));
    vec![
        text(&facts.cause),
        text(&facts.class),
        text(&facts.stage),
        text(&facts.query),
        text(&facts.topic),
        facts.partition.map_or(Value::Null, Value::Integer),
        facts.offset.map_or(Value::Null, Value::Bigint),
        facts.attempts.map_or(Value::Null, Value::Integer),
        bytes(record.key),
        bytes(record.value),
        Value::Bigint(record.timestamp),
        Value::Integer(partition),
        Value::Bigint(record.offset),
    ]
}

/// Gives what a topic holds now, partition by partition with the offset that it ends at now, until `take` says that it is enough.
/// Records that came since may be among those given.
fn read_topic(
    engine: &Engine,
    topic: &str,
    partitions: i32,
    take: &mut dyn FnMut(&Fetched, i64) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let ends = engine.log.offsets(topic)?;
    for partition in 0..partitions {
        let Some(end) = ends.get(partition as usize).map(|o| o.latest) else { continue };
        let place = TopicPartition::new(topic, partition);
        let mut reader = engine.log.reader(&[(place.clone(), StartOffset::Earliest)])?;
        let mut progress = Instant::now();
        let mut fetched = Vec::new();
        while reader.position(&place) < end {
            fetched.clear();
            reader.poll(&mut fetched, BATCH_RECORDS, Duration::from_millis(200))?;
            for part in &fetched {
                progress = Instant::now();
                if !take(part, end)? {
                    return Ok(());
                }
            }
            if engine.is_stopping() {
                return Err(not_committed("the server is stopping".into()));
            }
            if progress.elapsed() > READ_TIMEOUT {
                return Err(not_committed(format!("{place} gave no record for {} s", READ_TIMEOUT.as_secs())));
            }
        }
    }
    Ok(())
}
