//! The WITH clause of `CREATE ERROR POLICY`.

use std::sync::Arc;

use calzone_sql::ast::Property;
use calzone_types::Value;

use crate::error::{PlanError, Result};
use crate::error_policy::{Backoff, ChainFate, Decider, ERROR_CLASSES, HeaderStyle, PolicyAction, PolicySettings};

/// Settings by name, and what they are for.
const SETTINGS: &[(&str, For)] = &[
    ("ATTEMPTS", For::Retries),
    ("BACKOFF", For::Retries),
    ("BACKOFF_FACTOR", For::Retries),
    ("BACKOFF_INITIAL_MS", For::Retries),
    ("BACKOFF_JITTER", For::Retries),
    ("BACKOFF_MAX_MS", For::Retries),
    ("CHAIN", For::Order),
    ("CLASSES", For::All),
    ("DEAD_LETTER_TOPIC", For::DeadLetters),
    ("HEADERS", For::DeadLetters),
    ("REDIRECT_TOPIC", For::Order),
    ("RETRY_TOPIC", For::RetryTopic),
];

/// Other words for classes.
const CLASS_ALIASES: &[(&str, &str)] =
    &[("decode", "deserialization"), ("encode", "serialization"), ("produce", "production"), ("null_key", "null key")];

/// Longest wait that can be asked for: thirty days.
const WAIT_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1000;

/// Largest factor of a backoff.
const FACTOR_MAX: f64 = 100.0;

/// Longest name of a topic, as in Kafka.
const TOPIC_NAME_MAX: usize = 249;

/// Which policies a setting means something for.
#[derive(Clone, Copy, PartialEq)]
enum For {
    All,
    /// RETRY and RETRY IN ORDER of our own; a plugin says itself when to try again.
    Retries,
    RetryTopic,
    Order,
    DeadLetters,
}

/// Reads the settings of a policy that decides so.
pub(crate) fn read(properties: &[Property], decider: &Decider) -> Result<PolicySettings> {
    for property in properties {
        let name = property.name.node.as_str();
        let Some((_, wanted)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
            let message = format!("Error policies know no setting {name}. They know {}.", known.join(", "));
            return Err(PlanError::at(property.name.span, message));
        };
        if let Some(reason) = needless(*wanted, decider) {
            return Err(PlanError::at(property.name.span, format!("{name} {reason}")));
        }
    }
    let with = Settings { properties };
    let attempts = match decider {
        Decider::Plugin { .. } => None,
        Decider::Actions { then, .. } => {
            let attempts = attempts(&with)?;
            if attempts.is_none() && then.is_some() {
                return Err(with.wrong("ATTEMPTS", "is 'UNLIMITED', so that THEN would never happen. Leave one of them out."));
            }
            attempts
        }
    };
    Ok(PolicySettings {
        attempts,
        backoff: backoff(&with)?,
        classes: classes(&with)?,
        chain: with.choice(
            "CHAIN",
            &[("RELEASE", ChainFate::Release), ("DEAD LETTER ALL", ChainFate::DeadLetterAll), ("STOP", ChainFate::Stop)],
        )?,
        header_style: with.choice(
            "HEADERS",
            &[
                ("CONNECT", HeaderStyle::Connect),
                ("STREAMS", HeaderStyle::Streams),
                ("SPRING", HeaderStyle::Spring),
                ("SMALLRYE", HeaderStyle::SmallRye),
            ],
        )?,
        dead_letter_topic: topic(properties, "DEAD_LETTER_TOPIC")?,
        retry_topic: topic(properties, "RETRY_TOPIC")?,
        redirect_topic: topic(properties, "REDIRECT_TOPIC")?,
    })
}

/// Why a setting means nothing for a policy.
fn needless(wanted: For, decider: &Decider) -> Option<&'static str> {
    let plugin = matches!(decider, Decider::Plugin { .. });
    let retries = decider.may(PolicyAction::Retry) || decider.may(PolicyAction::RetryInOrder);
    match wanted {
        For::Retries if plugin => {
            Some("is the plugin's business here: it says itself how often and when to try again. Use CONFIG.")
        }
        For::Retries | For::RetryTopic if !retries => Some("is for RETRY and RETRY IN ORDER. Leave it out."),
        For::Order if !decider.may(PolicyAction::RetryInOrder) => Some("is for RETRY IN ORDER. Leave it out."),
        For::DeadLetters if !decider.may(PolicyAction::DeadLetter) => {
            Some("is for policies that make dead letters, which this one never does. Leave it out.")
        }
        _ => None,
    }
}

struct Settings<'a> {
    properties: &'a [Property],
}

impl Settings<'_> {
    fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|p| p.name.node == name)
    }

    fn wrong(&self, name: &str, reason: &str) -> PlanError {
        let span = self.get(name).map_or_else(Default::default, |p| p.value.span);
        PlanError::at(span, format!("{name} {reason}"))
    }

    /// A whole number, given as such or as text.
    fn whole(&self, name: &str) -> Result<Option<i64>> {
        let Some(property) = self.get(name) else { return Ok(None) };
        let number = match &property.value.value {
            Value::Varchar(text) => text.trim().parse().ok(),
            value => value.as_i64(),
        };
        number.map(Some).ok_or_else(|| self.wrong(name, "must be a whole number."))
    }

    fn milliseconds(&self, name: &str, least: i64) -> Result<Option<i64>> {
        match self.whole(name)? {
            Some(ms) if !(least..=WAIT_MS_MAX).contains(&ms) => {
                Err(self.wrong(name, &format!("must be between {least} and {WAIT_MS_MAX} milliseconds (30 days).")))
            }
            ms => Ok(ms),
        }
    }

    fn fraction(&self, name: &str, least: f64, most: f64) -> Result<Option<f64>> {
        let Some(property) = self.get(name) else { return Ok(None) };
        let number = match &property.value.value {
            Value::Varchar(text) => text.trim().parse().ok(),
            Value::Integer(n) => Some(f64::from(*n)),
            Value::Double(n) => Some(*n),
            Value::Decimal(n) => n.to_string().parse().ok(),
            _ => None,
        };
        match number {
            Some(n) if (least..=most).contains(&n) => Ok(Some(n)),
            _ => Err(self.wrong(name, &format!("must be a number between {least} and {most}."))),
        }
    }

    fn words(&self, name: &str) -> Result<Option<String>> {
        match self.get(name).map(|p| &p.value.value) {
            None => Ok(None),
            Some(Value::Varchar(text)) => Ok(Some(text.split_whitespace().collect::<Vec<_>>().join(" "))),
            Some(_) => Err(self.wrong(name, "must be text in single quotes.")),
        }
    }

    fn choice<T: Copy + Default>(&self, name: &str, choices: &[(&str, T)]) -> Result<T> {
        let Some(word) = self.words(name)? else { return Ok(T::default()) };
        choices.iter().find(|(known, _)| known.eq_ignore_ascii_case(&word)).map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<String> = choices.iter().map(|(word, _)| format!("'{word}'")).collect();
            self.wrong(name, &format!("must be one of {}, not '{word}'.", known.join(", ")))
        })
    }
}

fn attempts(with: &Settings<'_>) -> Result<Option<u32>> {
    if let Some(Property { value, .. }) = with.get("ATTEMPTS")
        && value.value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("UNLIMITED"))
    {
        return Ok(None);
    }
    let attempts = with.whole("ATTEMPTS").map_err(|_| attempts_wrong(with))?;
    match attempts.map(u32::try_from) {
        None => Ok(Some(PolicySettings::DEFAULT_ATTEMPTS)),
        Some(Ok(n)) if n > 0 => Ok(Some(n)),
        Some(_) => Err(attempts_wrong(with)),
    }
}

fn attempts_wrong(with: &Settings<'_>) -> PlanError {
    with.wrong("ATTEMPTS", "must be a whole number above 0, or 'UNLIMITED'.")
}

fn backoff(with: &Settings<'_>) -> Result<Backoff> {
    let default = Backoff::default();
    let fixed = match with.words("BACKOFF")? {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("EXPONENTIAL") => false,
        Some(word) if word.eq_ignore_ascii_case("FIXED") => true,
        Some(word) => return Err(with.wrong("BACKOFF", &format!("must be 'FIXED' or 'EXPONENTIAL', not '{word}'."))),
    };
    if fixed {
        for name in ["BACKOFF_FACTOR", "BACKOFF_MAX_MS"] {
            if with.get(name).is_some() {
                return Err(with.wrong(name, "is for BACKOFF='EXPONENTIAL': a fixed backoff waits BACKOFF_INITIAL_MS each time."));
            }
        }
    }
    let initial_ms = with.milliseconds("BACKOFF_INITIAL_MS", 0)?.unwrap_or(default.initial_ms);
    let max_ms = with.milliseconds("BACKOFF_MAX_MS", 0)?;
    if let Some(max_ms) = max_ms
        && max_ms < initial_ms
    {
        return Err(with.wrong("BACKOFF_MAX_MS", &format!("is less than BACKOFF_INITIAL_MS, which is {initial_ms}.")));
    }
    let jitter = with.fraction("BACKOFF_JITTER", 0.0, 1.0)?.unwrap_or(default.jitter);
    if fixed {
        return Ok(Backoff { initial_ms, factor: 1.0, max_ms: initial_ms, jitter });
    }
    Ok(Backoff {
        initial_ms,
        factor: with.fraction("BACKOFF_FACTOR", 1.0, FACTOR_MAX)?.unwrap_or(default.factor),
        max_ms: max_ms.unwrap_or(default.max_ms.max(initial_ms)),
        jitter,
    })
}

fn classes(with: &Settings<'_>) -> Result<Vec<Arc<str>>> {
    let Some(text) = with.words("CLASSES")? else { return Ok(Vec::new()) };
    let mut classes: Vec<Arc<str>> = Vec::new();
    for word in text.split(',').map(str::trim) {
        let lower = word.to_ascii_lowercase();
        let meant = CLASS_ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, class)| class);
        if !ERROR_CLASSES.contains(&meant) {
            let message = format!("has no class '{word}'. The classes of errors are {}.", ERROR_CLASSES.join(", "));
            return Err(with.wrong("CLASSES", &message));
        }
        if !classes.iter().any(|c| **c == *meant) {
            classes.push(meant.into());
        }
    }
    Ok(classes)
}

/// A topic that a property names.
pub(crate) fn topic(properties: &[Property], name: &str) -> Result<Option<Arc<str>>> {
    let Some(property) = properties.iter().find(|p| p.name.node == name) else { return Ok(None) };
    let wrong = |reason: &str| Err(PlanError::at(property.value.span, format!("{name} {reason}")));
    let Value::Varchar(topic) = &property.value.value else { return wrong("must be text in single quotes.") };
    let plain = topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if !plain || topic.is_empty() || topic.len() > TOPIC_NAME_MAX || topic == "." || topic == ".." {
        return wrong(&format!("must be the name of a topic: up to {TOPIC_NAME_MAX} letters, digits, '.', '_' and '-'."));
    }
    Ok(Some(topic.as_str().into()))
}
