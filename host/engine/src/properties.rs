//! Settings by name: which there are, what they default to, and what a client may override.

use std::collections::BTreeMap;

use crate::answer::{PropertyOrigin, PropertyValue};
use crate::options::EngineOptions;

/// The settings that are listed: name, default, may be overridden, level.
const LISTED: &str = include_str!("properties.tsv");

/// Kafka client and Kafka Streams settings that a client may send with its statements, with or without `ksql.streams.`.
const STREAMS_OVERRIDES: &[&str] = &[
    "acceptable.recovery.lag",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "buffer.memory",
    "batch.size",
    "buffered.records.per.partition",
    "cache.max.bytes.buffering",
    "commit.interval.ms",
    "compression.type",
    "default.timestamp.extractor",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "linger.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "max.task.idle.ms",
    "metadata.max.age.ms",
    "num.standby.replicas",
    "num.stream.threads",
    "poll.ms",
    "processing.guarantee",
    "request.timeout.ms",
    "session.timeout.ms",
    "statestore.cache.max.bytes",
    "task.timeout.ms",
    "topology.optimization",
];

/// Settings of the engine that a client may override besides those listed as editable.
const QUERY_OVERRIDES: &[&str] = &[
    "ksql.lambdas.enabled",
    "ksql.new.query.planner.enabled",
    "ksql.output.topic.name.prefix",
    "ksql.persistence.default.format.key",
    "ksql.persistence.default.format.value",
    "ksql.persistence.wrap.single.values",
    "ksql.query.pull.consistency.token.enabled",
    "ksql.query.pull.enable.standby.reads",
    "ksql.query.pull.limit.clause.enabled",
    "ksql.query.pull.range.scan.enabled",
    "ksql.query.pull.stream.enabled",
    "ksql.query.push.v2.enabled",
    "ksql.sink.partitions",
    "ksql.sink.replicas",
    "ksql.create.or.replace.enabled",
    "ksql.suppress.enabled",
    "ksql.variable.substitution.enable",
    "ksql.windowed.session.key.legacy",
    "ksql.error.policy",
    "calzone.error.policy",
];

struct Listed {
    name: &'static str,
    default: Option<&'static str>,
    editable: bool,
}

fn listed() -> impl Iterator<Item = Listed> {
    LISTED.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, default, editable) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Listed { name, default: (default != "\\N").then_some(default), editable: editable == "true" })
    })
}

/// Settings of Kafka's and Kafka Streams' own get their `ksql.streams.` prefix; all others stay as they are.
pub fn canonical(name: &str) -> String {
    let bare = name.strip_prefix("ksql.streams.").unwrap_or(name);
    let plain = bare.strip_prefix("consumer.").or_else(|| bare.strip_prefix("producer.")).unwrap_or(bare);
    if STREAMS_OVERRIDES.contains(&plain) { format!("ksql.streams.{bare}") } else { name.to_owned() }
}

/// Why a setting cannot be overridden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyFault {
    /// No setting has that name.
    Unknown(String),
    /// Only the server's operator may set it.
    ServerOnly(String),
    /// The value does not fit the setting.
    BadValue(String),
}

impl PropertyFault {
    pub fn message(&self) -> &str {
        match self {
            PropertyFault::Unknown(m) | PropertyFault::ServerOnly(m) | PropertyFault::BadValue(m) => m,
        }
    }
}

/// May a client override this setting (with this value)?
pub fn validate_override(name: &str, value: Option<&str>) -> Result<(), PropertyFault> {
    let canonical = canonical(name);
    let known = listed().find(|l| l.name == canonical);
    let bare = canonical.strip_prefix("ksql.streams.").unwrap_or(&canonical);
    let editable = known.as_ref().is_some_and(|l| l.editable)
        || STREAMS_OVERRIDES.contains(&bare)
        || QUERY_OVERRIDES.contains(&canonical.as_str())
        || canonical.starts_with("ksql.functions.")
        || canonical.starts_with("ksql.streams.") && known.is_none();
    if known.is_none() && !editable {
        return Err(PropertyFault::Unknown(format!("There is no setting '{name}'. SHOW PROPERTIES lists those there are.")));
    }
    if !editable {
        return Err(PropertyFault::ServerOnly(format!(
            "The setting '{name}' belongs to the server: it is set in its properties file, not by a client."
        )));
    }
    match value {
        Some(value) => validate_value(&canonical, value),
        None => Ok(()),
    }
}

fn validate_value(name: &str, value: &str) -> Result<(), PropertyFault> {
    let bad = |wanted: &str| Err(PropertyFault::BadValue(format!("The setting '{name}' takes {wanted}, not '{value}'.")));
    let bare = name.strip_prefix("ksql.streams.").unwrap_or(name);
    match bare {
        "auto.offset.reset" if !["earliest", "latest", "none"].contains(&value.to_ascii_lowercase().as_str()) => {
            bad("'earliest', 'latest' or 'none'")
        }
        "processing.guarantee" if !["at_least_once", "exactly_once", "exactly_once_beta", "exactly_once_v2"].contains(&value) => {
            bad("'at_least_once' or 'exactly_once_v2'")
        }
        _ if [".ms", ".bytes", ".buffering", ".threads", ".partitions", ".replicas", ".records"]
            .iter()
            .any(|end| bare.ends_with(end))
            && value.trim().parse::<i64>().is_err() =>
        {
            bad("a whole number")
        }
        _ if bare.ends_with(".enabled") && !["true", "false"].contains(&value.to_ascii_lowercase().as_str()) => {
            bad("'true' or 'false'")
        }
        _ => Ok(()),
    }
}

/// The server's settings that plans depend on; they are written into each command.
pub fn plan_relevant(properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let plans_need = |name: &str| name.starts_with("ksql.") || name.starts_with("calzone.");
    properties.iter().filter(|(name, _)| plans_need(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// All settings with their effective values, sorted by name.
pub fn list(options: &EngineOptions, session: &BTreeMap<String, String>) -> Vec<PropertyValue> {
    let overridden: BTreeMap<String, &String> = session.iter().map(|(n, v)| (canonical(n), v)).collect();
    let server: BTreeMap<String, &String> = options.properties.iter().map(|(n, v)| (canonical(n), v)).collect();
    let mut names: BTreeMap<&str, (Option<&str>, bool)> = listed().map(|l| (l.name, (l.default, l.editable))).collect();
    for name in server.keys().chain(overridden.keys()) {
        names.entry(name).or_insert((None, validate_override(name, None).is_ok()));
    }
    names
        .into_iter()
        .map(|(name, (default, editable))| {
            let (value, origin) = match (overridden.get(name), server.get(name)) {
                (Some(value), _) => (Some((*value).clone()), PropertyOrigin::Session),
                (None, Some(value)) => (Some((*value).clone()), PropertyOrigin::Server),
                (None, None) => (default.map(str::to_owned), PropertyOrigin::Default),
            };
            let secret = ["password", "secret", "jaas", "credentials.file"].iter().any(|word| name.contains(word));
            let value = if secret { value.map(|_| "[hidden]".to_owned()) } else { value };
            PropertyValue { name: name.to_owned(), scope: "KSQL", value, editable, origin }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_override_what_is_theirs() {
        assert_eq!(validate_override("auto.offset.reset", Some("earliest")), Ok(()));
        assert_eq!(validate_override("ksql.streams.commit.interval.ms", Some("1000")), Ok(()));
        assert_eq!(validate_override("ksql.functions.collect_list.limit", Some("3")), Ok(()));
        assert!(matches!(validate_override("no.such", None), Err(PropertyFault::Unknown(_))));
        assert!(matches!(validate_override("ksql.service.id", Some("x")), Err(PropertyFault::ServerOnly(_))));
        assert!(matches!(validate_override("auto.offset.reset", Some("sideways")), Err(PropertyFault::BadValue(_))));
        assert!(matches!(validate_override("ksql.streams.commit.interval.ms", Some("x")), Err(PropertyFault::BadValue(_))));
    }
}
