//! Cases of a suite file: one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

/// A case of any suite; fields that a suite does not have are empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub id: String,
    /// `qtt`, `rqtt` or `sql`.
    pub suite: String,
    #[serde(default)]
    pub category: String,
    #[serde(default, deserialize_with = "or_default")]
    pub needs: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub statements: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub properties: BTreeMap<String, Json>,
    #[serde(default, deserialize_with = "or_default")]
    pub topics: Vec<TopicSpec>,
    #[serde(default, deserialize_with = "or_default")]
    pub inputs: Vec<RecordSpec>,
    #[serde(default, deserialize_with = "or_default")]
    pub outputs: Vec<RecordSpec>,
    #[serde(default)]
    pub post: Option<Post>,
    #[serde(default)]
    pub expected_exception: Option<Json>,
    #[serde(default)]
    pub expected_error: Option<Json>,
    #[serde(default, deserialize_with = "or_default")]
    pub responses: Vec<Json>,
    #[serde(default)]
    pub input_conditions: Option<Json>,
    #[serde(default, deserialize_with = "or_default")]
    pub steps: Vec<StepSpec>,
}

/// A topic that is there beforehand.
#[derive(Clone, Debug, Deserialize)]
pub struct TopicSpec {
    pub name: String,
    #[serde(default)]
    pub partitions: Option<i32>,
    #[serde(default)]
    pub replicas: Option<i32>,
}

/// A record that goes in or is expected.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordSpec {
    pub topic: String,
    #[serde(default)]
    pub key: Json,
    #[serde(default)]
    pub value: Json,
    #[serde(default)]
    pub timestamp: Option<i64>,
    #[serde(default)]
    pub window: Option<WindowBoundsSpec>,
    #[serde(default)]
    pub headers: Option<Json>,
}

/// The window of a key.
#[derive(Clone, Debug, Deserialize)]
pub struct WindowBoundsSpec {
    pub start: i64,
    pub end: i64,
    #[serde(rename = "type")]
    pub kind: String,
}

/// What must hold at the end.
#[derive(Clone, Debug, Deserialize)]
pub struct Post {
    #[serde(default, deserialize_with = "or_default")]
    pub sources: Vec<SourceSpec>,
    #[serde(default)]
    pub topics: Option<PostTopics>,
}

/// A stream or table that must be there; what is absent may be anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub schema: Option<String>,
    #[serde(default)]
    pub key_format: Option<KeyFormatSpec>,
    #[serde(default)]
    pub value_format: Option<Json>,
    #[serde(default)]
    pub is_source: Option<bool>,
}

/// The format of a key, with its window.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyFormatSpec {
    #[serde(default)]
    pub format: Option<String>,
    #[serde(default)]
    pub window_type: Option<String>,
    /// Milliseconds.
    #[serde(default)]
    pub window_size: Option<i64>,
}

/// What must hold for topics at the end.
#[derive(Clone, Debug, Deserialize)]
pub struct PostTopics {
    /// No topic's name may match this expression.
    #[serde(default)]
    pub blacklist: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub topics: Vec<PostTopic>,
}

/// A topic that must be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostTopic {
    pub name: String,
    #[serde(default)]
    pub key_format: Option<Json>,
    #[serde(default)]
    pub value_format: Option<Json>,
    #[serde(default)]
    pub partitions: Option<i32>,
}

/// A step of an SQL test.
#[derive(Clone, Debug, Deserialize)]
pub struct StepSpec {
    pub sql: String,
    /// What RUN SCRIPT finds.
    #[serde(default)]
    pub script: Option<String>,
}

impl Case {
    /// Must the case be refused?
    pub fn expects_error(&self) -> bool {
        self.expected_exception.is_some() || self.expected_error.is_some()
    }

    /// Settings as text.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.properties.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
