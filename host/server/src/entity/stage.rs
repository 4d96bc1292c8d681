//! Stages.

use calzone_engine::answer::{StageDescription, StageSummary};
use serde_json::{Map, Value, json};

use super::{query, schema};

/// SHOW STAGES.
pub fn summary(stage: &StageSummary) -> Value {
    let mut value = json!({
        "name": stage.name,
        "queryId": stage.query_id,
        "from": stage.from,
        "into": stage.into,
        "plugin": stage.plugin,
        "stage": stage.stage,
        "revision": stage.revision,
        "state": query::state_name(stage.state),
    });
    if let Some(reason) = &stage.reason {
        value["pausedBecause"] = reason.as_str().into();
    }
    value
}

/// DESCRIBE STAGE.
pub fn description(described: &StageDescription) -> Value {
    let mut value = summary(&described.summary);
    let config: Map<String, Value> = described.config.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let partitions: Vec<Value> = described
        .partitions
        .iter()
        .map(|p| {
            let boundaries: Vec<Value> =
                p.boundaries.iter().map(|(revision, offset)| json!({ "revision": revision, "sinceOffset": offset })).collect();
            json!({
                "partition": p.partition,
                "revisions": boundaries,
                "records": p.records,
                "errors": p.errors,
                "guestMicros": p.guest_micros,
            })
        })
        .collect();
    value["config"] = config.into();
    value["grants"] = described.grants.clone().into();
    value["errorPolicy"] = described.error_policy.as_deref().map_or(Value::Null, Value::from);
    value["fields"] = schema::fields_json(&described.schema);
    value["partitions"] = partitions.into();
    value
}
