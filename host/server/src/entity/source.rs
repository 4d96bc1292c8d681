//! Streams and tables.

use calzone_engine::answer::{ConsumerGroupOffsets, SourceDescription, SourceStatistics, SourceSummary};
use calzone_plan::{SourceKind, WindowType};
use calzone_types::text::format_timestamp;
use serde_json::{Value, json};

use super::{Names, query, schema};

/// SHOW STREAMS and SHOW TABLES.
pub fn list(key: &str, sources: &[SourceSummary]) -> Value {
    let all: Vec<Value> = sources
        .iter()
        .map(|s| {
            let source = &s.source;
            json!({
                "type": kind_name(source.kind),
                "name": &*source.name,
                "topic": &*source.topic,
                "keyFormat": source.key_format.format.name(),
                "valueFormat": source.value_format.format.name(),
                "isWindowed": source.window.is_some(),
            })
        })
        .collect();
    json!({ key: all })
}

fn kind_name(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Stream => "STREAM",
        SourceKind::Table => "TABLE",
    }
}

pub fn window_name(window: WindowType) -> &'static str {
    match window {
        WindowType::Tumbling => "TUMBLING",
        WindowType::Hopping => "HOPPING",
        WindowType::Session => "SESSION",
    }
}

/// DESCRIBE.
pub fn description(described: &SourceDescription, names: &Names<'_>) -> Value {
    let source = &described.source;
    let offsets: Vec<Value> = described.offsets.iter().map(group_offsets).collect();
    let reads = !described.read_queries.is_empty();
    let metrics = described.statistics.as_ref().map(|s| metrics(s, reads)).unwrap_or_default();
    let statistics = described.statistics.as_ref().map_or_else(String::new, |s| metrics_text(&metrics, s.last_message_ms));
    let errors = described.statistics.as_ref().map(error_metrics).unwrap_or_default();
    let error_stats = described
        .statistics
        .as_ref()
        .filter(|_| !errors.is_empty())
        .map_or_else(String::new, |s| metrics_text(&errors, s.last_error_ms));
    let at = |ms: Option<i64>| ms.unwrap_or(0);
    let cluster = |metrics: &[(&'static str, f64)], ms: Option<i64>| -> Vec<Value> {
        let metric =
            |(name, value): &(&str, f64)| json!({ "name": name, "host": names.host, "value": value, "timestamp": at(ms) });
        metrics.iter().map(metric).collect()
    };
    let (last_message, last_error) = described.statistics.as_ref().map_or((None, None), |s| (s.last_message_ms, s.last_error_ms));
    json!({
        "name": &*source.name,
        "windowType": source.window.map(|w| window_name(w.kind)),
        "readQueries": described.read_queries.iter().map(query::summary).collect::<Vec<_>>(),
        "writeQueries": described.write_queries.iter().map(query::summary).collect::<Vec<_>>(),
        "fields": schema::fields_json(&source.schema),
        "type": kind_name(source.kind),
        "timestamp": source.timestamp.as_ref().map_or("", |t| &*t.column),
        "statistics": statistics,
        "errorStats": error_stats,
        "extended": described.extended,
        "keyFormat": source.key_format.format.name(),
        "valueFormat": source.value_format.format.name(),
        "topic": &*source.topic,
        "partitions": described.partitions,
        "replication": described.replicas,
        "statement": &*source.statement,
        "queryOffsetSummaries": offsets,
        "sourceConstraints": described.constraints,
        "clusterStatistics": cluster(&metrics, last_message),
        "clusterErrorStats": cluster(&errors, last_error),
    })
}

/// Named as ksqlDB does: what a source's readers took from it, or what its writers put in.
fn metrics(statistics: &SourceStatistics, reads: bool) -> Vec<(&'static str, f64)> {
    if statistics.total_messages == 0 {
        return Vec::new();
    }
    let (rate, total) =
        if reads { ("consumer-messages-per-sec", "consumer-total-messages") } else { ("messages-per-sec", "total-messages") };
    vec![(rate, statistics.messages_per_second), (total, statistics.total_messages as f64)]
}

fn error_metrics(statistics: &SourceStatistics) -> Vec<(&'static str, f64)> {
    if statistics.total_errors == 0 { Vec::new() } else { vec![("consumer-failed-messages", statistics.total_errors as f64)] }
}

fn metrics_text(metrics: &[(&'static str, f64)], last_ms: Option<i64>) -> String {
    let mut words: Vec<String> = metrics.iter().map(|(name, value)| format!("{name}: {value:.2}")).collect();
    if let Some(ms) = last_ms {
        words.push(format!("last-message: {}Z", format_timestamp(ms)));
    }
    words.join(" ")
}

fn group_offsets(group: &ConsumerGroupOffsets) -> Value {
    let topics: Vec<Value> = group
        .topics
        .iter()
        .map(|(topic, partitions)| {
            let offsets: Vec<Value> = partitions
                .iter()
                .map(|(partition, start, end, committed)| {
                    json!({
                        "partition": partition,
                        "logStartOffset": start,
                        "logEndOffset": end,
                        "consumerOffset": committed,
                    })
                })
                .collect();
            json!({ "kafkaTopic": topic, "offsets": offsets })
        })
        .collect();
    json!({ "groupId": group.group, "topicSummaries": topics })
}
