//! Queries that answer one client: push queries, and pull queries over streams.
//!
//! Each has a thread that reads its sources, runs the whole topology in memory and hands batches of rows to the client
//! through a bounded channel: a slow client stops its own query and nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calzone_exec::{Local, TaskOutput, Topology, TopologyOptions};
use calzone_log::{Reader, StartOffset, TopicPartition, WakeHandle};
use calzone_plan::plan::{Output, PluginUse};
use calzone_plan::{PlanContext, PullQuery};
use calzone_sql::ast;
use calzone_types::{Batch, Schema};
use tokio::sync::mpsc;

use crate::answer::{QueryKind, QueryState, QuerySummary};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::options::{BATCH_RECORDS_MAX, PUSH_BUFFER_BATCHES, streams_setting};
use crate::query::{Bindings, QueryStatistics, TaskEnvironment};
use crate::state::State;
use crate::submit::plan_error;
use crate::{Session, StatementError};

/// How long a reader waits for records before it looks whether its client is still there.
const POLL: Duration = Duration::from_millis(250);

/// Push queries at a time, by default.
const PUSH_QUERIES_MAX: usize = 100;

/// Ids of ended push queries that are remembered.
const ENDED_IDS_MAX: usize = 256;

/// What a client gets, in order; the channel ends after [`RowEvent::End`].
#[derive(Debug)]
pub enum RowEvent {
    /// Rows; `columns` as in the query's schema.
    Rows(Batch),
    End(QueryEnd),
}

/// Why a query's rows ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryEnd {
    LimitReached,
    /// A pull query has given all there was.
    Complete,
    /// Closed by its id, or the server stops.
    Closed,
    Failed(String),
}

/// A running query and its rows.
pub struct RowStream {
    pub id: String,
    pub schema: Schema,
    /// Positions of the schema's columns in each batch.
    pub columns: Vec<usize>,
    pub rows: mpsc::Receiver<RowEvent>,
    /// True for pull queries over streams, which end by themselves.
    pub ends: bool,
}

/// The push queries of this server.
pub struct PushQueries {
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    /// Ids of the queries that ended last, the newest at the end.
    ended: Mutex<VecDeque<String>>,
    next: AtomicU64,
    max: usize,
}

struct Running {
    statement: String,
    closed: AtomicBool,
    wake: WakeHandle,
}

impl PushQueries {
    pub fn new(properties: &BTreeMap<String, String>) -> PushQueries {
        let max = properties.get("ksql.max.push.queries").and_then(|v| v.parse().ok()).unwrap_or(PUSH_QUERIES_MAX);
        // Ids must not repeat after a restart, as clients may still hold old ones.
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        PushQueries { running: Mutex::default(), ended: Mutex::default(), next: AtomicU64::new(seed), max }
    }

    /// An id for a query whose first source has this name in it.
    pub fn new_id(&self, source: &str) -> String {
        // An odd multiplier visits all numbers before it repeats one.
        let n = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 1;
        format!("transient_{source}_{n}")
    }

    /// Ends a query; false if there is none of that id, or it is about to end already.
    pub fn close(&self, id: &str) -> bool {
        self.ask_to_end(id) == Some(true)
    }

    /// None if no query of that id runs; true for the first that asks.
    fn ask_to_end(&self, id: &str) -> Option<bool> {
        let running = self.running.lock().expect("no panic while holding the lock");
        let found = running.iter().find(|(known, _)| known.eq_ignore_ascii_case(id)).map(|(_, r)| r.clone())?;
        drop(running);
        let first = !found.closed.swap(true, Ordering::AcqRel);
        (found.wake)();
        Some(first)
    }

    /// Takes a query off the list of those that run.
    fn remove(&self, id: &str) {
        self.running.lock().expect("no panic while holding the lock").remove(id);
        let mut ended = self.ended.lock().expect("no panic while holding the lock");
        if ended.len() == ENDED_IDS_MAX {
            ended.pop_front();
        }
        ended.push_back(id.to_owned());
    }

    /// Ends a query. True also if it has ended by itself a short time ago: who terminates a query whose rows have just
    /// reached their limit finds it terminated.
    pub fn terminate(&self, id: &str) -> bool {
        let has_ended = || self.ended.lock().expect("no panic while holding the lock").iter().any(|e| e.eq_ignore_ascii_case(id));
        self.ask_to_end(id).is_some() || has_ended()
    }

    pub fn close_all(&self) {
        let ids: Vec<String> = self.running.lock().expect("no panic while holding the lock").keys().cloned().collect();
        for id in ids {
            self.close(&id);
        }
    }

    pub fn list(&self) -> Vec<QuerySummary> {
        let running = self.running.lock().expect("no panic while holding the lock");
        let summary = |(id, r): (&String, &Arc<Running>)| QuerySummary {
            id: id.clone(),
            statement: r.statement.clone(),
            kind: QueryKind::Push,
            state: QueryState::Running,
            reason: None,
            sinks: Vec::new(),
            sink_topics: Vec::new(),
            restoring: Vec::new(),
        };
        running.iter().map(summary).collect()
    }
}

impl Engine {
    /// Code of every function that CREATE FUNCTION has made, for plans that were not asked yet which they use.
    pub(crate) fn all_function_bindings(&self, state: &State) -> Result<Bindings, StatementError> {
        let uses: Vec<PluginUse> = state
            .functions
            .values()
            .map(|f| PluginUse { name: f.name.as_str().into(), plugin: f.plugin.as_str().into(), item: f.item.as_str().into() })
            .collect();
        state.bindings(&uses, &self.plugin_store)
    }

    pub(crate) fn transient_environment(&self, bindings: Arc<Bindings>) -> TaskEnvironment {
        TaskEnvironment::transient(bindings, Arc::new(QueryStatistics::default()))
    }

    /// Starts a push query, or a pull query over a stream: rows come until a limit, the end, or the client's leaving.
    pub(crate) fn start_rows(
        &self,
        query: &ast::Query,
        text: &str,
        session: &Session,
        ends: bool,
    ) -> Result<RowStream, StatementError> {
        let properties = self.options.effective(&session.properties);
        let (plan, bindings) = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
            let topics = LogTopics { log: &*self.log };
            let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
            let plan = match ends {
                true => calzone_plan::pull_query(&context, query).and_then(|pull| match pull {
                    PullQuery::Stream(plan) => Ok(*plan),
                    PullQuery::Table(_) => Err(calzone_plan::PlanError::new("The query reads a table, not a stream.")),
                }),
                false => calzone_plan::push_query(&context, query, "transient"),
            };
            let plan = plan.map_err(|e| plan_error(&e, text))?;
            let bindings = state.bindings(&plan.plugins, &self.plugin_store)?;
            (plan, bindings)
        };
        let Output::Client { schema, columns } = &plan.output else {
            return Err(StatementError::internal("a query without a sink was planned with one"));
        };
        let (schema, columns) = (schema.clone(), columns.clone());
        let id = self.push_queries.new_id(first_alias(&query.from));
        let options = TopologyOptions {
            query_id: id.clone(),
            internal_prefix: self.options.query_prefix(&id),
            cache_bytes: 0,
            properties: properties.clone(),
        };
        let topology = Topology::new(&plan, &options).map_err(|e| StatementError::bad_statement(e.to_string(), text))?;
        let mut environment = self.transient_environment(Arc::new(bindings));
        let local = Local::new(&topology, &mut environment).map_err(|e| StatementError::bad_statement(e.to_string(), text))?;
        let earliest =
            ends || streams_setting(&properties, "auto.offset.reset").is_some_and(|v| v.eq_ignore_ascii_case("earliest"));
        let start = if earliest { StartOffset::Earliest } else { StartOffset::Latest };
        let topics = local.inputs();
        let mut places = Vec::new();
        for topic in &topics {
            let partitions =
                self.log.topic(topic).map_err(|e| StatementError::internal(e.to_string()))?.map_or(0, |t| t.partitions);
            places.extend((0..partitions).map(|p| (TopicPartition::new(topic.clone(), p), start)));
        }
        let reader =
            self.log.reader(&places).map_err(|e| StatementError::internal(format!("the query's topics cannot be read: {e}")))?;
        let (sender, rows) = mpsc::channel(PUSH_BUFFER_BATCHES);
        let running =
            Arc::new(Running { statement: text.to_owned(), closed: AtomicBool::new(false), wake: reader.wake_handle() });
        {
            let mut all = self.push_queries.running.lock().expect("no panic while holding the lock");
            if all.len() >= self.push_queries.max {
                let message = format!(
                    "{} push queries are running already, which is the most that `ksql.max.push.queries` allows; end one first.",
                    self.push_queries.max
                );
                return Err(StatementError::new(ErrorKind::TooManyQueries, message));
            }
            all.insert(id.clone(), running.clone());
        }
        let engine_log = self.processing_log.clone();
        let work = PushWork { id: id.clone(), local, reader, sender, running, limit: plan.limit, ends };
        let registry = RegistryEntry { engine: self.handle(), id: id.clone() };
        std::thread::Builder::new()
            .name("push-query".into())
            .spawn(move || {
                work.run(&engine_log, registry);
            })
            .map_err(|e| StatementError::internal(format!("the query's thread cannot be started: {e}")))?;
        Ok(RowStream { id, schema, columns, rows, ends })
    }
}

/// What a query calls its first source.
pub(crate) fn first_alias(from: &ast::Relation) -> &str {
    match from {
        ast::Relation::Source { name, alias } => &alias.as_ref().unwrap_or(name).node,
        ast::Relation::Join(join) => first_alias(&join.left),
    }
}

/// Takes a query off the list when its thread ends, however it ends.
struct RegistryEntry {
    engine: std::sync::Weak<Engine>,
    id: String,
}

impl Drop for RegistryEntry {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.upgrade() {
            engine.push_queries.remove(&self.id);
        }
    }
}

struct PushWork {
    id: String,
    local: Local,
    reader: Box<dyn Reader>,
    sender: mpsc::Sender<RowEvent>,
    running: Arc<Running>,
    limit: Option<u64>,
    ends: bool,
}

impl PushWork {
    fn run(mut self, processing_log: &crate::processing_log::ProcessingLog, registry: RegistryEntry) {
        let end = self.read(processing_log).unwrap_or_else(QueryEnd::Failed);
        // Off the list first: whoever has seen the rows end must not find the query running.
        drop(registry);
        // A client that has left does not hear of the end.
        let _ = self.sender.blocking_send(RowEvent::End(end));
    }

    fn read(&mut self, processing_log: &crate::processing_log::ProcessingLog) -> Result<QueryEnd, String> {
        let mut left = self.limit;
        if left == Some(0) {
            return Ok(QueryEnd::LimitReached);
        }
        let mut until: HashMap<TopicPartition, i64> = HashMap::new();
        if self.ends {
            until.extend(self.reader.end_offsets().map_err(|e| e.to_string())?);
        }
        let mut output = TaskOutput::default();
        let mut fetched = Vec::new();
        loop {
            if self.running.closed.load(Ordering::Acquire) || self.sender.is_closed() {
                return Ok(QueryEnd::Closed);
            }
            if self.ends && until.iter().all(|(place, end)| self.reader.position(place) >= *end) {
                return Ok(QueryEnd::Complete);
            }
            fetched.clear();
            self.reader.poll(&mut fetched, BATCH_RECORDS_MAX, POLL).map_err(|e| e.to_string())?;
            for part in &fetched {
                self.local.process(&part.tp.topic, &part.records, &mut output).map_err(|e| e.to_string())?;
                if !output.errors.is_empty() {
                    processing_log.report(&self.id, &mut output.errors);
                }
                for batch in output.rows.drain(..) {
                    let batch = match left {
                        Some(n) if (batch.len() as u64) >= n => {
                            self.give(batch.slice(0, n as usize));
                            return Ok(QueryEnd::LimitReached);
                        }
                        _ => batch,
                    };
                    left = left.map(|n| n - batch.len() as u64);
                    if !self.give(batch) {
                        return Ok(QueryEnd::Closed);
                    }
                }
            }
        }
    }

    /// Waits until the client takes the rows; false if it has left or the query was closed.
    fn give(&self, batch: Batch) -> bool {
        let mut event = RowEvent::Rows(batch);
        loop {
            match self.sender.try_send(event) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
                Err(mpsc::error::TrySendError::Full(back)) => {
                    if self.running.closed.load(Ordering::Acquire) {
                        return false;
                    }
                    event = back;
                    // The client reads slower than rows come: its own query waits.
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }
}
