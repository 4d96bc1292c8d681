//! Error policies of components: what becomes of records that failed.

use std::sync::Arc;

use calzone_types::Header;

use crate::component::{Code, Component, refusal};
use crate::fault::Fault;
use crate::instance::{Grants, Instance};
use crate::isolate::isolate;
use crate::{SandboxError, v1};

/// A record that could not be processed.
#[derive(Clone, Copy, Debug)]
pub struct PolicyFailure<'a> {
    /// A word for the kind of error.
    pub class: &'a str,
    pub step: &'a str,
    pub cause: &'a str,
    /// 1 for the first failure.
    pub attempt: u32,
    pub retriable: bool,
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

/// What the guest wants done with it.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyDecision {
    Skip,
    Retry {
        after_ms: i64,
    },
    RetryInOrder {
        after_ms: i64,
    },
    /// `None`: to the query's own topic.
    DeadLetter {
        topic: Option<String>,
    },
    Replace {
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<Header>,
    },
    Stop,
}

/// One use of an error policy: an instance of its component, opened with its settings.
pub struct ErrorPolicyInstance {
    code: Arc<Code>,
    policies: v1::ErrorPolicies,
    policy: String,
    settings: Vec<(String, String)>,
    /// None after a fault, until the next failure.
    live: Option<Instance>,
}

impl Component {
    /// An instance of an error policy. Fails if there is no such policy, if it refuses the settings, or imports what needs a
    /// grant: policies have none, so that the same failure always gets the same answer.
    pub fn instantiate_error_policy(
        &self,
        policy: &str,
        config: &[(String, String)],
    ) -> Result<ErrorPolicyInstance, SandboxError> {
        Grants::default().check(&self.imports)?;
        let (Some(policies), Some(described)) = (&self.code.error_policies, self.description.error_policy(policy)) else {
            return Err(self.no_such("error policy", policy));
        };
        let place = format!("plugin {}, error policy {policy}", self.plugin);
        let settings = crate::describe::complete_settings(&described.settings, config)
            .map_err(|missing| SandboxError::Unusable(format!("{place}: {missing}")))?;
        let live = start(&self.code, policies, &described.name, &settings).map_err(|f| refusal(&place, &f))?;
        Ok(ErrorPolicyInstance {
            code: self.code.clone(),
            policies: policies.clone(),
            policy: described.name.clone(),
            settings,
            live: Some(live),
        })
    }
}

fn start(code: &Code, policies: &v1::ErrorPolicies, policy: &str, settings: &[(String, String)]) -> Result<Instance, Fault> {
    let mut instance = code.start()?;
    policies.open(&mut instance, policy, settings)?;
    Ok(instance)
}

impl ErrorPolicyInstance {
    /// One decision for each failure, in order. Where the guest traps, exceeds a limit or answers wrongly, it is an error that
    /// says so; the others are unharmed.
    pub fn decide(&mut self, failures: &[PolicyFailure<'_>]) -> Vec<Result<PolicyDecision, String>> {
        if failures.is_empty() {
            return Vec::new();
        }
        let isolation_ms = self.code.limits.isolation_ms;
        let watch = self.code.watch.clone();
        let pieces = isolate(0..failures.len(), isolation_ms, &watch, |part| self.attempt(&failures[part]));
        let mut decisions = Vec::with_capacity(failures.len());
        for (part, piece) in pieces {
            match piece {
                Ok(decided) => decisions.extend(decided.into_iter().map(Ok)),
                Err(fault) => decisions.extend(part.map(|_| Err(fault.to_string()))),
            }
        }
        decisions
    }

    fn attempt(&mut self, failures: &[PolicyFailure<'_>]) -> Result<Vec<PolicyDecision>, Fault> {
        let mut instance = match self.live.take() {
            Some(instance) => instance,
            None => start(&self.code, &self.policies, &self.policy, &self.settings).map_err(|f| Fault::Start(f.to_string()))?,
        };
        let result = self.policies.decide(&mut instance, failures);
        if result.as_ref().err().is_none_or(Fault::instance_survives) {
            self.live = Some(instance);
        }
        result
    }
}
