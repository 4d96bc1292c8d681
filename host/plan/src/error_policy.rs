//! What becomes of records that fail: error policies as statements made them, and as a query uses one.

use std::fmt;
use std::sync::Arc;

use crate::expression::Expr;
use crate::plan::Step;

/// Classes of errors, by their words in the processing log: what CLASSES takes.
pub const ERROR_CLASSES: &[&str] =
    &["deserialization", "expression", "plugin", "timestamp", "serialization", "production", "late", "null key"];

/// Classes that SQL expects of ordinary records: a policy is for them only where it names them.
pub const EXPECTED_CLASSES: &[&str] = &["late", "null key"];

/// A policy made by `CREATE ERROR POLICY`.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorPolicy {
    pub name: Arc<str>,
    pub decider: Decider,
    pub settings: PolicySettings,
    /// `LOCK BY`, as text of the statement: planned against the columns of each query's source.
    pub lock_by: Option<Arc<str>>,
    /// The normalised statement that made it.
    pub statement: Arc<str>,
}

/// Who decides about a failed record.
#[derive(Clone, Debug, PartialEq)]
pub enum Decider {
    /// `AS first [THEN then]`: `then` follows when a retry's attempts are used up; without it such a record is a dead letter.
    Actions { first: PolicyAction, then: Option<PolicyAction> },
    /// `USING PLUGIN`: a component answers for each record.
    Plugin { plugin: Arc<str>, policy: Arc<str>, config: Vec<(String, String)> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyAction {
    /// Reported in the processing log, and left out.
    Skip,
    /// The query stops before the record, and waits for the user.
    Stop,
    /// To the dead letter topic, byte for byte.
    DeadLetter,
    /// To the retry topic; others pass it meanwhile.
    Retry,
    /// To the retry topic; later records of its key wait behind it.
    RetryInOrder,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// How often a record is tried again before `then`. `None`: for ever.
    pub attempts: Option<u32>,
    pub backoff: Backoff,
    /// The classes of errors it is for, by their words in the processing log; if empty, all but [`EXPECTED_CLASSES`].
    pub classes: Vec<Arc<str>>,
    /// What becomes of the records that wait behind a record that has become a dead letter.
    pub chain: ChainFate,
    pub header_style: HeaderStyle,
    pub dead_letter_topic: Option<Arc<str>>,
    pub retry_topic: Option<Arc<str>>,
    pub redirect_topic: Option<Arc<str>>,
}

/// How long a record waits before its next attempt: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    pub initial_ms: i64,
    /// Each wait is the last one times this: 1 is a fixed backoff.
    pub factor: f64,
    pub max_ms: i64,
    /// The share of the wait, 0 to 1, that is varied by a hash of the record's place: the same after a restart.
    pub jitter: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChainFate {
    /// They are processed as if the dead one had not been.
    #[default]
    Release,
    DeadLetterAll,
    Stop,
}

/// Whose names the headers of a dead letter have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderStyle {
    /// `__connect.errors.*`
    #[default]
    Connect,
    /// `__streams.errors.*`
    Streams,
    /// `kafka_dlt-*`
    Spring,
    /// `dead-letter-*`
    SmallRye,
}

/// A policy as one query uses it.
#[derive(Clone, Debug)]
pub struct QueryPolicy {
    pub policy: Arc<ErrorPolicy>,
    /// For classes that `policy` is not for: what the settings `ksql.fail.on.*` say, as policies that skip or stop.
    pub others: Vec<Arc<ErrorPolicy>>,
    pub chosen_by: ChosenBy,
    /// Topics that the query or source names itself.
    pub named: PolicyTopics,
    /// `<sink topic>-dead-letter` unless the query's WITH or the policy names another.
    pub dead_letter_topic: Arc<str>,
    pub retry_topic: Arc<str>,
    pub redirect_topic: Arc<str>,
    /// `None`: by the bytes of the record's key.
    pub lock_by: Option<LockBy>,
    /// The policy took the place of one that retried: what waits since then is still tried again.
    pub has_retried: bool,
}

/// What records are put in order by: `LOCK BY`.
#[derive(Clone, Debug)]
pub struct LockBy {
    /// Reads the columns of the query's source that the expression needs, and no others: a [`crate::plan::StepKind::Source`].
    pub input: Step,
    /// Over the columns of `input`.
    pub expr: Expr,
}

/// Where a query's policy was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// ON ERROR, or ERROR_POLICY in its WITH clause.
    Query,
    /// ERROR_POLICY of a source that it reads.
    Source(Arc<str>),
    /// The server's or session's setting of this name.
    Setting(&'static str),
}

/// Topics as WITH names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTopics {
    pub dead_letter: Option<Arc<str>>,
    pub retry: Option<Arc<str>>,
    pub redirect: Option<Arc<str>>,
}

/// What a source asks of the queries that read it: `WITH (ERROR_POLICY='p')`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePolicy {
    /// The folded name, or `NONE`.
    pub policy: Arc<str>,
    pub topics: PolicyTopics,
}

impl ErrorPolicy {
    /// Is it for errors of this class?
    pub fn is_for(&self, class: &str) -> bool {
        match self.settings.classes.as_slice() {
            [] => !EXPECTED_CLASSES.contains(&class),
            named => named.iter().any(|c| **c == *class),
        }
    }

    /// The plugin that decides.
    pub fn plugin(&self) -> Option<&str> {
        match &self.decider {
            Decider::Plugin { plugin, .. } => Some(plugin),
            Decider::Actions { .. } => None,
        }
    }

    /// Can it ask for another attempt?
    pub fn retries(&self) -> bool {
        self.decider.may(PolicyAction::Retry) || self.decider.may(PolicyAction::RetryInOrder)
    }
}

impl Decider {
    /// Can a record meet this fate? A retry that is used up without THEN makes a dead letter, and so may RETRY IN ORDER
    /// of those that wait.
    pub fn may(&self, action: PolicyAction) -> bool {
        match self {
            Decider::Actions { first, then } => {
                let implied = action == PolicyAction::DeadLetter
                    && (*first == PolicyAction::RetryInOrder || first.retries() && then.is_none());
                implied || *first == action || *then == Some(action)
            }
            Decider::Plugin { .. } => true,
        }
    }
}

impl QueryPolicy {
    /// The policy that decides about errors of this class; `None`: they are reported and left out or made null, as in ksqlDB.
    pub fn for_class(&self, class: &str) -> Option<&Arc<ErrorPolicy>> {
        std::iter::once(&self.policy).chain(&self.others).find(|p| p.is_for(class))
    }

    /// Can it ask for another attempt? Then the query has a retry topic and stores for what waits.
    pub fn retries(&self) -> bool {
        self.policy.retries() || self.has_retried
    }
}

impl PolicyAction {
    pub fn retries(self) -> bool {
        matches!(self, PolicyAction::Retry | PolicyAction::RetryInOrder)
    }
}

/// As in SQL.
impl fmt::Display for PolicyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicyAction::Skip => "SKIP",
            PolicyAction::Stop => "STOP",
            PolicyAction::DeadLetter => "DEAD LETTER",
            PolicyAction::Retry => "RETRY",
            PolicyAction::RetryInOrder => "RETRY IN ORDER",
        })
    }
}

/// As in SQL.
impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decider::Actions { first, then: None } => write!(f, "{first}"),
            Decider::Actions { first, then: Some(then) } => write!(f, "{first} THEN {then}"),
            Decider::Plugin { plugin, policy, .. } => write!(f, "plugin {plugin}, policy {policy}"),
        }
    }
}

/// As the setting CHAIN takes it.
impl fmt::Display for ChainFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChainFate::Release => "RELEASE",
            ChainFate::DeadLetterAll => "DEAD LETTER ALL",
            ChainFate::Stop => "STOP",
        })
    }
}

/// As the setting HEADERS takes it.
impl fmt::Display for HeaderStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderStyle::Connect => "CONNECT",
            HeaderStyle::Streams => "STREAMS",
            HeaderStyle::Spring => "SPRING",
            HeaderStyle::SmallRye => "SMALLRYE",
        })
    }
}

impl PolicySettings {
    /// Without WITH: ten attempts, a second apart and growing to a minute.
    pub const DEFAULT_ATTEMPTS: u32 = 10;
}

impl Default for PolicySettings {
    fn default() -> PolicySettings {
        PolicySettings {
            attempts: Some(PolicySettings::DEFAULT_ATTEMPTS),
            backoff: Backoff::default(),
            classes: Vec::new(),
            chain: ChainFate::default(),
            header_style: HeaderStyle::default(),
            dead_letter_topic: None,
            retry_topic: None,
            redirect_topic: None,
        }
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { initial_ms: 1_000, factor: 2.0, max_ms: 60_000, jitter: 0.0 }
    }
}
