//! The topics of an error policy.

use calzone_log::{Log, LogError, TopicSpec};
use calzone_plan::error_policy::{PolicyAction, QueryPolicy};

/// Creates the topics that the policy may need, where they are missing: with `partitions` partitions, as many as the query's
/// source has. What is in them is kept until somebody deletes it: their records have the timestamps of the failed ones, which
/// may be older than any retention.
///
/// # Errors
/// `InvalidTopic` if the retry or redirect topic is there, but too small: a record waits in the partition that it came from.
pub fn ensure_topics(log: &dyn Log, policy: &QueryPolicy, partitions: i32) -> Result<(), LogError> {
    let policies = || std::iter::once(&policy.policy).chain(&policy.others);
    if policies().any(|p| p.decider.may(PolicyAction::DeadLetter)) || policy.retries() {
        ensure_topic(log, &policy.dead_letter_topic, partitions)?;
    }
    if policy.retries() {
        for topic in [&policy.retry_topic, &policy.redirect_topic] {
            let found = ensure_topic(log, topic, partitions)?;
            if found < partitions {
                let reason = format!("it has {found} partition(s), but needs as many as the query's source, {partitions}");
                return Err(LogError::InvalidTopic { topic: topic.to_string(), reason });
            }
        }
    }
    Ok(())
}

/// Gives the topic's number of partitions, after creating it if it is missing.
pub fn ensure_topic(log: &dyn Log, name: &str, partitions: i32) -> Result<i32, LogError> {
    if let Some(topic) = log.topic(name)? {
        return Ok(topic.partitions);
    }
    let config = [("message.timestamp.type", "CreateTime"), ("cleanup.policy", "delete"), ("retention.ms", "-1")];
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    match log.create_topic(&TopicSpec { name: name.to_owned(), partitions, replicas: -1, config }) {
        Ok(()) | Err(LogError::TopicExists { .. }) => Ok(partitions),
        Err(error) => Err(error),
    }
}
