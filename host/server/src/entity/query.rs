//! Queries.

use calzone_engine::answer::{QueryDescription, QueryKind, QueryState, QuerySummary, StoreRestore};
use serde_json::{Value, json};

use super::{Names, schema, source};

pub fn state_name(state: QueryState) -> &'static str {
    match state {
        QueryState::Running => "RUNNING",
        QueryState::Paused => "PAUSED",
        QueryState::Error => "ERROR",
        QueryState::Unresponsive => "UNRESPONSIVE",
    }
}

fn kind_name(kind: QueryKind) -> &'static str {
    match kind {
        QueryKind::Persistent => "PERSISTENT",
        QueryKind::Push => "PUSH",
    }
}

/// Fields that ksqlDB does not have, where there is something to say.
fn add_ours(query: &QuerySummary, value: &mut Value) {
    if let Some(reason) = &query.reason {
        value["pausedBecause"] = reason.as_str().into();
    }
    if !query.restoring.is_empty() {
        let restore = |r: &StoreRestore| json!({ "store": r.store, "partition": r.partition, "restored": r.restored, "remaining": r.remaining });
        value["restoring"] = query.restoring.iter().map(restore).collect();
    }
}

/// SHOW QUERIES.
pub fn summary(query: &QuerySummary) -> Value {
    let state = state_name(query.state);
    let mut value = json!({
        "queryString": query.statement,
        "sinks": query.sinks,
        "sinkKafkaTopics": query.sink_topics,
        "id": query.id,
        "statusCount": { state: 1 },
        "queryType": kind_name(query.kind),
        "state": state,
    });
    add_ours(query, &mut value);
    value
}

/// EXPLAIN and SHOW QUERIES EXTENDED.
pub fn description(described: &QueryDescription, names: &Names<'_>) -> Value {
    let query = &described.summary;
    let persistent = query.kind == QueryKind::Persistent;
    let state = (persistent && described.runs).then(|| state_name(query.state));
    let hosts = match state {
        Some(state) => json!({ names.host: state }),
        None => json!({}),
    };
    let errors: Vec<Value> = described
        .errors
        .iter()
        .map(|(ms, message)| json!({ "timestamp": ms, "errorMessage": message, "type": "UNKNOWN" }))
        .collect();
    let group = if persistent {
        format!("_confluent-ksql-{}query_{}", names.service_id, query.id)
    } else {
        format!("_confluent-ksql-{}transient_{}", names.service_id, query.id)
    };
    let mut value = json!({
        "id": query.id,
        "statementText": query.statement,
        "windowType": described.window.map(|w| source::window_name(w.kind)),
        "fields": schema::fields_json(&described.schema),
        "sources": described.sources,
        "sinks": query.sinks,
        "topology": described.topology,
        "executionPlan": described.execution_plan,
        "overriddenProperties": described.overridden_properties,
        "ksqlHostQueryStatus": hosts,
        "queryType": kind_name(query.kind),
        "queryErrors": errors,
        "tasksMetadata": [],
        "consumerGroupId": group,
        "state": state,
    });
    add_ours(query, &mut value);
    value
}
