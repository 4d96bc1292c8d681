//! Topics.

use calzone_engine::answer::TopicSummary;
use serde_json::{Value, json};

/// SHOW TOPICS.
pub fn list(topics: &[TopicSummary]) -> Value {
    let all: Vec<Value> = topics.iter().map(|t| json!({ "name": t.name, "replicaInfo": t.replicas })).collect();
    json!({ "topics": all })
}

/// SHOW TOPICS EXTENDED.
pub fn list_extended(topics: &[TopicSummary]) -> Value {
    let all: Vec<Value> = topics
        .iter()
        .map(|t| {
            json!({
                "name": t.name,
                "replicaInfo": t.replicas,
                "consumerCount": t.consumers,
                "consumerGroupCount": t.consumer_groups,
            })
        })
        .collect();
    json!({ "topics": all })
}
