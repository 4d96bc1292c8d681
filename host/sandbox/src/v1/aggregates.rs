//! Calls of the interface `aggregate-functions`.

use calzone_functions::{FunctionKind, RowError};

use super::Bind;
use super::bindings::calzone::plugin::types::{ColumnParam, Setting};
use super::bindings::exports::calzone::plugin::aggregate_functions::{self, Argument, Batch, Literals};
use super::convert::{lend, row_errors, take};
use crate::columns::{Answered, Buffers};
use crate::describe::{Described, FunctionDescription, SignatureDescription};
use crate::fault::{Fault, TimeLimit};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::signature::parse_signature;

super::interface! {
    /// Where a component has its aggregate functions.
    Aggregates, aggregate_functions, aggregates, super::AGGREGATES
}

/// Steps on groups, as they cross.
pub(crate) struct AggregateBatch<'b> {
    pub(crate) rows: usize,
    pub(crate) arguments: &'b [Buffers],
    pub(crate) states: &'b Buffers,
    pub(crate) groups: &'b [u8],
    pub(crate) step_rows: &'b [u8],
    pub(crate) actions: &'b [u8],
}

/// What the guest made of them.
pub(crate) struct AggregateAnswer {
    pub(crate) states: Answered,
    pub(crate) results: Vec<Answered>,
    /// The step that failed.
    pub(crate) failed: Option<RowError>,
}

impl Aggregates {
    pub(crate) fn describe(&self, instance: &mut Instance) -> Result<Described, Fault> {
        let d = self.call(instance, TimeLimit::Start, |store, exports| exports.call_describe(store))?;
        let mut functions = Vec::with_capacity(d.functions.len());
        for f in d.functions {
            let mut signatures = Vec::with_capacity(f.signatures.len());
            for s in f.signatures {
                let signature = parse_signature(&s.text).map_err(Fault::Answer)?;
                signatures.push(SignatureDescription { text: s.text, doc: s.doc, signature, can_retract: s.can_retract });
            }
            functions.push(FunctionDescription { kind: FunctionKind::Aggregate, name: f.name, doc: f.doc, signatures });
        }
        Ok(Described { author: d.about.author, version: d.about.version, functions })
    }

    /// Text of the result type. Arguments are type (None: NULL) and literal.
    pub(crate) fn return_type(
        &self,
        instance: &mut Instance,
        function: &str,
        signature: u32,
        arguments: &[(Option<String>, Option<String>)],
    ) -> Result<String, Fault> {
        let arguments: Vec<Argument<'_>> =
            arguments.iter().map(|(ty, literal)| Argument { type_: ty.as_deref(), literal: literal.as_deref() }).collect();
        self.call(instance, TimeLimit::Start, |store, exports| exports.call_return_type(store, function, signature, &arguments))?
            .map_err(Fault::Error)
    }

    /// Makes the instance a function with types and literals.
    pub(crate) fn bind(
        &self,
        instance: &mut Instance,
        bind: &Bind,
        literal_types: &[String],
        literals: &[Buffers],
    ) -> Result<(), Fault> {
        let arguments: Vec<&str> = bind.arguments.iter().map(String::as_str).collect();
        let settings: Vec<Setting<'_>> = bind.settings.iter().map(|(key, value)| Setting { key, value }).collect();
        let types: Vec<&str> = literal_types.iter().map(String::as_str).collect();
        let values = lend(literals);
        let literals = Literals { types: &types, values: &values };
        self.call(instance, TimeLimit::Start, |store, exports| {
            exports.call_bind(store, &bind.function, bind.signature, &arguments, literals, &bind.returns, &settings)
        })?
        .map_err(Fault::Error)
    }

    /// Does steps on groups.
    pub(crate) fn update(
        &self,
        instance: &mut Instance,
        limits: &Limits,
        batch: &AggregateBatch<'_>,
    ) -> Result<AggregateAnswer, Fault> {
        let arguments = lend(batch.arguments);
        let param = Batch {
            rows: batch.rows as u32,
            arguments: &arguments,
            states: column(batch.states),
            groups: batch.groups,
            step_rows: batch.step_rows,
            actions: batch.actions,
        };
        let answer = self.call(instance, TimeLimit::Batch, |store, exports| exports.call_update(store, param))?;
        let answer = answer.map_err(Fault::Error)?;
        let failed = row_errors(answer.failed.into_iter().collect(), batch.actions.len(), limits.message_bytes);
        let failed = failed.map_err(Fault::Answer)?.pop();
        let states = take(vec![answer.states]).pop().unwrap_or_default();
        Ok(AggregateAnswer { states, results: take(answer.results), failed })
    }

    /// Joins states pairwise.
    pub(crate) fn merge(&self, instance: &mut Instance, older: &Buffers, newer: &Buffers) -> Result<Answered, Fault> {
        let (older, newer) = (column(older), column(newer));
        let merged = self
            .call(instance, TimeLimit::Batch, |store, exports| exports.call_merge(store, older, newer))?
            .map_err(Fault::Error)?;
        Ok(take(vec![merged]).pop().unwrap_or_default())
    }
}

fn column(buffers: &Buffers) -> ColumnParam<'_> {
    ColumnParam {
        length: buffers.length as u32,
        validity: buffers.validity.as_deref(),
        offsets: buffers.offsets.as_deref(),
        data: buffers.data.as_deref(),
    }
}
