//! A persistent query, and records on their way through it.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_exec::{ExecError, Local, OutputTopic, RecordError, TaskOutput, Topology, TopologyOptions};
use calzone_plan::{QueryPlan, Source};
use calzone_types::{Batch, RecordBatch};

use super::stores::{QueryEnvironment, SharedStore, Stores};
use super::{Driver, DriverError, Record};
use crate::plugins::Plugins;

/// A query that runs.
pub struct RunningQuery {
    pub id: String,
    /// Where its records go; none for a query that only keeps the rows of a table.
    pub sink: Option<Arc<Source>>,
    pub plan: Arc<QueryPlan>,
    /// Names of its internal topics that are no changelogs.
    pub internal_topics: Vec<String>,
    pub(super) engine: Engine,
}

/// The operators of a query with their state.
pub(super) struct Engine {
    local: Local,
    pub stores: Stores,
    inputs: Vec<Arc<str>>,
    /// Next offset of each topic read.
    offsets: BTreeMap<String, i64>,
    internal_topics: Vec<String>,
}

/// What came of records.
#[derive(Default)]
pub(super) struct Outcome {
    pub records: Vec<Record>,
    pub rows: Vec<Batch>,
    pub errors: Vec<RecordError>,
}

impl Engine {
    /// Makes a query's operators over stores, which may hold the state of an older form of it.
    pub fn new(
        id: &str,
        plan: &QueryPlan,
        properties: &BTreeMap<String, String>,
        plugins: &Plugins,
        mut stores: Stores,
    ) -> Result<Engine, ExecError> {
        let options = TopologyOptions {
            query_id: id.to_owned(),
            internal_prefix: format!("_confluent-ksql-test_query_{id}"),
            cache_bytes: 0,
            properties: properties.clone(),
        };
        let topology = Topology::new(plan, &options)?;
        let mut environment = QueryEnvironment { plugins: (plugins.environment)(), stores: &mut stores };
        let local = Local::new(&topology, &mut environment)?;
        let internal = topology.internal_topics().iter().filter(|topic| !topic.compact);
        let internal_topics = internal.map(|topic| topic.name.to_string()).collect();
        Ok(Engine { inputs: local.inputs(), local, stores, offsets: BTreeMap::new(), internal_topics })
    }

    pub fn reads(&self, topic: &str) -> bool {
        self.inputs.iter().any(|input| **input == *topic)
    }

    /// Sends records of one topic through, in one batch.
    pub fn process(&mut self, topic: &str, records: &[Record]) -> Result<Outcome, ExecError> {
        let next = self.offsets.entry(topic.to_owned()).or_default();
        let mut batch = RecordBatch::default();
        for record in records {
            record.push_to(&mut batch, *next);
            *next += 1;
        }
        let mut output = TaskOutput::new();
        self.local.process(topic, &batch, &mut output)?;
        self.local.flush(&mut output)?;
        let to_sink = output.records.iter().filter(|(topic, _)| *topic == OutputTopic::Sink);
        Ok(Outcome {
            records: to_sink.flat_map(|(_, batch)| batch.iter().map(Record::of)).collect(),
            rows: std::mem::take(&mut output.rows),
            errors: std::mem::take(&mut output.errors),
        })
    }
}

impl RunningQuery {
    /// Topics that it reads from outside.
    pub fn inputs(&self) -> &[Arc<str>] {
        &self.engine.inputs
    }

    pub fn reads(&self, topic: &str) -> bool {
        self.engine.reads(topic)
    }

    /// The store of the rows that pull queries find.
    pub(super) fn result_store(&self) -> Option<&SharedStore> {
        self.engine.stores.get("result")
    }
}

impl Driver {
    /// Starts a query, or goes on with the state of the one of that id.
    pub(super) fn start(
        &mut self,
        id: String,
        plan: Arc<QueryPlan>,
        sink: Option<Arc<Source>>,
        properties: &BTreeMap<String, String>,
    ) -> Result<(), DriverError> {
        let place = self.queries.iter().position(|query| query.id == id);
        let stores = place.map(|at| self.queries[at].engine.stores.clone()).unwrap_or_default();
        let mut engine = Engine::new(&id, &plan, properties, &self.plugins, stores)
            .map_err(|error| DriverError::statement(error.to_string()))?;
        let internal_topics = std::mem::take(&mut engine.internal_topics);
        match place {
            Some(at) => {
                engine.offsets = std::mem::take(&mut self.queries[at].engine.offsets);
                self.queries[at] = RunningQuery { id, sink, plan, internal_topics, engine };
            }
            None => self.queries.push(RunningQuery { id, sink, plan, internal_topics, engine }),
        }
        Ok(())
    }

    /// Sends records of one topic through a query, and appends what comes out to its sink's topic. Batches are as long as
    /// the driver's batch size. Gives the records that came out.
    pub fn pipe(&mut self, query: usize, topic: &str, records: &[Record]) -> Result<Vec<Record>, DriverError> {
        let mut produced = Vec::new();
        for chunk in records.chunks(self.batch_size) {
            let running = &mut self.queries[query];
            let outcome = running.engine.process(topic, chunk).map_err(DriverError::run)?;
            self.skipped.extend(outcome.errors);
            if let Some(sink) = &running.sink {
                for record in outcome.records {
                    self.topics.append(&sink.topic, record.clone());
                    produced.push(record);
                }
            }
        }
        Ok(produced)
    }

    /// Appends a record to a topic and sends it, and all that comes of it, through every query that reads it: depth first.
    pub fn produce(&mut self, topic: &str, record: Record) -> Result<(), DriverError> {
        self.topics.append(topic, record.clone());
        self.distribute(topic, &[record], 0)
    }

    /// Sends records that a topic already holds through every query that reads it.
    fn distribute(&mut self, topic: &str, records: &[Record], depth: usize) -> Result<(), DriverError> {
        if depth > HOPS_MAX {
            return Err(DriverError::run(format!(
                "Queries feed each other in a circle: {topic} was reached over {HOPS_MAX} hops."
            )));
        }
        for query in 0..self.queries.len() {
            if !self.queries[query].reads(topic) {
                continue;
            }
            let produced = self.pipe(query, topic, records)?;
            let sink = self.queries[query].sink.as_ref().map(|sink| sink.topic.clone());
            if let Some(sink) = sink {
                produced.chunks(self.batch_size).try_for_each(|records| self.distribute(&sink, records, depth + 1))?;
            }
        }
        Ok(())
    }
}

/// Queries one behind the other; more are a circle.
const HOPS_MAX: usize = 100;
