//! The topic behind a source: what is asked of the log when it does not exist.

use crate::catalog::{KeyWindow, SourceKind};
use crate::context::PlanContext;
use crate::error::{PlanError, PlanErrorKind, Result};
use crate::with_properties::WithProperties;

/// How long a sink's topic keeps records unless WITH says otherwise: a week, as Kafka does.
const SINK_RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// A topic that a source needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRequest {
    pub name: String,
    /// Partitions it shall have, or has.
    pub partitions: Option<i32>,
    /// Replicas it shall have; None: the log's default.
    pub replicas: Option<i32>,
    /// It exists already and stays as it is.
    pub exists: bool,
    /// Milliseconds that records are kept; None: the log's default.
    pub retention_ms: Option<i64>,
    /// `delete`, `compact` or `compact,delete`.
    pub cleanup_policy: String,
}

/// The topic of a declared source: it exists, or PARTITIONS says how to make it.
pub(crate) fn of_source(ctx: &PlanContext, kind: SourceKind, with: &WithProperties) -> Result<TopicRequest> {
    let Some(name) = with.topic.clone() else {
        return Err(PlanError::new("WITH must name the topic: KAFKA_TOPIC='name'."));
    };
    let existing = ctx.topics.partitions(&name);
    match (existing, with.partitions) {
        (None, None) => Err(PlanError::of_kind(
            PlanErrorKind::MissingTopic,
            format!(
                "There is no topic '{name}'. Create it first, or let it be created here by saying how many partitions it shall have: WITH (…, PARTITIONS=1)."
            ),
        )),
        (Some(has), Some(wanted)) if has != wanted => Err(PlanError::new(format!(
            "Topic '{name}' exists and has {has} partitions, but PARTITIONS says {wanted}. Leave PARTITIONS out."
        ))),
        _ => Ok(TopicRequest {
            partitions: existing.or(with.partitions),
            replicas: with.replicas,
            exists: existing.is_some(),
            retention_ms: with.retention_ms,
            cleanup_policy: with.cleanup_policy.clone().unwrap_or_else(|| policy(kind, None).to_owned()),
            name,
        }),
    }
}

/// The topic of a query's sink: as many partitions as the query's first source, unless WITH or a setting says otherwise.
pub(crate) fn of_sink(
    ctx: &PlanContext,
    name: String,
    kind: SourceKind,
    window: Option<KeyWindow>,
    with: &WithProperties,
    first_topic: Option<&str>,
) -> Result<TopicRequest> {
    let existing = ctx.topics.partitions(&name);
    if let (Some(has), Some(wanted)) = (existing, with.partitions)
        && has != wanted
    {
        let message = format!(
            "Topic '{name}' exists and has {has} partitions, but PARTITIONS says {wanted}. Leave PARTITIONS out, or name another topic."
        );
        return Err(PlanError::new(message));
    }
    let partitions = match existing.or(with.partitions) {
        Some(partitions) => Some(partitions),
        None => ctx.count("ksql.sink.partitions")?.or_else(|| first_topic.and_then(|topic| ctx.topics.partitions(topic))),
    };
    let replicas = match with.replicas {
        Some(replicas) => Some(replicas),
        None => ctx.count("ksql.sink.replicas")?.or_else(|| first_topic.and_then(|topic| ctx.topics.replicas(topic))),
    };
    let keeps_all = kind == SourceKind::Table && window.is_none();
    let retention_ms = with.retention_ms.or(if keeps_all { None } else { Some(SINK_RETENTION_MS) });
    let cleanup_policy = with.cleanup_policy.clone().unwrap_or_else(|| policy(kind, window).to_owned());
    Ok(TopicRequest { name, partitions, replicas, exists: existing.is_some(), retention_ms, cleanup_policy })
}

fn policy(kind: SourceKind, window: Option<KeyWindow>) -> &'static str {
    match (kind, window) {
        (SourceKind::Stream, _) => "delete",
        (SourceKind::Table, None) => "compact",
        (SourceKind::Table, Some(_)) => "compact,delete",
    }
}
