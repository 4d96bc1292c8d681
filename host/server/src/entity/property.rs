//! Settings.

use calzone_engine::answer::{PropertyOrigin, PropertyValue};
use serde_json::{Value, json};

/// SHOW PROPERTIES.
pub fn list(properties: &[PropertyValue]) -> Value {
    let names = |origin: PropertyOrigin| -> Vec<&str> {
        properties.iter().filter(|p| p.origin == origin).map(|p| p.name.as_str()).collect()
    };
    let all: Vec<Value> = properties
        .iter()
        .map(|p| {
            json!({
                "name": p.name,
                "scope": p.scope,
                "value": p.value,
                "editable": p.editable,
                "level": if p.editable && p.name.starts_with("ksql.query.") { "QUERY" } else { "SERVER" },
            })
        })
        .collect();
    json!({
        "properties": all,
        "overwrittenProperties": names(PropertyOrigin::Session),
        "defaultProperties": names(PropertyOrigin::Default),
    })
}
