//! What runs in a simulation: streams of numbered rows, and queries over them whose results a model can tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_exec::{Changelog, Topology, TopologyOptions};
use calzone_functions::Registry;
use calzone_log::{Guarantee, Log, LogError, LogKind, Reset, TopicSpec, WorkerOptions};
use calzone_plan::{Catalog, CreateQueryPlan, PlanContext, QueryPlan, TopicLookup};
use calzone_sql::ast::Statement;

use crate::guest::PlayedPlugins;
use crate::random::Random;

/// Topic of the rows that every query can read.
pub const INPUT: &str = "s";

/// Topic of the rows of which some fail: only queries with an error policy read it.
pub const FAILING_INPUT: &str = "p";

/// What is judged of a query's sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Rows with `n % 5 <> 0`, once each, in the order of their keys.
    Copy,
    /// Rows that the stage does not fail for, with the revision they met.
    Stage,
    /// Count and sum for each value of `g`.
    CountByGroup,
    /// Count and sum of the copied rows for each key.
    CountOfCopies,
    /// Count and sum for each key and ten seconds.
    CountByWindow,
    /// Under a policy: a stage that fails for good, for a while, or as long as an outage lasts.
    Tried,
    /// Under a policy: rows of which some cannot be computed, and some are too large to be written.
    Written,
    /// Under a policy: count and sum for each key, as long as the sum is small enough.
    Totals,
}

impl Judged {
    /// Does it have an error policy?
    pub fn is_under_policy(self) -> bool {
        matches!(self, Judged::Tried | Judged::Written | Judged::Totals)
    }
}

/// More bytes than a record may have in the simulated logs.
const TOO_MANY_BYTES: usize = 2 * crate::cluster::RECORD_BYTES_MAX;

/// All statements without a policy, in an order in which each finds what it needs.
const STATEMENTS: [(&str, Option<Judged>); 6] = [
    (
        "CREATE STREAM s (k VARCHAR KEY, id BIGINT, g VARCHAR, n BIGINT) \
         WITH (KAFKA_TOPIC='s', KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON');",
        None,
    ),
    (
        "CREATE STREAM copied WITH (KAFKA_TOPIC='copied') AS SELECT k, id, g, n FROM s WHERE n % 5 <> 0 EMIT CHANGES;",
        Some(Judged::Copy),
    ),
    (
        "CREATE TABLE counts WITH (KAFKA_TOPIC='counts', KEY_FORMAT='KAFKA') AS \
         SELECT g, COUNT(*) AS c, SUM(id) AS total FROM s GROUP BY g EMIT CHANGES;",
        Some(Judged::CountByGroup),
    ),
    (
        "CREATE TABLE chained WITH (KAFKA_TOPIC='chained', KEY_FORMAT='KAFKA') AS \
         SELECT k, COUNT(*) AS c, SUM(id) AS total FROM copied GROUP BY k EMIT CHANGES;",
        Some(Judged::CountOfCopies),
    ),
    (
        "CREATE TABLE windows WITH (KAFKA_TOPIC='windows', KEY_FORMAT='KAFKA') AS \
         SELECT k, COUNT(*) AS c, SUM(id) AS total FROM s WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY k EMIT CHANGES;",
        Some(Judged::CountByWindow),
    ),
    ("CREATE STAGE staged FROM s INTO staged_rows USING PLUGIN 'played';", Some(Judged::Stage)),
];

/// Policies, and queries that use one.
fn statements_with_policies(random: &mut Random) -> Vec<(String, Option<Judged>)> {
    let lock_by = if random.percent(25) { "LOCK BY g " } else { "" };
    let chain = if random.percent(30) { "DEAD LETTER ALL" } else { "RELEASE" };
    let backoff = "ATTEMPTS=3, BACKOFF='FIXED', BACKOFF_INITIAL_MS=80, BACKOFF_JITTER=0.5";
    let all = ["orderly", "patient", "bury"];
    let [tried, written, totals] = [(); 3].map(|()| *random.pick(&all));
    vec![
        (
            "CREATE STREAM p (k VARCHAR KEY, id BIGINT, g VARCHAR, n BIGINT) \
             WITH (KAFKA_TOPIC='p', KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON');"
                .into(),
            None,
        ),
        (format!("CREATE ERROR POLICY orderly AS RETRY IN ORDER {lock_by}WITH ({backoff}, CHAIN='{chain}');"), None),
        (format!("CREATE ERROR POLICY patient AS RETRY WITH ({backoff});"), None),
        ("CREATE ERROR POLICY bury AS DEAD LETTER;".into(), None),
        (
            "CREATE STAGE ordered FROM p INTO ordered_rows USING PLUGIN 'played' CONFIG (moody = 'true') ON ERROR orderly;"
                .into(),
            Some(Judged::Tried),
        ),
        (
            format!("CREATE STAGE tried FROM p INTO tried_rows USING PLUGIN 'played' CONFIG (moody = 'true') ON ERROR {tried};"),
            Some(Judged::Tried),
        ),
        (
            format!(
                "CREATE STREAM written WITH (KAFKA_TOPIC='written', ERROR_POLICY='{written}') AS SELECT k, id, \
                 CAST(CASE WHEN n % 11 = 3 THEN 'none' ELSE '1' END AS INT) AS number, \
                 LPAD('', CASE WHEN n % 13 = 4 THEN {TOO_MANY_BYTES} ELSE 1 END, 'x') AS pad FROM p EMIT CHANGES;"
            ),
            Some(Judged::Written),
        ),
        (
            format!(
                "CREATE TABLE totals WITH (KAFKA_TOPIC='totals', KEY_FORMAT='KAFKA', ERROR_POLICY='{totals}') AS \
                 SELECT k, COUNT(*) AS c, SUM(CAST(CASE WHEN n % 11 = 3 THEN CAST({LARGEST_TOTAL} AS BIGINT) ELSE id END \
                 AS DECIMAL(9, 0))) AS total FROM p GROUP BY k EMIT CHANGES;"
            ),
            Some(Judged::Totals),
        ),
    ]
}

/// The largest sum that the totals can hold.
pub const LARGEST_TOTAL: i64 = 999_999_999;

/// A query that runs on every server.
pub struct Query {
    pub id: String,
    pub judged: Judged,
    pub plan: Arc<QueryPlan>,
    pub sink_topic: String,
    /// 0: every change of a table is written.
    pub cache_bytes: usize,
}

struct Topics<'a>(&'a dyn Log);

impl TopicLookup for Topics<'_> {
    fn partitions(&self, topic: &str) -> Option<i32> {
        self.0.topic(topic).ok().flatten().map(|topic| topic.partitions)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.partitions(topic).map(|_| 1)
    }
}

fn ensure(log: &dyn Log, name: &str, partitions: i32) {
    let spec = TopicSpec { name: name.to_owned(), partitions, replicas: 1, config: Vec::new() };
    match log.create_topic(&spec) {
        Ok(()) | Err(LogError::TopicExists { .. }) => {}
        Err(error) => panic!("creating {name}: {error}"),
    }
}

/// Plans some of the queries on a new log and makes their topics.
pub fn queries(log: &dyn Log, partitions: i32, random: &mut Random) -> Vec<Query> {
    let mut catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
    let properties = BTreeMap::from([("ksql.persistence.default.format.key".to_owned(), "KAFKA".to_owned())]);
    let mut queries: Vec<Query> = Vec::new();
    ensure(log, INPUT, partitions);
    ensure(log, FAILING_INPUT, partitions);
    let statements = STATEMENTS.iter().map(|(text, judged)| ((*text).to_owned(), *judged));
    for (text, judged) in statements.chain(statements_with_policies(random)) {
        let text = text.as_str();
        // The chain needs the copy; the rest is up to chance.
        let needed = judged == Some(Judged::CountOfCopies) && !queries.iter().any(|q| q.judged == Judged::Copy);
        if needed || (judged.is_some() && random.percent(55)) {
            continue;
        }
        let parsed = calzone_sql::parse_statement(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let topics = Topics(log);
        let context = PlanContext { catalog: &catalog, properties: &properties, topics: &topics, plugins: &PlayedPlugins };
        let id = format!("Q{}", queries.len());
        let planned: CreateQueryPlan = match &parsed.statement {
            Statement::CreateSource(create) => {
                let plan = calzone_plan::create_source(&context, create, text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
                catalog.sources.insert(plan.source.name.to_string(), Arc::new(plan.source));
                continue;
            }
            Statement::CreateErrorPolicy(create) => {
                let policy = calzone_plan::create_error_policy(&context, create).unwrap_or_else(|e| panic!("{text}: {e:?}"));
                let policy = policy.unwrap_or_else(|| panic!("{text}: it is there already"));
                catalog.error_policies.insert(policy.name.to_string(), Arc::new(policy));
                continue;
            }
            Statement::CreateSourceAs(create) => calzone_plan::create_source_as(&context, create, text, &id),
            Statement::CreateStage(create) => calzone_plan::create_stage(&context, create, text, &id),
            other => panic!("no such statement is simulated: {other:?}"),
        }
        .unwrap_or_else(|e| panic!("{text}: {e:?}"));
        ensure(log, &planned.topic.name, planned.topic.partitions.unwrap_or(partitions));
        let sink_topic = planned.source.topic.to_string();
        catalog.sources.insert(planned.source.name.to_string(), Arc::new(planned.source));
        let Some(judged) = judged else { continue };
        let cache_bytes = if random.percent(70) { 0 } else { 10_000 };
        queries.push(Query { id, judged, plan: Arc::new(planned.plan), sink_topic, cache_bytes });
    }
    for query in &queries {
        let topology = query.topology();
        for internal in topology.internal_topics() {
            let changelog = topology.stores().iter().any(|s| s.changelog == Changelog::Internal(internal.name.clone()));
            if !changelog || log.kind() == LogKind::Kafka {
                ensure(log, &internal.name, partitions);
            }
        }
    }
    queries
}

impl Query {
    /// What it is, and the error policy that it has.
    pub fn summary(&self) -> String {
        let policy = self.plan.error_policy.as_ref().map(|policy| format!(" ({})", policy.policy.statement));
        format!("{:?}{}", self.judged, policy.unwrap_or_default())
    }

    fn prefix(&self) -> String {
        format!("query_{}", self.id)
    }

    pub fn group(&self) -> String {
        self.prefix()
    }

    pub fn topology(&self) -> Topology {
        let options = TopologyOptions {
            query_id: self.id.clone(),
            internal_prefix: self.prefix(),
            cache_bytes: self.cache_bytes,
            properties: BTreeMap::new(),
        };
        Topology::new(&self.plan, &options).expect("the plan can be run")
    }

    /// Topics that the query reads, internal ones and what waits to be tried again among them.
    pub fn inputs(&self) -> Vec<String> {
        let topology = self.topology();
        let mut topics: Vec<String> = topology.parts().iter().flat_map(|p| p.inputs.iter().map(|t| t.to_string())).collect();
        if let (Some(_), Some(policy)) = (topology.retry_store(), topology.error_policy()) {
            topics.push(policy.retry_topic.to_string());
        }
        topics.sort();
        topics.dedup();
        topics
    }

    /// As the engine makes them for a server of that name.
    pub fn worker_options(&self, server: &str, guarantee: Guarantee) -> WorkerOptions {
        let topology = self.topology();
        let changelogs = topology.stores().iter().filter_map(|s| match &s.changelog {
            Changelog::Internal(topic) => Some(topic.to_string()),
            Changelog::Topic(_) => None,
        });
        WorkerOptions {
            group: self.group(),
            topics: self.inputs(),
            guarantee,
            transactional_id: format!("{}-{server}", self.prefix()),
            auto_offset_reset: Reset::Earliest,
            changelog_topics: changelogs.collect(),
            client_settings: BTreeMap::new(),
        }
    }
}
