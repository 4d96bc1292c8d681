//! Error policies: what `#[error_policy]` makes, the [`ErrorPolicy`] trait for those with settings, and how the host calls them.

use std::cell::RefCell;

use crate::Settings;
use crate::bindings::error_policy::exports::calzone::plugin::error_policies as wit;
use crate::bindings::types::{About, Setting};
pub use crate::stage::{Header, SettingDescription};

/// One error policy of a plugin. Made by `#[error_policy]`, or by implementing [`ErrorPolicy`].
#[derive(Clone, Copy)]
pub struct ErrorPolicyEntry {
    pub name: &'static str,
    pub doc: &'static str,
    pub settings: &'static [SettingDescription],
    /// Prepares the policy with its settings.
    pub open: OpenErrorPolicy,
}

/// Looks at settings, and gives what decides.
pub type OpenErrorPolicy = fn(&Settings) -> Result<Judge, String>;

/// Decides about one failure.
pub type Judge = Box<dyn FnMut(&Failure) -> Decision>;

/// A record that could not be processed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// `deserialization`, `expression`, `plugin`, `timestamp`, `serialization`, `production`, `late` or `null key`.
    pub class: String,
    /// The step of the query that failed.
    pub step: String,
    /// What went wrong, for people.
    pub cause: String,
    /// How often the record has failed, this time included: 1 at first.
    pub attempt: u32,
    /// Can it be tried again? If not, a retry is a dead letter.
    pub retriable: bool,
    /// Where the record lay when it was read first.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

/// What becomes of a record that failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is left out.
    Skip,
    /// It is tried again after so many milliseconds, while others pass it.
    Retry { after_ms: u64 },
    /// It is tried again after so many milliseconds; later records of its key wait behind it.
    RetryInOrder { after_ms: u64 },
    /// It goes to the query's dead letter topic.
    DeadLetter,
    /// It goes to this dead letter topic, which must exist.
    DeadLetterTo(String),
    /// Another record is processed in its place.
    Replace { key: Option<Vec<u8>>, value: Option<Vec<u8>>, headers: Vec<Header> },
    /// The query stops before the record, and waits for the user.
    Stop,
}

/// An error policy with settings, or that prepares something when it is opened.
///
/// The same failure must get the same decision: a policy must not remember failures, and an instance may be replaced at any
/// time.
pub trait ErrorPolicy: Sized + 'static {
    const NAME: &'static str;
    const DOC: &'static str = "";
    const SETTINGS: &'static [SettingDescription] = &[];

    /// Not to be overridden: what `plugin!` takes.
    const ERROR_POLICY: ErrorPolicyEntry =
        ErrorPolicyEntry { name: Self::NAME, doc: Self::DOC, settings: Self::SETTINGS, open: open_policy::<Self> };

    /// Looks at the settings.
    fn open(settings: &Settings) -> Result<Self, String>;

    /// Decides about one failure.
    fn decide(&mut self, failure: &Failure) -> Decision;
}

fn open_policy<P: ErrorPolicy>(settings: &Settings) -> Result<Judge, String> {
    let mut policy = P::open(settings)?;
    Ok(Box::new(move |failure| policy.decide(failure)))
}

thread_local! {
    /// An instance is opened once, as one policy.
    static OPEN: RefCell<Option<Judge>> = const { RefCell::new(None) };
}

pub fn describe(author: &str, version: &str, policies: &[ErrorPolicyEntry]) -> wit::Description {
    let setting = |d: &SettingDescription| wit::SettingDescription {
        key: d.key.to_owned(),
        doc: d.doc.to_owned(),
        default: d.default.map(str::to_owned),
    };
    let policies = policies
        .iter()
        .map(|p| wit::Policy {
            name: p.name.to_owned(),
            doc: p.doc.to_owned(),
            settings: p.settings.iter().map(setting).collect(),
        })
        .collect();
    wit::Description { about: About { author: author.to_owned(), version: version.to_owned() }, policies }
}

pub fn open(policies: &[ErrorPolicyEntry], name: &str, settings: Vec<Setting>) -> Result<(), String> {
    crate::capability::report_panics();
    let missing = || format!("there is no error policy `{name}`");
    let policy = policies.iter().find(|p| p.name.eq_ignore_ascii_case(name)).ok_or_else(missing)?;
    let judge = (policy.open)(&Settings::new(settings.into_iter().map(|s| (s.key, s.value))))?;
    OPEN.set(Some(judge));
    Ok(())
}

pub fn decide(failures: Vec<wit::Failure>) -> Result<Vec<wit::Decision>, String> {
    OPEN.with_borrow_mut(|open| {
        let judge = open.as_mut().ok_or("no error policy is open")?;
        Ok(failures.into_iter().map(|failure| into_wit(judge(&from_wit(failure)))).collect())
    })
}

fn from_wit(failure: wit::Failure) -> Failure {
    Failure {
        class: failure.class,
        step: failure.step,
        cause: failure.cause,
        attempt: failure.attempt,
        retriable: failure.retriable,
        topic: failure.topic,
        partition: failure.partition,
        offset: failure.offset,
        timestamp: failure.timestamp,
        key: failure.key,
        value: failure.value,
        headers: failure.headers.into_iter().map(|h| (h.key, h.value)).collect(),
    }
}

fn into_wit(decision: Decision) -> wit::Decision {
    match decision {
        Decision::Skip => wit::Decision::Skip,
        Decision::Retry { after_ms } => wit::Decision::Retry(after_ms),
        Decision::RetryInOrder { after_ms } => wit::Decision::RetryInOrder(after_ms),
        Decision::DeadLetter => wit::Decision::DeadLetter(None),
        Decision::DeadLetterTo(topic) => wit::Decision::DeadLetter(Some(topic)),
        Decision::Replace { key, value, headers } => {
            let headers = headers.into_iter().map(|(key, value)| wit::Header { key, value }).collect();
            wit::Decision::Replace(wit::Replacement { key, value, headers })
        }
        Decision::Stop => wit::Decision::Stop,
    }
}
