//! Aggregate functions of components, as operators call them: states are BYTES that only the guest understands.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use calzone_functions::{Aggregate, AggregateAction, AggregateStep, Binding, FunctionKind, ParameterType};
use calzone_types::{SqlType, Value, column_from_values, value_at};

use crate::columns::{Buffers, decode, encode, nulls};
use crate::component::{Code, Component, refusal};
use crate::fault::Fault;
use crate::http::Place;
use crate::instance::{Grants, Instance};
use crate::signature::SignatureText;
use crate::{SandboxError, v1};

/// Bits of an action as it crosses.
const ACCUMULATE: u8 = 1;
const RETRACT: u8 = 2;
const RESULT: u8 = 4;

/// One use of an aggregate function: an instance of its component, bound to argument types and literals.
pub struct AggregateInstance {
    code: Arc<Code>,
    http: Vec<Place>,
    aggregates: v1::Aggregates,
    bind: v1::Bind,
    literal_types: Vec<String>,
    literals: Vec<Buffers>,
    returns: SqlType,
    can_retract: bool,
    /// None after a fault, until the next call. The lock is never waited for: a task has one thread.
    live: Mutex<Option<Instance>>,
}

/// A failure, and the step of a batch to blame.
type StepFault = (usize, String);

impl Component {
    /// An instance of the aggregate function `function` for columns of these types and these literals. Fails if the function
    /// has no signature for them, refuses them, or imports what is not granted.
    pub fn instantiate_aggregate(
        &self,
        function: &str,
        binding: &Binding,
        init: &[Value],
        grants: &Grants,
    ) -> Result<AggregateInstance, SandboxError> {
        grants.check(&self.imports)?;
        let described = self.description.function(function).filter(|d| d.kind == FunctionKind::Aggregate);
        let (Some(described), Some(aggregates)) = (described, &self.code.aggregates) else {
            return Err(self.no_such("function", function));
        };
        let literal_types = described
            .signatures
            .iter()
            .filter_map(|s| {
                let literals = literal_types(&s.signature, binding.arguments.len(), init)?;
                let all = [binding.arguments.as_slice(), &literals].concat();
                s.signature.fits(&all, &binding.returns).then_some((s.signature.rank(), literals))
            })
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, literals)| literals)
            .unwrap_or_default();
        let all = [binding.arguments.as_slice(), &literal_types].concat();
        let signature = self.choose_signature(described, &all, &binding.returns)?;
        let mut literals = Vec::new();
        for (ty, value) in literal_types.iter().zip(init) {
            let column = column_from_values(ty, std::slice::from_ref(value));
            encode(&column, &mut literals).map_err(SandboxError::Unusable)?;
        }
        let instance = AggregateInstance {
            code: self.code.clone(),
            http: grants.http.clone(),
            aggregates: aggregates.clone(),
            bind: v1::Bind {
                function: described.name.clone(),
                signature,
                arguments: binding.arguments.iter().map(ToString::to_string).collect(),
                returns: binding.returns.to_string(),
                settings: binding.properties.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            },
            literal_types: literal_types.iter().map(ToString::to_string).collect(),
            literals,
            returns: binding.returns.clone(),
            can_retract: described.signatures[signature as usize].can_retract,
            live: Mutex::new(None),
        };
        let live = instance.start().map_err(|f| refusal(&format!("plugin {}, function {function}", self.plugin), &f))?;
        *instance.lock() = Some(live);
        Ok(instance)
    }
}

/// Types of the literals, if the signature takes them: those of their parameters, or else their own.
fn literal_types(signature: &SignatureText, columns: usize, init: &[Value]) -> Option<Vec<SqlType>> {
    let parameters = signature.parameters_of(columns + init.len())?;
    let first = signature.parameters.len() - signature.literals;
    if parameters.iter().take_while(|p| **p < first).count() != columns {
        return None;
    }
    init.iter()
        .zip(&parameters[columns..])
        .map(|(value, &parameter)| match (&signature.parameters[parameter].ty, value) {
            (ParameterType::Sql(ty), _) => Some(ty.clone()),
            (_, Value::Null | Value::Varchar(_)) => Some(SqlType::Varchar),
            (_, Value::Boolean(_)) => Some(SqlType::Boolean),
            (_, Value::Integer(_)) => Some(SqlType::Integer),
            (_, Value::Bigint(_)) => Some(SqlType::Bigint),
            (_, Value::Double(_)) => Some(SqlType::Double),
            (_, Value::Decimal(d)) => Some(SqlType::decimal(38, d.scale)),
            _ => None,
        })
        .collect()
}

impl AggregateInstance {
    /// Calls the guest with no steps: what a call costs by itself.
    pub fn empty_call(&self) -> Result<(), String> {
        match self.attempt(&mut [], &[], 0, &[]) {
            Ok(_) => Ok(()),
            Err(Attempt::Step(_, message)) => Err(message),
            Err(Attempt::Fault(fault)) => Err(fault.to_string()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instance>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<Instance, Fault> {
        let mut instance = self.code.start()?;
        instance.allow_http(&self.http);
        self.aggregates.bind(&mut instance, &self.bind, &self.literal_types, &self.literals)?;
        Ok(instance)
    }

    /// Calls the guest, in a new instance if the last one is lost.
    fn with_instance<R>(&self, call: impl FnOnce(&mut Instance) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut live = self.lock();
        let mut instance = match live.take() {
            Some(instance) => instance,
            None => self.start().map_err(|f| Fault::Start(f.to_string()))?,
        };
        let result = call(&mut instance);
        if result.as_ref().err().is_none_or(Fault::instance_survives) {
            *live = Some(instance);
        }
        result
    }

    /// Does steps on states, which are changed only if all goes well.
    fn attempt(
        &self,
        states: &mut [Value],
        steps: &[AggregateStep],
        rows: usize,
        arguments: &[Buffers],
    ) -> Result<ArrayRef, Attempt> {
        let mut encoded = Vec::with_capacity(1);
        encode(&states_column(states), &mut encoded).map_err(|e| Attempt::Fault(Fault::Error(e)))?;
        let [state_buffers] = encoded.as_slice() else {
            return Err(Attempt::Fault(Fault::Error("states are one column".to_owned())));
        };
        let mut groups = Vec::with_capacity(steps.len() * 4);
        let mut step_rows = Vec::with_capacity(steps.len() * 4);
        let mut actions = Vec::with_capacity(steps.len());
        let mut wanted = 0;
        for step in steps {
            groups.extend_from_slice(&step.group.to_le_bytes());
            step_rows.extend_from_slice(&step.row.to_le_bytes());
            let action = match step.action {
                AggregateAction::Look => 0,
                AggregateAction::Accumulate => ACCUMULATE,
                AggregateAction::Retract => RETRACT,
            };
            actions.push(action | if step.result { RESULT } else { 0 });
            wanted += usize::from(step.result);
        }
        let batch = v1::AggregateBatch {
            rows,
            arguments,
            states: state_buffers,
            groups: &groups,
            step_rows: &step_rows,
            actions: &actions,
        };
        let (new_states, results) = self
            .with_instance(|instance| {
                let answer = self.aggregates.update(instance, &self.code.limits, &batch)?;
                if let Some(error) = answer.failed {
                    return Ok(Err(Attempt::Step(error.row as usize, error.message)));
                }
                let new_states = decode([&SqlType::Bytes], states.len(), vec![answer.states]).map_err(Fault::Answer)?;
                let mut results = decode([&self.returns], wanted, answer.results).map_err(Fault::Answer)?;
                let results = results.pop().ok_or_else(|| Fault::Answer("no results".to_owned()))?;
                Ok(Ok((new_states, results)))
            })
            .map_err(Attempt::Fault)??;
        let bytes = new_states[0].as_binary::<i32>();
        for (i, state) in states.iter_mut().enumerate() {
            *state = if bytes.is_valid(i) { Value::Bytes(bytes.value(i).to_vec()) } else { Value::Null };
        }
        Ok(results)
    }

    /// Does steps; where that fails, one half after the other, until the first step that fails is known.
    fn run(
        &self,
        states: &mut [Value],
        steps: &[AggregateStep],
        first: usize,
        (rows, arguments): (usize, &[Buffers]),
        until: &mut Option<Instant>,
        results: &mut Vec<ArrayRef>,
    ) -> Result<(), StepFault> {
        let started = Instant::now();
        let fault = match self.attempt(states, steps, rows, arguments) {
            Ok(column) => {
                results.push(column);
                return Ok(());
            }
            Err(Attempt::Step(step, message)) => return Err((first + step, message)),
            Err(Attempt::Fault(fault)) => fault,
        };
        self.code.watch.call_failed(&fault, started.elapsed());
        if steps.len() <= 1 {
            self.code.watch.records_failed(1, &fault);
            return Err((first, fault.to_string()));
        }
        let isolation_ms = self.code.limits.isolation_ms;
        let until_time = *until.get_or_insert_with(|| Instant::now() + Duration::from_millis(isolation_ms));
        if Instant::now() > until_time {
            let fault = Fault::Isolation(isolation_ms);
            self.code.watch.records_failed(steps.len(), &fault);
            return Err((first, fault.to_string()));
        }
        let (front, back) = steps.split_at(steps.len() / 2);
        self.run(states, front, first, (rows, arguments), until, results)?;
        self.run(states, back, first + front.len(), (rows, arguments), until, results)
    }
}

/// Why an attempt failed.
enum Attempt {
    /// The guest says which step it is.
    Step(usize, String),
    Fault(Fault),
}

fn states_column(states: &[Value]) -> arrow_array::BinaryArray {
    let bytes = states.iter().map(|s| if let Value::Bytes(bytes) = s { bytes.len() } else { 0 }).sum();
    let mut builder = BinaryBuilder::with_capacity(states.len(), bytes);
    for state in states {
        match state {
            Value::Bytes(bytes) => builder.append_value(bytes),
            _ => builder.append_null(),
        }
    }
    builder.finish()
}

impl Aggregate for AggregateInstance {
    fn state_type(&self) -> SqlType {
        SqlType::Bytes
    }

    fn result_type(&self) -> SqlType {
        self.returns.clone()
    }

    /// A group without rows has no state: the guest makes one when there is a row.
    fn initial(&self) -> Value {
        Value::Null
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.one(state, arguments, row, AggregateAction::Accumulate)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.one(state, arguments, row, AggregateAction::Retract)
    }

    fn can_retract(&self) -> bool {
        self.can_retract
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        if older.is_null() || newer.is_null() {
            return Ok(if older.is_null() { newer } else { older });
        }
        let mut encoded = Vec::with_capacity(2);
        encode(&states_column(&[older]), &mut encoded)?;
        encode(&states_column(&[newer]), &mut encoded)?;
        let merged = self.with_instance(|instance| {
            let answered = self.aggregates.merge(instance, &encoded[0], &encoded[1])?;
            decode([&SqlType::Bytes], 1, vec![answered]).map_err(Fault::Answer)
        });
        let columns = merged.map_err(|fault| self.code.named("function", &self.bind.function, fault.to_string()))?;
        Ok(columns.first().map_or(Value::Null, |column| value_at(column.as_ref(), 0)))
    }

    fn result(&self, state: &Value) -> Value {
        self.checked_result(state).unwrap_or(Value::Null)
    }

    fn checked_result(&self, state: &Value) -> Result<Value, String> {
        let step = AggregateStep { group: 0, row: 0, action: AggregateAction::Look, result: true };
        let results = self.update(&mut [state.clone()], &[step], &[]).map_err(|(_, message)| message)?;
        Ok(value_at(results.as_ref(), 0))
    }

    fn prefers_batches(&self) -> bool {
        true
    }

    fn update(&self, states: &mut [Value], steps: &[AggregateStep], arguments: &[ArrayRef]) -> Result<ArrayRef, (usize, String)> {
        if steps.is_empty() {
            return Ok(nulls(&self.returns, 0));
        }
        let at_first = |message: String| (0, message);
        let mut buffers = Vec::new();
        // Where only results are wanted, there are no arguments; the guest reads none then.
        let rows = arguments.first().map_or(0, |a| a.len());
        for column in arguments {
            encode(column, &mut buffers).map_err(at_first)?;
        }
        let mut results = Vec::new();
        self.run(states, steps, 0, (rows, &buffers), &mut None, &mut results)
            .map_err(|(step, message)| (step, self.code.named("function", &self.bind.function, message)))?;
        match results.as_slice() {
            [one] => Ok(one.clone()),
            several => {
                let parts: Vec<&dyn Array> = several.iter().map(|c| &**c as &dyn Array).collect();
                arrow_select::concat::concat(&parts)
                    .map_err(|e| at_first(format!("the plugin's answers do not go together: {e}")))
            }
        }
    }
}

impl AggregateInstance {
    fn one(&self, state: &mut Value, arguments: &[ArrayRef], row: usize, action: AggregateAction) -> Result<(), String> {
        let sliced: Vec<ArrayRef> = arguments.iter().map(|a| a.slice(row, 1)).collect();
        let step = AggregateStep { group: 0, row: 0, action, result: false };
        self.update(std::slice::from_mut(state), &[step], &sliced).map(|_| ()).map_err(|(_, message)| message)
    }
}
