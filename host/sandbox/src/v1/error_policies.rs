//! Calls of the interface `error-policies`.

use super::bindings::calzone::plugin::types::Setting;
use super::bindings::exports::calzone::plugin::error_policies::{self, Decision, Failure, HeaderParam, HeaderResult};
use crate::describe::{ErrorPolicyDescription, SettingDescription};
use crate::error_policy::{PolicyDecision, PolicyFailure};
use crate::fault::{Fault, TimeLimit};
use crate::instance::Instance;

super::interface! {
    /// Where a component has its error policies.
    ErrorPolicies, error_policies, error_policies, super::ERROR_POLICIES
}

impl ErrorPolicies {
    /// Author, version, policies.
    pub(crate) fn describe(&self, instance: &mut Instance) -> Result<(String, String, Vec<ErrorPolicyDescription>), Fault> {
        let d = self.call(instance, TimeLimit::Start, |store, exports| exports.call_describe(store))?;
        let policies = d.policies.into_iter().map(|p| ErrorPolicyDescription {
            name: p.name,
            doc: p.doc,
            settings: p.settings.into_iter().map(|s| SettingDescription { key: s.key, doc: s.doc, default: s.default }).collect(),
        });
        Ok((d.about.author, d.about.version, policies.collect()))
    }

    pub(crate) fn open(&self, instance: &mut Instance, policy: &str, settings: &[(String, String)]) -> Result<(), Fault> {
        let settings: Vec<Setting<'_>> = settings.iter().map(|(key, value)| Setting { key, value }).collect();
        self.call(instance, TimeLimit::Start, |store, exports| exports.call_open(store, policy, &settings))?.map_err(Fault::Error)
    }

    /// One decision for each failure.
    pub(crate) fn decide(&self, instance: &mut Instance, failures: &[PolicyFailure<'_>]) -> Result<Vec<PolicyDecision>, Fault> {
        let headers: Vec<Vec<HeaderParam<'_>>> = failures
            .iter()
            .map(|f| f.headers.iter().map(|(key, value)| HeaderParam { key, value: value.as_deref() }).collect())
            .collect();
        let lent: Vec<Failure<'_>> = failures
            .iter()
            .zip(&headers)
            .map(|(f, headers)| Failure {
                class: f.class,
                step: f.step,
                cause: f.cause,
                attempt: f.attempt,
                retriable: f.retriable,
                topic: f.topic,
                partition: f.partition,
                offset: f.offset,
                timestamp: f.timestamp,
                key: f.key,
                value: f.value,
                headers,
            })
            .collect();
        let decisions =
            self.call(instance, TimeLimit::Batch, |store, exports| exports.call_decide(store, &lent))?.map_err(Fault::Error)?;
        if decisions.len() != failures.len() {
            return Err(Fault::Answer(format!("{} decisions for {} failures", decisions.len(), failures.len())));
        }
        decisions.into_iter().map(read_decision).collect::<Result<_, _>>().map_err(Fault::Answer)
    }
}

fn read_decision(decision: Decision) -> Result<PolicyDecision, String> {
    let wait = |ms: u64| i64::try_from(ms).map_err(|_| format!("a wait of {ms} milliseconds"));
    Ok(match decision {
        Decision::Skip => PolicyDecision::Skip,
        Decision::Retry(ms) => PolicyDecision::Retry { after_ms: wait(ms)? },
        Decision::RetryInOrder(ms) => PolicyDecision::RetryInOrder { after_ms: wait(ms)? },
        Decision::DeadLetter(topic) => PolicyDecision::DeadLetter { topic },
        Decision::Replace(record) => PolicyDecision::Replace {
            key: record.key,
            value: record.value,
            headers: record.headers.into_iter().map(|HeaderResult { key, value }| (key.into(), value)).collect(),
        },
        Decision::Stop => PolicyDecision::Stop,
    })
}
