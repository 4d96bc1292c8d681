//! Scalar and table functions of components, as operators call them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray};
use calzone_functions::{Argument, Binding, Evaluated, FunctionKind, RowError, Scalar};
use calzone_types::{Origin, SqlType};

use crate::columns::{decode, encode, nulls};
use crate::component::{Code, Component, refusal};
use crate::describe::{Capability, FunctionDescription};
use crate::fault::Fault;
use crate::http::Place;
use crate::instance::{Grants, Instance};
use crate::isolate::{Piece, isolate};
use crate::seed::RowSeeds;
use crate::{SandboxError, v1};

/// One use of a function: an instance of its component, bound to argument types.
pub struct ScalarInstance {
    code: Arc<Code>,
    http: Vec<Place>,
    draws: bool,
    functions: v1::Functions,
    bind: v1::Bind,
    returns: SqlType,
    /// None after a fault, until the next call.
    live: Option<Instance>,
    /// Of the rows of the next call.
    seeds: Option<RowSeeds>,
    rows_seen: i64,
    nanos_before: u64,
}

impl Component {
    /// An instance of the scalar or table function `function` for these types; the result type of a table function is the
    /// ARRAY of its rows. Fails if the function has no signature for them, refuses them, or imports what is not granted.
    pub fn instantiate_scalar(&self, function: &str, binding: &Binding, grants: &Grants) -> Result<ScalarInstance, SandboxError> {
        grants.check(&self.imports)?;
        let described = self.description.function(function);
        let found = described.and_then(|d| Some((d, self.code.callable(d.kind)?)));
        let (described, functions) = found.ok_or_else(|| self.no_such("function", function))?;
        let guest_returns = match (&binding.returns, described.kind) {
            (SqlType::Array(row), FunctionKind::Table) => &**row,
            (ty, _) => ty,
        };
        let signature = self.choose_signature(described, &binding.arguments, guest_returns)?;
        let mut instance = ScalarInstance {
            code: self.code.clone(),
            http: grants.http.clone(),
            draws: self.description.wants.contains(&Capability::Random),
            functions,
            bind: v1::Bind {
                function: described.name.clone(),
                signature,
                arguments: binding.arguments.iter().map(ToString::to_string).collect(),
                returns: guest_returns.to_string(),
                settings: binding.properties.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            },
            returns: binding.returns.clone(),
            live: None,
            seeds: None,
            rows_seen: 0,
            nanos_before: 0,
        };
        let live = instance.start().map_err(|f| refusal(&format!("plugin {}, function {function}", self.plugin), &f))?;
        instance.live = Some(live);
        Ok(instance)
    }

    /// The number of the signature that the planner chose for these types.
    pub(crate) fn choose_signature(
        &self,
        function: &FunctionDescription,
        arguments: &[SqlType],
        returns: &SqlType,
    ) -> Result<u32, SandboxError> {
        let fitting = function.signatures.iter().enumerate().filter(|(_, s)| s.signature.fits(arguments, returns));
        // Of equals the first: `max_by_key` takes the last.
        let best = fitting.rev().max_by_key(|(_, s)| s.signature.rank());
        best.map(|(number, _)| number as u32).ok_or_else(|| {
            let types: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            let there: Vec<&str> = function.signatures.iter().map(|s| s.text.as_str()).collect();
            SandboxError::Unusable(format!(
                "plugin {}: {} has no signature ({}) -> {returns}; it has {}",
                self.plugin,
                function.name,
                types.join(", "),
                there.join("; ")
            ))
        })
    }
}

impl ScalarInstance {
    /// Gives the rows of the next call the seeds of the records they come from. Without it, seeds depend on how many rows
    /// this instance has seen, so that a replay from another place draws other numbers.
    pub fn seed_rows(&mut self, origin: &Origin) {
        self.seeds = Some(RowSeeds::of_records(&self.code.plugin, origin));
    }

    /// Calls the guest for no rows of such columns: what a call costs by itself.
    pub fn empty_call(&mut self, columns: &[ArrayRef]) -> Result<(), String> {
        let none: Vec<ArrayRef> = columns.iter().map(|c| c.slice(0, 0)).collect();
        let seeds = RowSeeds::counted(&self.code.plugin, 0..0);
        self.attempt(&none, &seeds, 0..0).map(drop).map_err(|fault| fault.to_string())
    }

    /// Nanoseconds spent in the guest since this instance was made.
    pub fn guest_nanos(&self) -> u64 {
        self.nanos_before + self.live.as_ref().map_or(0, |i| i.nanos)
    }

    fn start(&self) -> Result<Instance, Fault> {
        let mut instance = self.code.start()?;
        instance.allow_http(&self.http);
        self.functions.bind(&mut instance, &self.bind)?;
        Ok(instance)
    }

    fn attempt(
        &mut self,
        columns: &[ArrayRef],
        seeds: &RowSeeds,
        rows: Range<usize>,
    ) -> Result<(ArrayRef, Vec<RowError>), Fault> {
        let mut instance = match self.live.take() {
            Some(instance) => instance,
            None => self.start().map_err(|f| Fault::Start(f.to_string()))?,
        };
        let result = self.evaluate(&mut instance, columns, seeds, rows);
        if result.as_ref().err().is_none_or(Fault::instance_survives) {
            self.live = Some(instance);
        } else {
            self.nanos_before += instance.nanos;
        }
        result
    }

    fn evaluate(
        &self,
        instance: &mut Instance,
        columns: &[ArrayRef],
        seeds: &RowSeeds,
        rows: Range<usize>,
    ) -> Result<(ArrayRef, Vec<RowError>), Fault> {
        let mut buffers = Vec::with_capacity(columns.len());
        for column in columns {
            // A whole batch is not sliced: slicing makes a new array.
            if rows.len() == column.len() {
                encode(column, &mut buffers).map_err(Fault::Error)?;
            } else {
                encode(&column.slice(rows.start, rows.len()), &mut buffers).map_err(Fault::Error)?;
            }
        }
        instance.set_seeds(seeds.slice(rows.clone()));
        let (answered, errors) = self.functions.evaluate(instance, &self.code.limits, rows.len(), &buffers)?;
        let mut decoded = decode([&self.returns], rows.len(), answered).map_err(Fault::Answer)?;
        let column = decoded.pop().ok_or_else(|| Fault::Answer("no column".to_owned()))?;
        Ok((column, errors))
    }

    fn next_seeds(&mut self, rows: usize) -> RowSeeds {
        let first = self.rows_seen;
        self.rows_seen += rows as i64;
        let counted = || RowSeeds::counted(&self.code.plugin, first..first + rows as i64);
        self.seeds.take().filter(|seeds| seeds.len() == rows).unwrap_or_else(counted)
    }
}

impl Scalar for ScalarInstance {
    fn wants_origin(&self) -> bool {
        self.draws
    }

    fn set_origin(&mut self, origin: &Origin) {
        self.seed_rows(origin);
    }

    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        if rows == 0 {
            return nulls(&self.returns, 0).into();
        }
        let seeds = self.next_seeds(rows);
        let mut columns = Vec::with_capacity(arguments.len());
        for argument in arguments {
            match argument {
                Argument::Column(column) => columns.push(column.clone()),
                Argument::Lambda(_) => return failed(&self.returns, rows, "a plugin's function takes no lambda"),
            }
        }
        let isolation_ms = self.code.limits.isolation_ms;
        let watch = self.code.watch.clone();
        let pieces = isolate(0..rows, isolation_ms, &watch, |part| self.attempt(&columns, &seeds, part));
        let mut evaluated = join(&self.returns, rows, pieces);
        for error in &mut evaluated.errors {
            error.message = self.code.named("function", &self.bind.function, std::mem::take(&mut error.message));
        }
        evaluated
    }
}

fn failed(ty: &SqlType, rows: usize, message: &str) -> Evaluated {
    let errors = (0..rows as u32).map(|row| RowError { row, message: message.to_owned() }).collect();
    Evaluated { column: nulls(ty, rows), errors }
}

/// One column and one list of errors from the pieces.
fn join(ty: &SqlType, rows: usize, pieces: Vec<Piece<(ArrayRef, Vec<RowError>)>>) -> Evaluated {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(pieces.len());
    let mut errors = Vec::new();
    for (part, result) in pieces {
        match result {
            Ok((column, row_errors)) => {
                columns.push(column);
                errors.extend(row_errors.into_iter().map(|e| RowError { row: e.row + part.start as u32, ..e }));
            }
            Err(fault) => {
                columns.push(nulls(ty, part.len()));
                let message = fault.to_string();
                errors.extend(part.map(|row| RowError { row: row as u32, message: message.clone() }));
            }
        }
    }
    let column = match columns.as_slice() {
        [one] => one.clone(),
        several => {
            let parts: Vec<&dyn Array> = several.iter().map(|c| &**c as &dyn Array).collect();
            match arrow_select::concat::concat(&parts) {
                Ok(column) => column,
                Err(e) => return failed(ty, rows, &format!("the plugin's answers do not go together: {e}")),
            }
        }
    };
    if errors.is_empty() {
        return Evaluated { column, errors };
    }
    // A guest may have left anything in the rows that failed.
    let mut mask = vec![false; rows];
    errors.iter().for_each(|e| mask[e.row as usize] = true);
    match arrow_select::nullif::nullif(&column, &BooleanArray::from(mask)) {
        Ok(column) => Evaluated { column, errors },
        Err(e) => failed(ty, rows, &format!("the rows that failed cannot be made null: {e}")),
    }
}
