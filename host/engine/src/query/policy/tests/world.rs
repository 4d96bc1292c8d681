//! A query whose function `FLAKY` fails as often as a test says.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{Array, StringArray};
use calzone_exec::policy::{Decide, Decision, Failure as RecordFailure};
use calzone_exec::{Stage, Topology, TopologyOptions};
use calzone_functions::{
    Aggregate, Argument, Binding, Evaluated, FunctionDefinition, Implementation, Registry, RowError, Scalar, ScalarDefinition,
    ScalarOverload, Signature,
};
use calzone_log::{
    EmbeddedLog, EmbeddedSettings, Guarantee, KafkaLog, KafkaSettings, Log, LogKind, Reset, StartOffset, TopicPartition,
    TopicSpec, WorkerOptions,
};
use calzone_plan::error_policy::{ChosenBy, Decider, ErrorPolicy, PolicyAction, PolicySettings, PolicyTopics, QueryPolicy};
use calzone_plan::plan::{PluginUse, StageStep, StepColumn};
use calzone_plan::{Catalog, PlanContext, PluginLookup, QueryPlan, StageOffer, TopicLookup};
use calzone_sandbox::{Grants, Limits};
use calzone_sql::ast::{Grant, Statement};
use calzone_state::{Database, Durability};
use calzone_types::{Header, RecordBatch, RecordRef, SqlType, Value};

use crate::options::EngineOptions;
use crate::processing_log::ProcessingLog;
use crate::query::policy::{LockInfo, read_locks};
use crate::query::runner::{Runner, Work};
use crate::query::{Clock, Failure, Guest, PluginBinding, RunnerHandle, RunnerOptions, StoreHome, now_ms};

/// A clock that stands still until it is moved.
#[derive(Default)]
pub struct Hand(AtomicI64);

impl Clock for Hand {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now_ms() as u64)
    }

    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// How often each value still fails; and every value that was tried, in order.
#[derive(Clone, Default)]
pub struct Flaky {
    fails: Arc<Mutex<HashMap<String, u32>>>,
    pub tried: Arc<Mutex<Vec<String>>>,
}

impl Flaky {
    pub fn fail(&self, value: &str, times: u32) {
        self.fails.lock().unwrap().insert(value.to_owned(), times);
    }
}

impl Scalar for Flaky {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let column = arguments[0].column().clone();
        let values = column.as_string::<i32>();
        let (mut fails, mut errors) = (self.fails.lock().unwrap(), Vec::new());
        for row in (0..rows).filter(|row| values.is_valid(*row)) {
            self.tried.lock().unwrap().push(values.value(row).to_owned());
            if let Some(left) = fails.get_mut(values.value(row)).filter(|left| **left > 0) {
                *left -= 1;
                errors.push(RowError { row: row as u32, message: format!("{} is not ready", values.value(row)) });
            }
        }
        let failed = |row: usize| errors.iter().any(|error| error.row as usize == row);
        let column: StringArray = (0..rows).map(|row| (!failed(row)).then(|| values.value(row))).collect();
        Evaluated { column: Arc::new(column), errors }
    }
}

impl Guest for Flaky {
    fn scalar(&self, _: &str, _: &Binding, _: &Grants) -> Result<Box<dyn Scalar>, String> {
        Ok(Box::new(self.clone()))
    }

    fn aggregate(&self, _: &str, _: &Binding, _: &[Value], _: &Grants) -> Result<Arc<dyn Aggregate>, String> {
        Err("not this one".into())
    }

    fn stage(&self, _: &StageStep, _: &Grants) -> Result<Box<dyn Stage>, String> {
        Err("not this one".into())
    }

    fn error_policy(&self, policy: &str, _: &[(String, String)]) -> Result<Box<dyn Decide>, String> {
        Ok(Box::new(Plugin(policy.to_owned())))
    }
}

/// A policy of a plugin, by its name.
struct Plugin(String);

impl Decide for Plugin {
    fn decide(&mut self, failures: &[RecordFailure<'_>]) -> Vec<Decision> {
        let decide = |failure: &RecordFailure<'_>| match &*self.0 {
            // `{"V":"a"}` becomes `{"V":"a+"}`.
            "mend" => {
                let text = String::from_utf8_lossy(failure.value.unwrap_or_default()).replace("\"}", "+\"}");
                let headers = vec![("mended".into(), Some(failure.offset.to_string().into_bytes()))];
                Decision::Replace { key: failure.key.map(<[u8]>::to_vec), value: Some(text.into_bytes()), headers }
            }
            topic => Decision::DeadLetter { topic: Some(topic.into()), cause: Some("as the plugin wants it".into()) },
        };
        failures.iter().map(decide).collect()
    }
}

/// A server's log and state, and the policy and query that tests are about.
pub struct World {
    directory: tempfile::TempDir,
    /// Behind the names of all topics: a Kafka cluster is shared with other tests.
    suffix: String,
    guarantee: Guarantee,
    pub log: Arc<dyn Log>,
    database: Database,
    processing_log: Arc<ProcessingLog>,
    pub clock: Arc<Hand>,
    pub flaky: Flaky,
    plan: QueryPlan,
}

/// A record as a test sees it: key, value, timestamp, headers.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub key: Option<String>,
    pub value: Option<String>,
    pub timestamp: i64,
    pub headers: Vec<Header>,
}

impl Seen {
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.iter().rev().find(|(n, _)| **n == *name).and_then(|(_, value)| value.clone());
        String::from_utf8(value.unwrap_or_else(|| panic!("no header {name} in {self:?}"))).unwrap()
    }
}

pub fn policy(first: PolicyAction, then: Option<PolicyAction>, settings: PolicySettings) -> QueryPolicy {
    let decider = Decider::Actions { first, then };
    QueryPolicy {
        policy: Arc::new(ErrorPolicy { name: "P".into(), decider, settings, lock_by: None, statement: "".into() }),
        others: Vec::new(),
        chosen_by: ChosenBy::Query,
        named: PolicyTopics::default(),
        dead_letter_topic: "o-dead-letter".into(),
        retry_topic: "o-retry".into(),
        redirect_topic: "o-redirect".into(),
        lock_by: None,
        has_retried: false,
    }
}

impl World {
    /// `SELECT k, FLAKY(v) AS v FROM s`.
    pub fn new(policy: QueryPolicy) -> World {
        World::of("CREATE STREAM o AS SELECT k, FLAKY(v) AS v FROM s EMIT CHANGES;", policy)
    }

    pub fn of(query: &str, policy: QueryPolicy) -> World {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("data")).unwrap();
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(database.clone(), EmbeddedSettings::default()).unwrap());
        World::on(log, database, directory, "", Guarantee::ExactlyOnce, with_policy(plan(None, query, "s"), policy))
    }

    /// A query that names the policy that a statement makes. Its sink is the topic `o`.
    pub fn by_statements(policy: &str, query: &str) -> World {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("data")).unwrap();
        let settings = EmbeddedSettings { durability: Durability::Buffered, ..EmbeddedSettings::default() };
        let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(database.clone(), settings).unwrap());
        World::on(log, database, directory, "", Guarantee::ExactlyOnce, plan(Some(policy), query, "s"))
    }

    /// The same on the cluster at this address.
    pub fn on_kafka(servers: &str, guarantee: Guarantee, policy: QueryPolicy) -> World {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("data")).unwrap();
        let client = BTreeMap::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
        let log = Arc::new(KafkaLog::open(database.clone(), KafkaSettings { client }).unwrap());
        let suffix = format!("-{}-{}", std::process::id(), now_ms());
        let query = "CREATE STREAM o AS SELECT k, FLAKY(v) AS v FROM s EMIT CHANGES;";
        let policy = QueryPolicy {
            dead_letter_topic: format!("{}{suffix}", policy.dead_letter_topic).into(),
            retry_topic: format!("{}{suffix}", policy.retry_topic).into(),
            redirect_topic: format!("{}{suffix}", policy.redirect_topic).into(),
            ..policy
        };
        let plan = with_policy(plan(None, query, &format!("s{suffix}")), policy);
        World::on(log, database, directory, &suffix, guarantee, plan)
    }

    fn on(
        log: Arc<dyn Log>,
        database: Database,
        directory: tempfile::TempDir,
        suffix: &str,
        guarantee: Guarantee,
        plan: QueryPlan,
    ) -> World {
        let suffix = suffix.to_owned();
        for topic in ["s", "o"] {
            log.create_topic(&TopicSpec { name: format!("{topic}{suffix}"), partitions: 1, ..TopicSpec::default() }).unwrap();
        }
        let options = EngineOptions {
            service_id: "test_".into(),
            state_dir: directory.path().into(),
            properties: BTreeMap::from([("ksql.logging.processing.topic.auto.create".into(), "true".into())]),
            compiler: "false".into(),
            limits: Limits::default(),
            outbound: None,
            cluster: None,
        };
        let processing_log = ProcessingLog::start(&log, &options).unwrap();
        let (clock, flaky) = (Arc::new(Hand(AtomicI64::new(1_000_000))), Flaky::default());
        World { directory, suffix, guarantee, log, database, processing_log, clock, flaky, plan }
    }

    /// The query, from its last commit on. Those that were before it must be gone.
    pub fn start(&self) -> Query<'_> {
        self.start_with(true)
    }

    /// Processes what there is, commits nothing of it, and vanishes as in a crash.
    pub fn crash(&self) {
        let mut query = self.start_with(false);
        query.settle().unwrap();
        assert!(query.work.dirty, "there was nothing to lose");
    }

    fn start_with(&self, commits: bool) -> Query<'_> {
        let (query_id, internal_prefix) = ("Q".to_owned(), self.name("q"));
        let options = TopologyOptions { query_id, internal_prefix: internal_prefix.clone(), ..TopologyOptions::default() };
        let topology = Topology::new(&self.plan, &options).unwrap();
        let mut changelog_topics = Vec::new();
        if self.log.kind() == LogKind::Kafka {
            for topic in topology.internal_topics() {
                let spec = TopicSpec { name: topic.name.to_string(), partitions: 1, ..TopicSpec::default() };
                // It is there after a restart.
                let _ = self.log.create_topic(&spec);
                changelog_topics.push(spec.name);
            }
        }
        let mut topics: Vec<String> = topology.parts().iter().flat_map(|p| p.inputs.iter().map(|t| t.to_string())).collect();
        if let (Some(_), Some(policy)) = (topology.retry_store(), topology.error_policy()) {
            topics.push(policy.retry_topic.to_string());
        }
        let plugin = PluginUse { name: "FLAKY".into(), plugin: "p".into(), item: "flaky".into() };
        let binding = || PluginBinding { revision: 1, since: 0, guest: Arc::new(self.flaky.clone()), grants: Grants::default() };
        let bindings = self.plan.plugins.iter().cloned().chain([plugin]).map(|used| (used, binding())).collect();
        let options = RunnerOptions {
            query_id: "Q".into(),
            topology,
            worker: WorkerOptions {
                group: internal_prefix.clone(),
                topics,
                guarantee: self.guarantee,
                transactional_id: internal_prefix,
                auto_offset_reset: Reset::Earliest,
                changelog_topics,
                ..WorkerOptions::default()
            },
            sink_topic: Some(self.name("o")),
            commit_interval: Duration::from_secs(3600),
            commit_when_idle: commits,
            bindings: Arc::new(bindings),
            breaker: Default::default(),
            paused: false,
            clock: self.clock.clone(),
            standbys: None,
            properties: BTreeMap::new(),
        };
        let (log, database) = (self.log.clone(), self.database.clone());
        let (mut runner, handle) = Runner::new(options, log, database, self.processing_log.clone());
        let work = runner.open().unwrap();
        Query { world: self, runner, handle, work }
    }

    /// Appends records of keys and values; a dash is no key. Their timestamps are their numbers.
    pub fn send(&self, rows: &[(&str, &str)]) {
        let mut batch = RecordBatch::default();
        for (i, (key, value)) in rows.iter().enumerate() {
            let value = format!("{{\"V\":\"{value}\"}}");
            self.push(&mut batch, (*key != "-").then_some(*key), value.as_bytes(), i as i64);
        }
        self.log.appender().unwrap().append(&self.name("s"), &batch).unwrap();
    }

    /// Forgets all that this server keeps of the query, as if its disk were new.
    pub fn wipe(&mut self, servers: &str) {
        self.directory = tempfile::tempdir().unwrap();
        self.database = Database::open(&self.directory.path().join("data")).unwrap();
        let client = BTreeMap::from([("bootstrap.servers".to_owned(), servers.to_owned())]);
        self.log = Arc::new(KafkaLog::open(self.database.clone(), KafkaSettings { client }).unwrap());
    }

    pub fn name(&self, topic: &str) -> String {
        format!("{topic}{}", self.suffix)
    }

    /// Appends a record of any bytes.
    pub fn send_bytes(&self, key: &str, value: &[u8]) {
        let mut batch = RecordBatch::default();
        self.push(&mut batch, Some(key), value, 77);
        self.log.appender().unwrap().append(&self.name("s"), &batch).unwrap();
    }

    fn push(&self, batch: &mut RecordBatch, key: Option<&str>, value: &[u8], timestamp: i64) {
        let (key, value, headers) = (key.map(str::as_bytes), Some(value), [("mine".into(), Some(vec![1, 2]))]);
        batch.push(RecordRef { offset: 0, timestamp, partition: 0, key, value, headers: &headers });
    }

    /// All records of a topic.
    pub fn read(&self, topic: &str) -> Vec<Seen> {
        let topic = &*self.name(topic);
        let Some(end) = self.log.offsets(topic).unwrap().first().map(|o| o.latest) else { return Vec::new() };
        let place = TopicPartition::new(topic.to_owned(), 0);
        let mut reader = self.log.reader(&[(place.clone(), StartOffset::At(0))]).unwrap();
        let (mut seen, text) = (Vec::new(), |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned());
        while reader.position(&place) < end {
            let mut fetched = Vec::new();
            reader.poll(&mut fetched, 1000, Duration::from_secs(1)).unwrap();
            seen.extend(fetched.iter().flat_map(|part| part.records.iter()).map(|record| Seen {
                key: record.key.map(text),
                value: record.value.map(text),
                timestamp: record.timestamp,
                headers: record.headers.to_vec(),
            }));
        }
        seen
    }

    /// Offset and message of each entry of the processing log, once nothing is on its way there.
    pub fn reported(&self) -> Vec<(i64, String)> {
        self.processing_log.stop();
        let entry = |seen: Seen| {
            let entry: serde_json::Value = serde_json::from_str(&seen.value.unwrap_or_default()).unwrap();
            let kinds = ["deserializationError", "recordProcessingError", "productionError", "serializationError"];
            let message = &entry["message"];
            let text = kinds.iter().find_map(|kind| message[kind]["errorMessage"].as_str());
            (message["offset"].as_i64().unwrap(), text.unwrap_or_default().to_owned())
        };
        self.read("test_ksql_processing_log").into_iter().map(entry).collect()
    }

    /// The values that the query has written.
    pub fn output(&self) -> Vec<String> {
        let value = |seen: Seen| {
            let value: serde_json::Value = serde_json::from_str(&seen.value.unwrap_or_default()).unwrap();
            value["V"].as_str().unwrap_or("null").to_owned()
        };
        self.read("o").into_iter().map(value).collect()
    }

    /// The locks as they were committed.
    pub fn locks(&self) -> Vec<LockInfo> {
        let home = StoreHome { database: self.database.clone(), query_id: "Q".into() };
        read_locks(&home, "retry", [0], 1000).unwrap()
    }

    pub fn wait(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// A running query.
pub struct Query<'a> {
    world: &'a World,
    pub runner: Runner,
    pub handle: RunnerHandle,
    work: Work,
}

impl Query<'_> {
    /// Takes steps until there is nothing more to do now.
    pub fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..40 {
            (self.work.worker.wake_handle())();
            self.runner.step(&mut self.work)?;
        }
        Ok(())
    }

    /// Takes some steps.
    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            (self.work.worker.wake_handle())();
            self.runner.step(&mut self.work).unwrap();
        }
    }

    /// Takes steps until something is so.
    pub fn until(&mut self, what: &str, done: impl Fn() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(60), "{what}: not so after a minute");
            for _ in 0..3 {
                self.runner.step(&mut self.work).unwrap();
            }
        }
    }

    /// Waits, then settles.
    pub fn after(&mut self, ms: i64) {
        self.world.wait(ms);
        self.settle().unwrap();
    }
}

fn with_policy(plan: QueryPlan, policy: QueryPolicy) -> QueryPlan {
    QueryPlan { error_policy: Some(Arc::new(policy)), ..plan }
}

fn plan(policy: Option<&str>, query: &str, topic: &str) -> QueryPlan {
    let mut catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
    let overload = ScalarOverload {
        signature: Signature::of(&[("value", SqlType::Varchar)], SqlType::Varchar),
        description: String::new(),
        implementation: Implementation::Plugin { plugin: "p".into(), function: "flaky".into() },
    };
    catalog.functions.add_scalar(ScalarDefinition::built_in("FLAKY", "OTHER", "", vec![overload], &[]));
    let source = format!("CREATE STREAM s (k VARCHAR KEY, v VARCHAR) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON');");
    let parsed = calzone_sql::parse_statement(&source).unwrap();
    let Statement::CreateSource(statement) = &parsed.statement else { panic!("it creates no source") };
    let created = calzone_plan::create_source(&context(&catalog.clone()), statement, &source).unwrap();
    catalog.sources.insert(created.source.name.to_string(), Arc::new(created.source));
    if let Some(policy) = policy {
        let parsed = calzone_sql::parse_statement(policy).unwrap();
        let Statement::CreateErrorPolicy(statement) = &parsed.statement else { panic!("{policy} makes no policy") };
        let made = calzone_plan::create_error_policy(&context(&catalog.clone()), statement).unwrap().unwrap();
        catalog.error_policies.insert(made.name.to_string(), Arc::new(made));
    }
    let parsed = calzone_sql::parse_statement(query).unwrap();
    let Statement::CreateSourceAs(statement) = &parsed.statement else { panic!("{query} is no query") };
    calzone_plan::create_source_as(&context(&catalog), statement, query, "Q").unwrap().plan
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

    fn error_policy(&self, _: &str, policy: Option<&str>, _: &[(String, String)]) -> Result<Arc<str>, String> {
        policy.map(Arc::from).ok_or_else(|| "name the policy".into())
    }
}
