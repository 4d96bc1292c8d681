//! Persistent queries: CREATE … AS, INSERT INTO, and what starting and ending one involves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use calzone_exec::{Changelog, Topology, TopologyOptions};
use calzone_log::{Guarantee, LogError, LogKind, Reset, TopicSpec, WorkerOptions};
use calzone_plan::catalog::QueryInfo;
use calzone_plan::{CreateQueryPlan, PlanContext, QueryPlan};
use calzone_sql::ast;

use super::{Apply, Effect, change_catalog, kind_word};
use crate::StatementError;
use crate::engine::Engine;
use crate::options::streams_setting;
use crate::query::{Breaker, BreakerSettings, ChooseStandbys, Runner, RunnerOptions, StoreHome, SystemClock};
use crate::state::{PersistentQuery, StageEntry, State};
use crate::submit::plan_error;

/// ksqlDB's defaults, and ours where outputs become visible only at a commit.
const COMMIT_INTERVAL_AT_LEAST_ONCE_MS: u64 = 2000;
const COMMIT_INTERVAL_EXACTLY_ONCE_MS: u64 = 100;
const CACHE_BYTES: usize = 10_000_000;

/// What a statement was sent with.
pub struct Settings<'a> {
    /// All settings in force.
    pub properties: &'a BTreeMap<String, String>,
    /// Those of the session alone.
    pub overrides: &'a BTreeMap<String, String>,
    pub statement: &'a str,
    pub how: Apply,
}

pub fn create_as(
    context: &PlanContext<'_>,
    create: &ast::CreateSourceAs,
    text: &str,
    query_id: &str,
) -> Result<Effect, StatementError> {
    let plan = calzone_plan::create_source_as(context, create, text, query_id).map_err(|e| plan_error(&e, text))?;
    if plan.already_exists {
        return Ok(Effect::Exists(format!(
            "{} {} is there already, so nothing was created.",
            kind_word(create.kind),
            create.name.node
        )));
    }
    Ok(Effect::AddQuery { plan: Box::new(plan), stage: None })
}

pub fn insert_into(
    context: &PlanContext<'_>,
    insert: &ast::InsertInto,
    text: &str,
    query_id: &str,
) -> Result<Effect, StatementError> {
    let plan = calzone_plan::insert_into(context, insert, text, query_id).map_err(|e| plan_error(&e, text))?;
    if context.catalog.queries.contains_key(query_id) {
        return Err(StatementError::bad_statement(
            format!("There is a query {query_id} already; choose another QUERY_ID."),
            text,
        ));
    }
    Ok(Effect::AddQuery { plan: Box::new(plan), stage: None })
}

/// Makes the sink and the query that fills it.
pub fn add(
    engine: &Engine,
    state: &mut State,
    plan: CreateQueryPlan,
    stage: Option<StageEntry>,
    query_id: &str,
    settings: &Settings<'_>,
) -> Result<(String, Option<String>), StatementError> {
    let sink = Arc::new(plan.source);
    let mut id = query_id.to_owned();
    if plan.replaces
        && let Some(old) = sink_query(state, &sink.name)
    {
        // CREATE OR REPLACE keeps the query's id, offsets and state.
        stop(state, &old);
        state.queries.remove(&old);
        id = old;
    }
    let created_by = sink.created_by.is_some();
    let mut sink_source = (*sink).clone();
    if created_by {
        sink_source.created_by = Some(id.as_str().into());
    }
    let sink = Arc::new(sink_source);
    change_catalog(state, |catalog| {
        catalog.sources.insert(sink.name.to_string(), sink.clone());
    });
    let mut names = vec![sink.name.to_string()];
    let mut topics = vec![sink.topic.to_string()];
    for (other, _) in plan.others {
        names.push(other.name.to_string());
        topics.push(other.topic.to_string());
        change_catalog(state, |catalog| {
            catalog.sources.insert(other.name.to_string(), Arc::new(other));
        });
    }
    if let Some(stage) = stage {
        state.stages.insert(stage.name.clone(), stage);
    }
    insert(engine, state, &id, Arc::new(plan.plan), names, topics, settings)?;
    Ok((format!("Created query with ID {id}"), Some(id)))
}

fn sink_query(state: &State, sink: &str) -> Option<String> {
    state
        .catalog
        .sources
        .get(sink)
        .and_then(|s| s.created_by.as_ref())
        .map(|id| id.to_string())
        .filter(|id| state.queries.contains_key(id))
}

/// Adds a query to the state, and starts it unless a replay will start it at its end.
pub fn insert(
    engine: &Engine,
    state: &mut State,
    id: &str,
    plan: Arc<QueryPlan>,
    sinks: Vec<String>,
    sink_topics: Vec<String>,
    settings: &Settings<'_>,
) -> Result<(), StatementError> {
    let query = PersistentQuery {
        id: id.to_owned(),
        statement: settings.statement.to_owned(),
        plan: plan.clone(),
        sinks: sinks.clone(),
        sink_topics,
        properties: settings.properties.clone(),
        overrides: settings.overrides.clone(),
        paused: false,
        internal_topics: Vec::new(),
        runner: None,
    };
    state.queries.insert(id.to_owned(), query);
    let info = QueryInfo {
        id: id.to_owned(),
        reads: plan.reads.iter().map(|r| r.to_string()).collect(),
        writes: sinks,
        functions: plan.plugins.iter().map(|p| p.name.to_string()).collect(),
        statement: settings.statement.to_owned(),
        plan,
    };
    change_catalog(state, |catalog| {
        catalog.queries.insert(id.to_owned(), Arc::new(info));
    });
    if settings.how == Apply::Live
        && let Err(e) = start_runner(engine, state, id)
    {
        // The query is part of the state on every server; here it is started again until that succeeds.
        tracing::error!(query = id, error = %e, "query could not be started; it will be tried again");
    }
    Ok(())
}

/// Gives a query another plan of the same shape: it commits, and goes on with the new one.
pub fn replace_plan(engine: &Engine, state: &mut State, id: &str, plan: Arc<QueryPlan>, how: Apply) {
    let Some(query) = state.queries.get_mut(id) else { return };
    query.plan = plan.clone();
    change_catalog(state, |catalog| {
        if let Some(info) = catalog.queries.get_mut(id) {
            *info = Arc::new(QueryInfo { plan, ..(**info).clone() });
        }
    });
    if how != Apply::Live {
        return;
    }
    stop(state, id);
    if let Some(query) = state.queries.get_mut(id) {
        query.runner = None;
    }
    if let Err(e) = start_runner(engine, state, id) {
        tracing::error!(query = id, error = %e, "query could not be started; it will be tried again");
    }
}

/// Starts the thread of a query that is in the state.
pub fn start_runner(engine: &Engine, state: &mut State, id: &str) -> Result<(), StatementError> {
    let internal = |e: &dyn std::fmt::Display| StatementError::internal(format!("query {id} cannot be started: {e}"));
    let query = state.queries.get(id).ok_or_else(|| internal(&"it is not there"))?;
    let bindings = state.bindings(&query.plan.plugins, &engine.plugin_store)?;
    let properties = &query.properties;
    let embedded = engine.log.kind() == LogKind::Embedded;
    let exactly_once =
        embedded || streams_setting(properties, "processing.guarantee").is_some_and(|g| g.starts_with("exactly_once"));
    let number = |name: &str| streams_setting(properties, name).and_then(|v| v.trim().parse::<u64>().ok());
    let commit_default = if exactly_once { COMMIT_INTERVAL_EXACTLY_ONCE_MS } else { COMMIT_INTERVAL_AT_LEAST_ONCE_MS };
    let prefix = engine.options.query_prefix(id);
    let options = TopologyOptions {
        query_id: id.to_owned(),
        internal_prefix: prefix.clone(),
        cache_bytes: number("cache.max.bytes.buffering").map_or(CACHE_BYTES, |n| n as usize),
        properties: properties.clone(),
    };
    let topology = Topology::new(&query.plan, &options).map_err(|e| internal(&e))?;
    let internal_topics = create_internal_topics(engine, &topology, properties)?;
    let mut topics: Vec<String> = topology.parts().iter().flat_map(|p| p.inputs.iter().map(|t| t.to_string())).collect();
    if topology.retry_store().is_some() {
        topics.extend(topology.error_policy().map(|policy| policy.retry_topic.to_string()));
    }
    topics.sort();
    topics.dedup();
    let earliest = streams_setting(properties, "auto.offset.reset").is_some_and(|v| v.eq_ignore_ascii_case("earliest"));
    let changelog_topics = topology
        .stores()
        .iter()
        .filter_map(|s| match &s.changelog {
            Changelog::Internal(topic) => Some(topic.to_string()),
            Changelog::Topic(_) => None,
        })
        .collect();
    let worker = WorkerOptions {
        group: prefix.clone(),
        topics,
        guarantee: if exactly_once { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce },
        transactional_id: format!("{prefix}-{}", engine.instance_id()),
        auto_offset_reset: if earliest { Reset::Earliest } else { Reset::Latest },
        changelog_topics,
        client_settings: client_settings(properties),
    };
    let replicas = number("num.standby.replicas").unwrap_or(0) as usize;
    let standbys: Option<ChooseStandbys> = (replicas > 0 && !embedded && engine.cluster.is_some()).then(|| {
        let (engine, id) = (engine.handle(), id.to_owned());
        Arc::new(move || Engine::standbys_of(&engine, &id, replicas)) as ChooseStandbys
    });
    let options = RunnerOptions {
        query_id: id.to_owned(),
        sink_topic: query.sink_topics.first().cloned(),
        topology,
        worker,
        commit_interval: Duration::from_millis(number("commit.interval.ms").unwrap_or(commit_default)),
        commit_when_idle: exactly_once,
        bindings: Arc::new(bindings),
        breaker: Arc::new(Breaker::new(BreakerSettings::of(&engine.options.properties))),
        paused: query.paused,
        clock: Arc::new(SystemClock::default()),
        standbys,
        properties: properties.clone(),
    };
    let runner = Runner::start(options, engine.log.clone(), engine.database.clone(), engine.processing_log.clone())
        .map_err(|e| internal(&e))?;
    let query = state.queries.get_mut(id).ok_or_else(|| internal(&"it is not there"))?;
    query.internal_topics = internal_topics;
    query.runner = Some(Arc::new(runner));
    Ok(())
}

/// Kafka client settings of a query: those after `ksql.streams.` that are the client's own.
fn client_settings(properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    properties
        .iter()
        .filter_map(|(name, value)| name.strip_prefix("ksql.streams.").map(|bare| (bare, value)))
        .filter(|(bare, _)| bare.starts_with("consumer.") || bare.starts_with("producer."))
        .map(|(bare, value)| (bare.to_owned(), value.clone()))
        .collect()
}

/// Creates repartition and changelog topics where they are missing.
fn create_internal_topics(
    engine: &Engine,
    topology: &Topology,
    properties: &BTreeMap<String, String>,
) -> Result<Vec<String>, StatementError> {
    let failed = |topic: &str, e: LogError| StatementError::internal(format!("internal topic {topic} cannot be created: {e}"));
    let replicas = properties.get("ksql.internal.topic.replicas").and_then(|v| v.parse().ok()).unwrap_or(1);
    let mut names = Vec::new();
    for internal in topology.internal_topics() {
        let changelog = topology.stores().iter().any(|s| s.changelog == Changelog::Internal(internal.name.clone()));
        if changelog && engine.log.kind() == LogKind::Embedded {
            // The embedded log keeps stores and offsets in one place: there is nothing to restore from a changelog.
            continue;
        }
        let mut partitions = 1;
        for like in &internal.partitions_like {
            if let Some(topic) = engine.log.topic(like).map_err(|e| failed(&internal.name, e))? {
                partitions = partitions.max(topic.partitions);
            }
        }
        let mut config = vec![("message.timestamp.type".to_owned(), "CreateTime".to_owned())];
        config.push(("cleanup.policy".into(), if internal.compact { "compact".into() } else { "delete".into() }));
        if !internal.compact {
            config.push(("retention.ms".into(), "-1".into()));
        }
        let spec = TopicSpec { name: internal.name.to_string(), partitions, replicas, config };
        match engine.log.create_topic(&spec) {
            Ok(()) | Err(LogError::TopicExists { .. }) => names.push(spec.name),
            Err(e) => return Err(failed(&spec.name, e)),
        }
    }
    Ok(names)
}

/// Ends a query's thread and waits for its last commit.
fn stop(state: &State, id: &str) {
    if let Some(runner) = state.queries.get(id).and_then(|q| q.runner.clone()) {
        runner.stop();
        runner.join();
    }
}

/// Ends a query for good: its thread, stores, internal topics and offsets.
pub fn remove(engine: &Engine, state: &mut State, id: &str, how: Apply) {
    stop(state, id);
    let Some(query) = state.queries.remove(id) else { return };
    change_catalog(state, |catalog| {
        catalog.queries.remove(id);
    });
    if how == Apply::Rehearsal {
        return;
    }
    let home = StoreHome { database: engine.database.clone(), query_id: id.to_owned() };
    let prefix = home.keyspace_name("");
    for name in engine.database.keyspace_names().iter().filter(|n| n.starts_with(&prefix)) {
        if let Err(e) = engine.database.drop_keyspace(name) {
            tracing::warn!(query = id, store = name, error = %e, "store of a terminated query could not be deleted");
        }
    }
    if how == Apply::Live {
        // What waits to be tried again is the query's own, as internal topics are. Dead letters stay.
        let policy = query.plan.error_policy.as_ref().filter(|policy| policy.retries());
        let waiting = policy.into_iter().flat_map(|p| [p.retry_topic.to_string(), p.redirect_topic.to_string()]);
        for topic in query.internal_topics.iter().cloned().chain(waiting) {
            if let Err(e) = engine.log.delete_topic(&topic)
                && !matches!(e, LogError::TopicMissing { .. })
            {
                tracing::warn!(query = id, %topic, error = %e, "internal topic of a terminated query could not be deleted");
            }
        }
        if let Err(e) = engine.log.forget_group(&engine.options.query_prefix(id)) {
            tracing::warn!(query = id, error = %e, "offsets of a terminated query could not be deleted");
        }
    }
}
