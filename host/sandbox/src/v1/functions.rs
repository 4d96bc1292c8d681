//! Calls of the interfaces `scalar-functions` and `table-functions`, which have the same shape.

use calzone_functions::{FunctionKind, RowError};

use super::bindings::calzone::plugin::types::Setting;
use super::bindings::exports::calzone::plugin::{scalar_functions, table_functions};
use super::convert::{lend, row_errors, take};
use crate::columns::{Answered, Buffers};
use crate::describe::{Described, FunctionDescription, SignatureDescription};
use crate::fault::{Fault, TimeLimit};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::signature::parse_signature;

/// What a new instance of a function is told.
pub(crate) struct Bind {
    pub(crate) function: String,
    /// Number of the overload.
    pub(crate) signature: u32,
    pub(crate) arguments: Vec<String>,
    /// Of a table function: the type of one row.
    pub(crate) returns: String,
    pub(crate) settings: Vec<(String, String)>,
}

/// Where a component has its functions of one kind.
#[derive(Clone)]
pub(crate) enum Functions {
    Scalar(ScalarFunctions),
    Table(TableFunctions),
}

macro_rules! functions {
    ($(#[$doc:meta])* $name:ident, $module:ident, $exports:ident, $label:expr, $kind:expr) => {
        super::interface! {
            $(#[$doc])*
            $name, $module, $exports, $label
        }

        impl $name {
            pub(crate) fn describe(&self, instance: &mut Instance) -> Result<Described, Fault> {
                let d = self.call(instance, TimeLimit::Start, |store, exports| exports.call_describe(store))?;
                let mut functions = Vec::with_capacity(d.functions.len());
                for f in d.functions {
                    let mut signatures = Vec::with_capacity(f.signatures.len());
                    for s in f.signatures {
                        let signature = parse_signature(&s.text).map_err(Fault::Answer)?;
                        if signature.literals > 0 {
                            let text = format!("`{}`: only aggregate functions have parameters behind a semicolon", s.text);
                            return Err(Fault::Answer(text));
                        }
                        signatures.push(SignatureDescription { text: s.text, doc: s.doc, signature, can_retract: false });
                    }
                    functions.push(FunctionDescription { kind: $kind, name: f.name, doc: f.doc, signatures });
                }
                Ok(Described { author: d.about.author, version: d.about.version, functions })
            }

            fn return_type(
                &self,
                instance: &mut Instance,
                function: &str,
                signature: u32,
                arguments: &[(Option<String>, Option<String>)],
            ) -> Result<String, Fault> {
                let arguments: Vec<$module::Argument<'_>> = arguments
                    .iter()
                    .map(|(ty, literal)| $module::Argument { type_: ty.as_deref(), literal: literal.as_deref() })
                    .collect();
                self.call(instance, TimeLimit::Start, |store, exports| {
                    exports.call_return_type(store, function, signature, &arguments)
                })?
                .map_err(Fault::Error)
            }

            fn bind(&self, instance: &mut Instance, bind: &Bind) -> Result<(), Fault> {
                let arguments: Vec<&str> = bind.arguments.iter().map(String::as_str).collect();
                let settings: Vec<Setting<'_>> = bind.settings.iter().map(|(key, value)| Setting { key, value }).collect();
                self.call(instance, TimeLimit::Start, |store, exports| {
                    exports.call_bind(store, &bind.function, bind.signature, &arguments, &bind.returns, &settings)
                })?
                .map_err(Fault::Error)
            }

            fn evaluate(
                &self,
                instance: &mut Instance,
                limits: &Limits,
                rows: usize,
                arguments: &[Buffers],
            ) -> Result<(Vec<Answered>, Vec<RowError>), Fault> {
                let arguments = lend(arguments);
                let answer = self
                    .call(instance, TimeLimit::Batch, |store, exports| exports.call_call(store, rows as u32, &arguments))?
                    .map_err(Fault::Error)?;
                let errors = row_errors(answer.errors, rows, limits.message_bytes).map_err(Fault::Answer)?;
                Ok((take(answer.columns), errors))
            }
        }
    };
}

functions! {
    /// Where a component has its scalar functions.
    ScalarFunctions, scalar_functions, functions, super::FUNCTIONS, FunctionKind::Scalar
}
functions! {
    /// Where a component has its table functions.
    TableFunctions, table_functions, table_functions, super::TABLE_FUNCTIONS, FunctionKind::Table
}

impl Functions {
    /// Text of the result type. Arguments are type (None: NULL) and literal.
    pub(crate) fn return_type(
        &self,
        instance: &mut Instance,
        function: &str,
        signature: u32,
        arguments: &[(Option<String>, Option<String>)],
    ) -> Result<String, Fault> {
        match self {
            Functions::Scalar(f) => f.return_type(instance, function, signature, arguments),
            Functions::Table(f) => f.return_type(instance, function, signature, arguments),
        }
    }

    /// Makes the instance a function with types.
    pub(crate) fn bind(&self, instance: &mut Instance, bind: &Bind) -> Result<(), Fault> {
        match self {
            Functions::Scalar(f) => f.bind(instance, bind),
            Functions::Table(f) => f.bind(instance, bind),
        }
    }

    /// The result's columns, as the guest gave them, and the rows that failed.
    pub(crate) fn evaluate(
        &self,
        instance: &mut Instance,
        limits: &Limits,
        rows: usize,
        arguments: &[Buffers],
    ) -> Result<(Vec<Answered>, Vec<RowError>), Fault> {
        match self {
            Functions::Scalar(f) => f.evaluate(instance, limits, rows, arguments),
            Functions::Table(f) => f.evaluate(instance, limits, rows, arguments),
        }
    }
}
