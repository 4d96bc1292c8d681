//! Endpoints.

use calzone_engine::answer::{EndpointDescription, EndpointSummary};
use serde_json::{Map, Value, json};

/// SHOW ENDPOINTS.
pub fn summary(endpoint: &EndpointSummary) -> Value {
    json!({
        "name": endpoint.name,
        "path": endpoint.path,
        "listener": endpoint.listener,
        "plugin": endpoint.plugin,
        "revision": endpoint.revision,
        "state": if endpoint.error.is_none() { "RUNNING" } else { "ERROR" },
        "error": endpoint.error,
    })
}

/// DESCRIBE ENDPOINT.
pub fn description(described: &EndpointDescription) -> Value {
    let mut value = summary(&described.summary);
    let config: Map<String, Value> = described.config.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let routes: Vec<Value> = described
        .routes
        .iter()
        .map(|(method, path, description)| json!({ "method": method, "path": path, "description": description }))
        .collect();
    value["description"] = described.description.as_str().into();
    value["config"] = config.into();
    value["grants"] = described.grants.clone().into();
    value["routes"] = routes.into();
    value["requests"] = described.metrics.requests.into();
    value["failures"] = described.metrics.failures.into();
    value["micros"] = described.metrics.micros.into();
    value
}
