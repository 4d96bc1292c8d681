//! A plugin's code as a query uses it.

use std::sync::Arc;

use calzone_exec::policy::{Decide, Decision, Failure};
use calzone_exec::{Stage, StageAnswer, StageRows, TaskStore};
use calzone_functions::{Aggregate, Binding, Scalar};
use calzone_plan::plan::StageStep;
use calzone_sandbox::{Component, ErrorPolicyInstance, Grants, PolicyDecision, PolicyFailure, StageBatch, StageInstance};
use calzone_types::{Batch, Column, Namespace, Schema, Value};

use super::Breaker;
use super::guest_store::{lend, take_back};

/// Code from which each task makes instances of its own: a component in the sandbox, or one that a simulation plays.
/// Errors are sentences for the user.
pub trait Guest: Send + Sync {
    fn scalar(&self, function: &str, binding: &Binding, grants: &Grants) -> Result<Box<dyn Scalar>, String>;

    fn aggregate(&self, function: &str, binding: &Binding, init: &[Value], grants: &Grants)
    -> Result<Arc<dyn Aggregate>, String>;

    fn stage(&self, step: &StageStep, grants: &Grants) -> Result<Box<dyn Stage>, String>;

    fn error_policy(&self, policy: &str, config: &[(String, String)]) -> Result<Box<dyn Decide>, String> {
        let _ = config;
        Err(format!("there is no error policy {policy}"))
    }

    /// The same code, that tells `breaker` of its faults and names itself and its revision in errors; None: as it is.
    fn watched(&self, _revision: i64, _breaker: Option<Arc<Breaker>>) -> Option<Arc<dyn Guest>> {
        None
    }

    /// The same code without a way out; None: it has none.
    fn confined(&self) -> Option<Arc<dyn Guest>> {
        None
    }
}

impl Guest for Component {
    fn scalar(&self, function: &str, binding: &Binding, grants: &Grants) -> Result<Box<dyn Scalar>, String> {
        Ok(Box::new(self.instantiate_scalar(function, binding, grants).map_err(|e| e.to_string())?))
    }

    fn aggregate(
        &self,
        function: &str,
        binding: &Binding,
        init: &[Value],
        grants: &Grants,
    ) -> Result<Arc<dyn Aggregate>, String> {
        Ok(Arc::new(self.instantiate_aggregate(function, binding, init, grants).map_err(|e| e.to_string())?))
    }

    fn stage(&self, step: &StageStep, grants: &Grants) -> Result<Box<dyn Stage>, String> {
        let input = stage_schema(step);
        let instance = self.instantiate_stage(&step.stage, &step.config, &input, grants).map_err(|e| e.to_string())?;
        Ok(Box::new(SandboxedStage { instance }))
    }

    fn error_policy(&self, policy: &str, config: &[(String, String)]) -> Result<Box<dyn Decide>, String> {
        let instance = self.instantiate_error_policy(policy, config).map_err(|e| e.to_string())?;
        Ok(Box::new(SandboxedErrorPolicy { instance, name: format!("{}, policy {policy}", self.plugin) }))
    }

    fn watched(&self, revision: i64, breaker: Option<Arc<Breaker>>) -> Option<Arc<dyn Guest>> {
        let component = self.labelled(&format!("{}@{revision}", self.plugin));
        Some(match breaker {
            Some(breaker) => Arc::new(component.watched_by(breaker)),
            None => Arc::new(component),
        })
    }

    fn confined(&self) -> Option<Arc<dyn Guest>> {
        Some(Arc::new(self.without_outbound()))
    }
}

/// An error policy in the sandbox.
struct SandboxedErrorPolicy {
    instance: ErrorPolicyInstance,
    name: String,
}

impl Decide for SandboxedErrorPolicy {
    fn decide(&mut self, failures: &[Failure<'_>]) -> Vec<Decision> {
        let failures: Vec<PolicyFailure<'_>> = failures
            .iter()
            .map(|f| PolicyFailure {
                class: f.class.as_str(),
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
                headers: f.headers,
            })
            .collect();
        self.instance.decide(&failures).into_iter().map(|answer| self.decision(answer)).collect()
    }
}

impl SandboxedErrorPolicy {
    /// Where the guest fails, the record is a dead letter that says so: nothing is lost.
    fn decision(&self, answer: Result<PolicyDecision, String>) -> Decision {
        match answer {
            Ok(PolicyDecision::Skip) => Decision::Skip,
            Ok(PolicyDecision::Retry { after_ms }) => Decision::Retry { after_ms },
            Ok(PolicyDecision::RetryInOrder { after_ms }) => Decision::RetryInOrder { after_ms },
            Ok(PolicyDecision::DeadLetter { topic }) => Decision::DeadLetter { topic: topic.map(Into::into), cause: None },
            Ok(PolicyDecision::Replace { key, value, headers }) => Decision::Replace { key, value, headers },
            Ok(PolicyDecision::Stop) => Decision::Stop,
            Err(fault) => {
                tracing::warn!(plugin = %self.name, %fault, "an error policy failed; the record becomes a dead letter");
                Decision::DeadLetter { topic: None, cause: Some(format!("error policy of plugin {} failed: {fault}", self.name)) }
            }
        }
    }
}

/// The schema that a stage was opened with when it was planned: all columns of its input.
pub fn stage_schema(step: &StageStep) -> Schema {
    let output = &step.input.output;
    Schema::new(output.columns.iter().enumerate().map(|(i, column)| Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        namespace: if output.key.contains(&i) { Namespace::Key } else { Namespace::Value },
    }))
}

/// A stage in the sandbox as the operators see it.
struct SandboxedStage {
    instance: StageInstance,
}

impl Stage for SandboxedStage {
    fn process(&mut self, input: &Batch, store: &mut Option<Box<dyn TaskStore>>) -> StageAnswer {
        let plan = self.instance.plan();
        let batch = StageBatch {
            columns: plan.reads.iter().map(|&i| input.new.columns[i].clone()).collect(),
            timestamps: input.timestamps.clone(),
            headers: if plan.wants_headers { input.headers.clone() } else { None },
            origin: input.origin.clone(),
        };
        let mut lent = store.take().map(lend);
        let answer = self.instance.process(&batch, &mut lent);
        *store = lent.and_then(take_back);
        let outputs = answer.outputs.into_iter().map(|rows| StageRows {
            source_rows: rows.source_rows,
            columns: rows.columns,
            timestamps: rows.timestamps,
            headers: rows.headers,
        });
        StageAnswer { outputs: outputs.collect(), errors: answer.errors }
    }
}
