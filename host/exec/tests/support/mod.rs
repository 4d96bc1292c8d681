//! Plans statements, feeds records and shows what comes out as lines: key, window, timestamp, value.

mod steps_sum;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use calzone_exec::{
    BuiltInsOnly, Environment, Local, OutputTopic, Stage, StoreSpec, TaskOutput, TaskStore, Topology, TopologyOptions,
};
use calzone_functions::{Aggregate, Binding, FunctionDefinition, Registry, Scalar};
use calzone_plan::plan::{Output, StageStep, StepColumn};
use calzone_plan::{Catalog, PlanContext, PluginLookup, QueryPlan, Source, StageOffer, TopicLookup, WindowType};
use calzone_sql::ast::{Grant, Statement};
use calzone_state::{MemoryStore, Store, Visit};
use calzone_types::{RecordBatch, RecordRef, SqlType, Value};

/// Records of one topic: key, timestamp, value.
pub fn records(rows: &[(&str, i64, Option<&str>)]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (offset, (key, timestamp, value)) in rows.iter().enumerate() {
        batch.push(RecordRef {
            offset: offset as i64,
            timestamp: *timestamp,
            partition: 0,
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &[],
        });
    }
    batch
}

/// A query and its input.
pub struct Query {
    plan: QueryPlan,
    input: Vec<Input>,
}

enum Input {
    Record { topic: String, key: String, timestamp: i64, value: Option<String> },
    Flush,
}

/// When tasks are thrown away and made anew over their stores.
#[derive(Clone, Copy, PartialEq)]
enum Restart {
    Never,
    AfterEachBatch,
}

impl Query {
    pub fn new(sources: &[&str], query: &str) -> Query {
        let mut catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
        catalog.functions.add_aggregate(steps_sum::definition());
        for source in sources {
            let parsed = calzone_sql::parse_statement(source).expect("the source parses");
            let Statement::CreateSource(statement) = &parsed.statement else { panic!("{source} creates no source") };
            let created = {
                let snapshot = catalog.clone();
                calzone_plan::create_source(&context(&snapshot), statement, source).expect("the source can be planned")
            };
            catalog.sources.insert(created.source.name.to_string(), Arc::new(created.source));
        }
        let parsed = calzone_sql::parse_statement(query).expect("the query parses");
        let Statement::CreateSourceAs(statement) = &parsed.statement else { panic!("{query} is no query") };
        let plan = calzone_plan::create_source_as(&context(&catalog), statement, query, "Q_0");
        Query { plan: plan.unwrap_or_else(|error| panic!("{query}: {error}")).plan, input: Vec::new() }
    }

    pub fn record(mut self, topic: &str, key: &str, timestamp: i64, value: &str) -> Query {
        self.input.push(Input::Record { topic: topic.into(), key: key.into(), timestamp, value: Some(value.into()) });
        self
    }

    pub fn tombstone(mut self, topic: &str, key: &str, timestamp: i64) -> Query {
        self.input.push(Input::Record { topic: topic.into(), key: key.into(), timestamp, value: None });
        self
    }

    pub fn flush(mut self) -> Query {
        self.input.push(Input::Flush);
        self
    }

    /// Checks the output, in batches of any size and with restarts.
    pub fn gives(&self, expected: &[&str]) {
        assert_eq!(self.run(1, Restart::Never, 0), expected);
        self.agrees();
    }

    /// Checks the output with a cache that nothing overflows.
    pub fn gives_cached(&self, expected: &[&str]) {
        for size in [1, 7, 4096] {
            assert_eq!(self.run(size, Restart::Never, 1 << 20), expected, "in batches of {size}");
        }
    }

    /// Checks that batches and restarts change nothing.
    pub fn agrees(&self) {
        let single = self.run(1, Restart::Never, 0);
        for (size, restart) in
            [(7, Restart::Never), (4096, Restart::Never), (1, Restart::AfterEachBatch), (7, Restart::AfterEachBatch)]
        {
            let other = self.run(size, restart, 0);
            assert_eq!(single, other, "batches of {size}, restarted: {}", restart == Restart::AfterEachBatch);
        }
    }

    /// The query's parts, without a cache.
    pub fn topology(&self) -> Topology {
        let options = TopologyOptions { query_id: "Q_0".into(), internal_prefix: "internal-Q_0".into(), ..Default::default() };
        Topology::new(&self.plan, &options).expect("the topology can be made")
    }

    /// The sink.
    pub fn sink(&self) -> Arc<Source> {
        let Output::Sink(sink) = &self.plan.output else { panic!("the query has no sink") };
        sink.sink.clone()
    }

    fn run(&self, batch_size: usize, restart: Restart, cache_bytes: usize) -> Vec<String> {
        let options = TopologyOptions {
            query_id: "Q_0".into(),
            internal_prefix: "internal-Q_0".into(),
            cache_bytes,
            properties: BTreeMap::new(),
        };
        let topology = Topology::new(&self.plan, &options).expect("the topology can be made");
        let mut environment = Remembering::default();
        let mut local = Local::new(&topology, &mut environment).expect("the tasks can be made");
        let mut out = TaskOutput::new();
        let mut offsets: BTreeMap<&str, i64> = BTreeMap::new();
        let mut at = 0;
        while at < self.input.len() {
            let Input::Record { topic, .. } = &self.input[at] else {
                local.flush(&mut out).expect("flushes");
                at += 1;
                continue;
            };
            let mut batch = RecordBatch::default();
            while let Some(Input::Record { topic: t, key, timestamp, value }) = self.input.get(at)
                && t == topic
                && batch.len() < batch_size
            {
                let offset = offsets.entry(topic).or_default();
                batch.push(RecordRef {
                    offset: *offset,
                    timestamp: *timestamp,
                    partition: 0,
                    key: Some(key.as_bytes()),
                    value: value.as_ref().map(String::as_bytes),
                    headers: &[],
                });
                *offset += 1;
                at += 1;
            }
            local.process(topic, &batch, &mut out).expect("the records can be processed");
            if restart == Restart::AfterEachBatch {
                local.flush(&mut out).expect("flushes");
                local = Local::new(&topology, &mut environment).expect("the tasks can be made again");
            }
        }
        local.flush(&mut out).expect("flushes");
        self.lines(&out)
    }

    fn lines(&self, out: &TaskOutput) -> Vec<String> {
        let Output::Sink(sink) = &self.plan.output else { return Vec::new() };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let records = out.records.iter().filter(|(topic, _)| *topic == OutputTopic::Sink).flat_map(|(_, batch)| batch.iter());
        let line = |record: RecordRef<'_>| {
            let mut key = record.key.unwrap_or_default();
            let mut window = String::new();
            if let Some(kind) = sink.sink.window {
                let mut bound = || {
                    let (rest, bound) = key.split_last_chunk::<8>().expect("the key has a window");
                    key = rest;
                    i64::from_be_bytes(*bound)
                };
                let start = bound();
                let end =
                    if kind.kind == WindowType::Session { bound() } else { start + kind.size_ms.expect("windows have a size") };
                window = format!("[{start},{end}]");
            }
            let value = record.value.map_or("null".to_owned(), text);
            format!("{}{window} {} {value}", text(key), record.timestamp)
        };
        records.map(line).collect()
    }
}

fn context(catalog: &Catalog) -> PlanContext<'_> {
    static NO_PROPERTIES: BTreeMap<String, String> = BTreeMap::new();
    PlanContext { catalog, properties: &NO_PROPERTIES, topics: &OnePartition, plugins: &NoPlugins }
}

struct OnePartition;

impl TopicLookup for OnePartition {
    fn partitions(&self, _: &str) -> Option<i32> {
        Some(1)
    }

    fn replicas(&self, _: &str) -> Option<i32> {
        Some(1)
    }
}

struct NoPlugins;

impl PluginLookup for NoPlugins {
    fn stage(
        &self,
        _: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        _: &[StepColumn],
        _: &[usize],
    ) -> Result<StageOffer, String> {
        Err("there are no plugins".into())
    }

    fn function(&self, _: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err("there are no plugins".into())
    }
}

/// Stores outlive the tasks that use them.
#[derive(Default)]
struct Remembering {
    stores: BTreeMap<String, Shared>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<MemoryStore>>);

impl Environment for Remembering {
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String> {
        BuiltInsOnly.scalar(plugin, function, binding)
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        state: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        BuiltInsOnly.aggregate(plugin, function, binding, init, state)
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        BuiltInsOnly.stage(step)
    }

    fn store(&mut self, spec: &StoreSpec, _: i32) -> Result<Box<dyn TaskStore>, String> {
        Ok(Box::new(self.stores.entry(spec.name.to_string()).or_default().clone()))
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut MemoryStore) -> T) -> T {
        work(&mut self.0.lock().expect("no test panics while it holds a store"))
    }
}

impl Store for Shared {
    fn get_with(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> calzone_state::Result<bool> {
        self.with(|store| store.get_with(key, visit))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> calzone_state::Result<()> {
        self.with(|store| store.put(key, value))
    }

    fn delete(&mut self, key: &[u8]) -> calzone_state::Result<()> {
        self.with(|store| store.delete(key))
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> calzone_state::Result<()> {
        self.with(|store| store.range(from, to, visit))
    }

    fn range_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> calzone_state::Result<()> {
        self.with(|store| store.range_reverse(from, to, visit))
    }
}
