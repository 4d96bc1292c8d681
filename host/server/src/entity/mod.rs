//! Answers as JSON: ksqlDB's entities, field by field in its order, and ours beside them.

mod endpoint;
mod error_policy;
mod function;
mod plugin;
mod property;
mod query;
mod schema;
mod source;
mod stage;
mod status;
mod topic;

use calzone_engine::answer::{Answer, AnswerKind};
use serde_json::{Map, Value, json};

pub use plugin::{plugin_json, uploaded_json};
pub use query::state_name as query_state;
pub use schema::field_json;
pub use status::{command_state, status_json};

/// Names of this server that are part of some answers.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// `host:port`
    pub host: &'a str,
    pub service_id: &'a str,
}

/// The entity of one answer.
pub fn entity(answer: &Answer, names: &Names<'_>) -> Value {
    let (kind, fields) = kind_and_fields(&answer.kind, names);
    let mut entity = Map::new();
    entity.insert("@type".into(), kind.into());
    entity.insert("statementText".into(), answer.statement.as_str().into());
    if let Value::Object(fields) = fields {
        entity.extend(fields);
    }
    let warnings: Vec<Value> = answer.warnings.iter().map(|w| json!({ "message": w })).collect();
    entity.insert("warnings".into(), warnings.into());
    Value::Object(entity)
}

fn kind_and_fields(kind: &AnswerKind, names: &Names<'_>) -> (&'static str, Value) {
    match kind {
        AnswerKind::Status(status) => ("currentStatus", status::current_status(status)),
        AnswerKind::Warning(message) => ("warning_entity", json!({ "message": message })),
        AnswerKind::Streams(sources) => ("streams", source::list("streams", sources)),
        AnswerKind::Tables(sources) => ("tables", source::list("tables", sources)),
        AnswerKind::Sources(described) => {
            let all: Vec<Value> = described.iter().map(|d| source::description(d, names)).collect();
            ("source_descriptions", json!({ "sourceDescriptions": all }))
        }
        AnswerKind::Source(described) => {
            ("sourceDescription", json!({ "sourceDescription": source::description(described, names) }))
        }
        AnswerKind::Topics(topics) => ("kafka_topics", topic::list(topics)),
        AnswerKind::TopicsExtended(topics) => ("kafka_topics_extended", topic::list_extended(topics)),
        AnswerKind::Queries(queries) => {
            let all: Vec<Value> = queries.iter().map(query::summary).collect();
            ("queries", json!({ "queries": all }))
        }
        AnswerKind::QueryDescriptions(described) => {
            let all: Vec<Value> = described.iter().map(|d| query::description(d, names)).collect();
            ("query_descriptions", json!({ "queryDescriptions": all }))
        }
        AnswerKind::QueryDescription(described) => {
            ("queryDescription", json!({ "queryDescription": query::description(described, names) }))
        }
        AnswerKind::Functions(functions) => ("function_names", function::names(functions)),
        AnswerKind::Function(described) => ("describe_function", function::description(described)),
        AnswerKind::Properties(properties) => ("properties", property::list(properties)),
        AnswerKind::Types(types) => {
            let all: Map<String, Value> = types.iter().map(|(name, ty)| (name.clone(), schema::type_json(ty))).collect();
            ("type_list", json!({ "types": all }))
        }
        AnswerKind::Variables(variables) => {
            let all: Vec<Value> = variables.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            ("variables", json!({ "variables": all }))
        }
        AnswerKind::Terminated { query_id, was_terminated } => {
            ("terminate_query", json!({ "queryId": query_id, "wasTerminated": was_terminated }))
        }
        AnswerKind::AssertTopic { topic, exists } => ("assert_topic", json!({ "topicName": topic, "exists": exists })),
        AnswerKind::DryRun { revision, queries } => ("dry_run", plugin::dry_run_json(*revision, queries)),
        AnswerKind::Plugins(plugins) => {
            let all: Vec<Value> = plugins.iter().map(plugin_json).collect();
            ("plugins", json!({ "plugins": all }))
        }
        AnswerKind::Plugin(described) => ("plugin_description", json!({ "plugin": plugin_json(described) })),
        AnswerKind::Stages(stages) => {
            let all: Vec<Value> = stages.iter().map(stage::summary).collect();
            ("stages", json!({ "stages": all }))
        }
        AnswerKind::ErrorPolicies(policies) => {
            let all: Vec<Value> = policies.iter().map(error_policy::summary).collect();
            ("error_policies", json!({ "errorPolicies": all }))
        }
        AnswerKind::ErrorPolicy(described) => {
            ("error_policy_description", json!({ "errorPolicy": error_policy::description(described) }))
        }
        AnswerKind::Locks(locks) => {
            let all: Vec<Value> = locks.iter().map(error_policy::lock).collect();
            ("locks", json!({ "locks": all }))
        }
        AnswerKind::Released { query, released } => ("locks_released", json!({ "query": query, "released": released })),
        AnswerKind::Replayed { topic, replayed, left } => {
            ("dead_letters_replayed", json!({ "topic": topic, "replayed": replayed, "left": left }))
        }
        AnswerKind::Endpoints(endpoints) => {
            let all: Vec<Value> = endpoints.iter().map(endpoint::summary).collect();
            ("endpoints", json!({ "endpoints": all }))
        }
        AnswerKind::Endpoint(described) => ("endpoint_description", json!({ "endpoint": endpoint::description(described) })),
        AnswerKind::Stage(described) => ("stage_description", json!({ "stage": stage::description(described) })),
    }
}
