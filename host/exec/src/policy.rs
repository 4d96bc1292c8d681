//! Records that fail, and who decides what becomes of them.

use calzone_plan::error_policy::{Backoff, Decider, ErrorPolicy, PolicyAction, PolicySettings, QueryPolicy};
use calzone_types::Header;
use std::sync::Arc;

use crate::error::{ErrorClass, RecordError};

/// A record that could not be processed.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    pub class: ErrorClass,
    /// The step of the plan that failed.
    pub step: &'a str,
    /// What went wrong, for the user.
    pub cause: &'a str,
    /// How often the record has failed, this time included: 1 at first.
    pub attempt: u32,
    /// Can it be tried again? Not once something has come of it that cannot be undone. A decision to retry such a record makes it a
    /// dead letter.
    pub retriable: bool,
    /// Where the record lay when it was read first.
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

/// What becomes of a record that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is left out.
    Skip,
    /// It is tried again after so many milliseconds, while others pass it.
    Retry { after_ms: i64 },
    /// It is tried again after so many milliseconds; later records of its group wait behind it.
    RetryInOrder { after_ms: i64 },
    /// It goes to a dead letter topic; `None`: to the query's. `cause`: what there is to say besides what went wrong.
    DeadLetter { topic: Option<Arc<str>>, cause: Option<String> },
    /// Another one is processed in its place, as if it lay there in the topic.
    Replace { key: Option<Vec<u8>>, value: Option<Vec<u8>>, headers: Vec<Header> },
    /// The query stops before the record and waits for the user.
    Stop,
}

impl Decision {
    /// To the query's dead letter topic.
    pub const DEAD_LETTER: Decision = Decision::DeadLetter { topic: None, cause: None };
}

/// An error policy at work.
pub trait Decide: Send {
    /// One decision for each failure, in order. The same failures get the same decisions, also after a restart.
    fn decide(&mut self, failures: &[Failure<'_>]) -> Vec<Decision>;
}

/// Stands between what can be done again and what cannot: see [`crate::Task::process_guarded`].
pub trait Gatekeeper {
    /// Decides about the records that have failed so far; takes the errors of those away that were not to be tried at all.
    fn settle(&mut self, errors: &mut Vec<RecordError>);

    /// Is there any record whose rows must not pass?
    fn holds_any(&self) -> bool;

    /// May rows pass that came of the record at this offset?
    fn passes(&self, offset: i64) -> bool;
}

/// A set of [`ErrorClass`]es.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassSet(u16);

impl ClassSet {
    /// The classes that a policy decides about.
    pub fn of_policy(policy: &QueryPolicy) -> ClassSet {
        ErrorClass::ALL.iter().filter(|class| policy.for_class(class.as_str()).is_some()).copied().collect()
    }

    pub fn contains(self, class: ErrorClass) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<ErrorClass> for ClassSet {
    fn from_iter<I: IntoIterator<Item = ErrorClass>>(classes: I) -> ClassSet {
        ClassSet(classes.into_iter().fold(0, |set, class| set | 1 << class as u16))
    }
}

/// A policy of `AS action [THEN action]`.
pub struct ActionsPolicy {
    first: PolicyAction,
    then: PolicyAction,
    settings: PolicySettings,
}

impl ActionsPolicy {
    /// `None` for a policy that a plugin decides.
    pub fn new(policy: &ErrorPolicy) -> Option<ActionsPolicy> {
        match &policy.decider {
            Decider::Actions { first, then } => Some(ActionsPolicy {
                first: *first,
                then: then.unwrap_or(PolicyAction::DeadLetter),
                settings: policy.settings.clone(),
            }),
            Decider::Plugin { .. } => None,
        }
    }

    fn decision(&self, failure: &Failure<'_>) -> Decision {
        let may_retry = failure.retriable && self.settings.attempts.is_none_or(|most| failure.attempt <= most);
        let after_ms = || wait_ms(&self.settings.backoff, failure);
        // A retry after a retry has no end of its own either: what is used up there is a dead letter.
        let action = match self.first.retries() && !may_retry {
            true if self.then.retries() => PolicyAction::DeadLetter,
            true => self.then,
            false => self.first,
        };
        match action {
            PolicyAction::Skip => Decision::Skip,
            PolicyAction::Stop => Decision::Stop,
            PolicyAction::DeadLetter => Decision::DEAD_LETTER,
            PolicyAction::Retry => Decision::Retry { after_ms: after_ms() },
            PolicyAction::RetryInOrder => Decision::RetryInOrder { after_ms: after_ms() },
        }
    }
}

impl Decide for ActionsPolicy {
    fn decide(&mut self, failures: &[Failure<'_>]) -> Vec<Decision> {
        failures.iter().map(|failure| self.decision(failure)).collect()
    }
}

/// How long the record waits before its next attempt, milliseconds.
fn wait_ms(backoff: &Backoff, failure: &Failure<'_>) -> i64 {
    let exponent = i32::try_from(failure.attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let whole = (backoff.initial_ms as f64 * backoff.factor.powi(exponent)).min(backoff.max_ms as f64);
    let share = place_hash(failure) as f64 / u64::MAX as f64;
    let wait = whole * (1.0 - backoff.jitter.clamp(0.0, 1.0) * share);
    if wait.is_finite() { (wait as i64).max(0) } else { backoff.max_ms.max(0) }
}

/// Spreads the attempts of records that failed together: FNV-1a over the record's place and the attempt, the same wherever and
/// whenever it is computed.
fn place_hash(failure: &Failure<'_>) -> u64 {
    let place = [&failure.partition.to_be_bytes()[..], &failure.offset.to_be_bytes(), &failure.attempt.to_be_bytes()];
    let bytes = failure.topic.as_bytes().iter().chain(place.into_iter().flatten());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    // The last bytes reach the high bits too.
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests;
