//! The aggregate functions of a GROUP BY, and the state of a group.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_functions::definition::AggregateImplementation;
use calzone_functions::{Aggregate, AggregateStep, RowError};
use calzone_plan::expression::AggregateCall;
use calzone_types::{Batch, ColumnBuilder, Side, SqlType, Value};

use crate::codec;
use crate::environment::Environment;
use crate::error::ExecError;
use crate::expression::{Evaluator, Rows};

/// The functions, bound to their arguments.
pub(crate) struct Functions {
    calls: Vec<Call>,
}

struct Call {
    name: Arc<str>,
    aggregate: Arc<dyn Aggregate>,
    arguments: Vec<Evaluator>,
    state: SqlType,
    result: SqlType,
    /// Are its steps done together, by [`super::Deferred`]?
    batched: bool,
}

/// Argument columns of each function.
pub(crate) type Arguments = Vec<Vec<ArrayRef>>;

impl Functions {
    /// For operators that do each step at once.
    pub fn new(calls: &[AggregateCall], environment: &mut dyn Environment) -> Result<Functions, ExecError> {
        let mut functions = Functions::deferring(calls, environment)?;
        functions.calls.iter_mut().for_each(|call| call.batched = false);
        Ok(functions)
    }

    /// For operators that leave the steps of functions that prefer batches to [`super::Deferred`]: here, such functions do
    /// nothing and show null.
    pub fn deferring(calls: &[AggregateCall], environment: &mut dyn Environment) -> Result<Functions, ExecError> {
        let calls = calls
            .iter()
            .map(|call| {
                let function = &call.function;
                let aggregate = match &function.implementation {
                    AggregateImplementation::BuiltIn(make) => make(&function.binding, &function.init),
                    AggregateImplementation::Plugin { plugin, function: name, .. } => {
                        environment.aggregate(plugin, name, &function.binding, &function.init, &function.state_type)
                    }
                };
                let aggregate =
                    aggregate.map_err(|reason| format!("Function {} cannot be used here: {reason}", function.name))?;
                Ok(Call {
                    name: function.name.clone(),
                    state: aggregate.state_type(),
                    batched: aggregate.prefers_batches(),
                    aggregate,
                    arguments: call.arguments.iter().map(|e| Evaluator::new(e, environment)).collect::<Result<_, _>>()?,
                    result: call.ty.clone(),
                })
            })
            .collect::<Result<_, String>>()
            .map_err(ExecError::Plan)?;
        Ok(Functions { calls })
    }

    pub fn result_types(&self) -> Vec<SqlType> {
        self.calls.iter().map(|call| call.result.clone()).collect()
    }

    /// Evaluates the arguments of all rows that are there. A failing argument is null and reported.
    pub fn arguments(&mut self, batch: &Batch, side: &Side, mut report: impl FnMut(Vec<RowError>)) -> Arguments {
        let rows = Rows::side(batch, side);
        self.calls
            .iter_mut()
            .map(|call| {
                let evaluate = |argument: &mut Evaluator| {
                    let evaluated = match &side.live {
                        Some(live) => argument.evaluate_selected(rows, live),
                        None => argument.evaluate(rows),
                    };
                    if !evaluated.errors.is_empty() {
                        report(evaluated.errors);
                    }
                    evaluated.column
                };
                call.arguments.iter_mut().map(evaluate).collect()
            })
            .collect()
    }

    /// States of a group without records.
    pub fn initial(&self) -> Vec<Value> {
        self.calls.iter().map(|call| call.aggregate.initial()).collect()
    }

    /// Takes a row in.
    pub fn accumulate(&self, states: &mut [Value], arguments: &Arguments, batch: &Batch, row: usize) -> Result<(), ExecError> {
        for ((call, state), arguments) in self.calls.iter().zip(states).zip(arguments).filter(|((call, _), _)| !call.batched) {
            call.aggregate.accumulate(state, arguments, row).map_err(|message| call.failure(message, batch, row))?;
        }
        Ok(())
    }

    /// Takes a row back out.
    pub fn retract(&self, states: &mut [Value], arguments: &Arguments, batch: &Batch, row: usize) -> Result<(), ExecError> {
        for ((call, state), arguments) in self.calls.iter().zip(states).zip(arguments).filter(|((call, _), _)| !call.batched) {
            call.aggregate.retract(state, arguments, row).map_err(|message| call.failure(message, batch, row))?;
        }
        Ok(())
    }

    /// Joins the states of two sessions.
    pub fn merge(&self, older: Vec<Value>, newer: Vec<Value>, batch: &Batch, row: usize) -> Result<Vec<Value>, ExecError> {
        let pairs = self.calls.iter().zip(older.into_iter().zip(newer));
        pairs.map(|(call, (a, b))| call.aggregate.merge(a, b).map_err(|message| call.failure(message, batch, row))).collect()
    }

    /// Results of a group as the row leaves it; null for those functions whose steps are done later.
    pub fn results(&self, states: &[Value], batch: &Batch, row: usize) -> Result<Vec<Value>, ExecError> {
        let result = |(call, state): (&Call, &Value)| match call.batched {
            true => Ok(Value::Null),
            false => call.aggregate.checked_result(state).map_err(|message| call.failure(message, batch, row)),
        };
        self.calls.iter().zip(states).map(result).collect()
    }

    /// Appends the results, but for those functions whose steps are done later.
    pub fn push_results(&self, states: &[Value], builders: &mut [ColumnBuilder]) {
        for ((call, state), builder) in self.calls.iter().zip(states).zip(builders).filter(|((call, _), _)| !call.batched) {
            builder.push(&call.aggregate.result(state));
        }
    }

    /// As [`Functions::push_results`], with nulls.
    pub fn push_nulls(&self, builders: &mut [ColumnBuilder]) {
        let builders = self.calls.iter().zip(builders).filter(|(call, _)| !call.batched);
        builders.for_each(|(_, builder)| builder.push_null());
    }

    /// As [`Functions::push_results`], with results that [`Functions::results`] gave.
    pub fn push_values(&self, values: &[Value], builders: &mut [ColumnBuilder]) {
        let builders = self.calls.iter().zip(values).zip(builders).filter(|((call, _), _)| !call.batched);
        builders.for_each(|((_, value), builder)| builder.push(value));
    }

    /// Positions of the functions whose steps are done together.
    pub fn batched(&self) -> impl Iterator<Item = usize> {
        self.calls.iter().enumerate().filter(|(_, call)| call.batched).map(|(i, _)| i)
    }

    pub fn any_batched(&self) -> bool {
        self.calls.iter().any(|call| call.batched)
    }

    /// Does the steps of the function at that position.
    pub fn update(
        &self,
        position: usize,
        states: &mut [Value],
        steps: &[AggregateStep],
        arguments: &[ArrayRef],
    ) -> Result<ArrayRef, (usize, String)> {
        self.calls[position].aggregate.update(states, steps, arguments)
    }

    /// A failure of the function at that position, made by a row or else by results that were held back.
    pub fn failure(&self, position: usize, message: String, row: Option<(&Batch, usize)>) -> ExecError {
        let call = &self.calls[position];
        match row {
            Some((batch, row)) => call.failure(message, batch, row),
            None => ExecError::Plan(format!("Function {} gives no result: {message}", call.name)),
        }
    }

    /// Appends a stored group: its timestamp and states.
    pub fn write(&self, timestamp: i64, states: &[Value], out: &mut Vec<u8>) {
        codec::start_row(timestamp, out);
        for (call, state) in self.calls.iter().zip(states) {
            codec::write_value(&call.state, state, out);
        }
    }

    /// Reads what [`Functions::write`] wrote.
    pub fn read(&self, mut bytes: &[u8]) -> Result<(i64, Vec<Value>), codec::DecodeError> {
        let timestamp = codec::read_row_start(&mut bytes)?;
        let states = self.calls.iter().map(|call| codec::read_value(&call.state, &mut bytes)).collect::<Result<_, _>>()?;
        Ok((timestamp, states))
    }
}

impl Call {
    fn failure(&self, message: String, batch: &Batch, row: usize) -> ExecError {
        ExecError::Aggregate { function: self.name.to_string(), place: ExecError::place(&batch.origin, row), message }
    }
}
