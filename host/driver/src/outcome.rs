//! How a case ended.

use serde::Serialize;
use serde_json::Value as Json;

/// How a case ended, as its line in the results says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pass,
    Fail,
    Crash,
    Timeout,
}

/// Why a case did not pass.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `setup`, `format`, `parse`, `statement`, `run`, `compare` or `post`.
    pub stage: &'static str,
    pub reason: String,
    pub diff: Option<Box<Diff>>,
}

/// A case that was to be refused, and was: at which stage and why.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub stage: &'static str,
    pub message: String,
}

/// How a case that was run ended. `Ok(None)`: everything came out as expected.
pub type Outcome = Result<Option<Refusal>, Failure>;

/// The first record that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    pub topic: String,
    pub index: usize,
    pub expected: Json,
    pub actual: Json,
}

/// A case's line in the results.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub id: String,
    pub status: Status,
    /// Where the case failed or, if it had to be, was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<Box<Diff>>,
    pub micros: u64,
    #[serde(skip)]
    pub category: String,
    #[serde(skip)]
    pub suite: String,
    #[serde(skip)]
    pub expects_error: bool,
}

impl Failure {
    pub fn new(stage: &'static str, reason: impl Into<String>) -> Failure {
        Failure { stage, reason: reason.into(), diff: None }
    }
}
