//! Records that are expected against records that a topic holds.

use calzone_plan::{Source, WindowType};
use calzone_types::{Column, Namespace};
use serde_json::{Value as Json, json};

use crate::actual::{Actual, Numbers, decode};
use crate::case::RecordSpec;
use crate::driver::{Driver, Record};
use crate::outcome::{Diff, Failure};
use crate::{compare, encode};

/// A record with its parts decoded.
pub struct Shown {
    pub key: Actual,
    pub value: Actual,
    pub window: Option<(WindowType, i64, i64)>,
    pub timestamp: i64,
}

/// Decodes a record as its source declares it.
pub fn show(record: &Record, source: &Source, numbers: Numbers) -> Result<Shown, String> {
    let mut key_bytes = record.key.as_deref();
    let mut bounds = None;
    if let (Some(window), Some(bytes)) = (source.window, record.key.as_deref()) {
        let (rest, start, end) = encode::split_window(bytes, window).ok_or("the key is too short to hold a window")?;
        key_bytes = Some(rest);
        bounds = Some((window.kind, start, end));
    }
    let key =
        decode(key_bytes, &source.key_format, &columns(source, Namespace::Key), numbers).map_err(|e| format!("key: {e}"))?;
    let value = decode(record.value.as_deref(), &source.value_format, &columns(source, Namespace::Value), numbers);
    Ok(Shown { key, value: value.map_err(|e| format!("value: {e}"))?, window: bounds, timestamp: record.timestamp })
}

/// Columns of one part of a source.
pub fn columns(source: &Source, namespace: Namespace) -> Vec<Column> {
    source.schema.columns.iter().filter(|column| column.namespace == namespace).cloned().collect()
}

impl Shown {
    pub fn to_json(&self) -> Json {
        let mut shown = json!({ "key": self.key.to_json(), "value": self.value.to_json(), "timestamp": self.timestamp });
        if let Some((kind, start, end)) = self.window {
            let kind = if kind == WindowType::Session { "session" } else { "time" };
            shown["window"] = json!({ "start": start, "end": end, "type": kind });
        }
        shown
    }
}

/// How strictly topics are compared.
#[derive(Clone, Copy, Debug)]
pub struct Strictness {
    pub numbers: Numbers,
    /// A timestamp of 0 stands for any.
    pub zero_is_any_time: bool,
    /// Topics may hold more than is expected.
    pub more_allowed: bool,
    /// Headers are looked at.
    pub headers: bool,
}

/// Compares every topic that is named in `expected` with what it holds.
pub fn check(driver: &Driver, expected: &[RecordSpec], strictness: Strictness) -> Result<(), Failure> {
    let mut topics: Vec<&str> = Vec::new();
    for record in expected {
        if !topics.contains(&record.topic.as_str()) {
            topics.push(&record.topic);
        }
    }
    topics.into_iter().try_for_each(|topic| {
        let wanted: Vec<&RecordSpec> = expected.iter().filter(|record| record.topic == topic).collect();
        check_topic(driver, topic, &wanted, strictness)
    })
}

fn check_topic(driver: &Driver, topic: &str, expected: &[&RecordSpec], strictness: Strictness) -> Result<(), Failure> {
    let source = driver
        .source_of_topic(topic)
        .ok_or_else(|| Failure::new("compare", format!("no stream or table tells how topic {topic} is to be read")))?;
    let actual = driver.topics.records(topic);
    let as_json = |record: Option<&Record>| match record.map(|record| show(record, source, strictness.numbers)) {
        None => json!("no record"),
        Some(Ok(shown)) => shown.to_json(),
        Some(Err(error)) => Json::String(error),
    };
    let fail = |index: usize, reason: String| {
        let wanted = expected.get(index).map_or(json!("no record"), |record| spec_json(record));
        let diff = Diff { topic: topic.to_owned(), index, expected: wanted, actual: as_json(actual.get(index)) };
        Failure { stage: "compare", reason, diff: Some(Box::new(diff)) }
    };
    for (index, (wanted, found)) in expected.iter().zip(actual).enumerate() {
        check_record(wanted, found, source, strictness).map_err(|reason| fail(index, reason))?;
    }
    let too_many = actual.len() > expected.len() && !strictness.more_allowed;
    if actual.len() < expected.len() || too_many {
        let index = actual.len().min(expected.len());
        return Err(fail(index, format!("expected {} records, found {}", expected.len(), actual.len())));
    }
    Ok(())
}

fn spec_json(record: &RecordSpec) -> Json {
    let mut shown = json!({ "key": record.key, "value": record.value });
    if let Some(timestamp) = record.timestamp {
        shown["timestamp"] = json!(timestamp);
    }
    if let Some(window) = &record.window {
        shown["window"] = json!({ "start": window.start, "end": window.end, "type": window.kind.to_lowercase() });
    }
    shown
}

fn check_record(expected: &RecordSpec, record: &Record, source: &Source, strictness: Strictness) -> Result<(), String> {
    let shown = show(record, source, strictness.numbers)?;
    match (&expected.window, shown.window) {
        (None, None) => {}
        (None, Some(_)) if expected.key.is_null() && shown.key == Actual::Null => {}
        (Some(wanted), Some((kind, start, end))) => {
            let is_session = wanted.kind.eq_ignore_ascii_case("session");
            if is_session != (kind == WindowType::Session) || wanted.start != start || wanted.end != end {
                return Err(format!("window: expected {} to {}, found {start} to {end}", wanted.start, wanted.end));
            }
        }
        (Some(_), None) => return Err("the key is not windowed".to_owned()),
        (None, Some((_, start, end))) => return Err(format!("the key is windowed: {start} to {end}")),
    }
    compare::value(&expected.key, &shown.key).map_err(|error| format!("key: {error}"))?;
    compare::value(&expected.value, &shown.value).map_err(|error| format!("value: {error}"))?;
    let any_time = |wanted: i64| wanted == 0 && strictness.zero_is_any_time;
    if let Some(wanted) = expected.timestamp.filter(|wanted| *wanted != shown.timestamp && !any_time(*wanted)) {
        return Err(format!("timestamp: expected {wanted}, found {}", shown.timestamp));
    }
    if strictness.headers {
        let wanted = encode::headers(expected.headers.as_ref().unwrap_or(&Json::Null))?;
        if wanted != record.headers {
            return Err(format!("headers: expected {wanted:?}, found {:?}", record.headers));
        }
    }
    Ok(())
}
