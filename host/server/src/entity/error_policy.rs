//! Error policies.

use calzone_engine::answer::{Decider, ErrorPolicySummary, LockSummary, PolicyAction};
use serde_json::{Map, Value, json};

/// SHOW ERROR POLICIES.
pub fn summary(summary: &ErrorPolicySummary) -> Value {
    let policy = &summary.policy;
    let (plugin, item) = match &policy.decider {
        Decider::Plugin { plugin, policy, .. } => (Some(&**plugin), Some(&**policy)),
        Decider::Actions { .. } => (None, None),
    };
    let (first, then) = match &policy.decider {
        Decider::Actions { first, then } => {
            let then = then.or(first.retries().then_some(PolicyAction::DeadLetter));
            (Some(first.to_string()), then.map(|t| t.to_string()))
        }
        Decider::Plugin { .. } => (None, None),
    };
    json!({
        "name": &*policy.name,
        "action": first,
        "then": then,
        "plugin": plugin,
        "policy": item,
        "revision": summary.revision,
        "usedBy": summary.used_by,
    })
}

/// SHOW LOCKS.
pub fn lock(lock: &LockSummary) -> Value {
    json!({
        "key": lock.key,
        "topic": lock.topic,
        "partition": lock.partition,
        "count": lock.count,
        "since": lock.since_ms,
        "offset": lock.offset,
        "attempts": lock.attempts,
        "nextAttempt": lock.next_attempt_ms,
        "class": lock.class,
        "cause": lock.cause,
    })
}

/// DESCRIBE ERROR POLICY: settings that mean something for this policy, with those that were not given.
pub fn description(described: &ErrorPolicySummary) -> Value {
    let policy = &described.policy;
    let settings = &policy.settings;
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    set("CLASSES", settings.classes.iter().map(|c| c.to_string()).collect::<Vec<_>>().join(", ").into());
    if policy.retries() && matches!(policy.decider, Decider::Actions { .. }) {
        let backoff = &settings.backoff;
        set("ATTEMPTS", settings.attempts.map_or("UNLIMITED".into(), Value::from));
        set("BACKOFF", if backoff.factor == 1.0 { "FIXED" } else { "EXPONENTIAL" }.into());
        set("BACKOFF_INITIAL_MS", backoff.initial_ms.into());
        set("BACKOFF_FACTOR", backoff.factor.into());
        set("BACKOFF_MAX_MS", backoff.max_ms.into());
        set("BACKOFF_JITTER", backoff.jitter.into());
    }
    if policy.decider.may(PolicyAction::RetryInOrder) {
        set("CHAIN", settings.chain.to_string().into());
    }
    if policy.decider.may(PolicyAction::DeadLetter) {
        set("HEADERS", settings.header_style.to_string().into());
    }
    for (name, topic) in [
        ("DEAD_LETTER_TOPIC", &settings.dead_letter_topic),
        ("RETRY_TOPIC", &settings.retry_topic),
        ("REDIRECT_TOPIC", &settings.redirect_topic),
    ] {
        if let Some(topic) = topic {
            set(name, (&**topic).into());
        }
    }
    let mut value = summary(described);
    if let Decider::Plugin { config, .. } = &policy.decider {
        let config: Map<String, Value> = config.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
        value["config"] = config.into();
    }
    value["lockBy"] = policy.lock_by.as_deref().map_or(Value::Null, Value::from);
    value["settings"] = shown.into();
    value["statement"] = (&*policy.statement).into();
    value
}
