//! Aggregate functions: what `#[aggregate]` makes, and how the host calls it.
//!
//! An aggregate function is a type with these functions, of which `new`, `retract` and `merge` may be missing:
//!
//! ```
//! use calzone_guest::{aggregate, plugin};
//!
//! struct SumAbove {
//!     threshold: i64,
//! }
//!
//! /// The sum of those values that are above a threshold.
//! #[aggregate("sum_above(bigint; threshold bigint) -> bigint")]
//! impl SumAbove {
//!     /// Takes the literals behind the semicolon. Without it, the type's `Default` is taken.
//!     fn new(threshold: i64) -> SumAbove {
//!         SumAbove { threshold }
//!     }
//!
//!     /// The state of a group without rows: any [`State`].
//!     fn initial(&self) -> i64 {
//!         0
//!     }
//!
//!     /// Takes a row in. Rows with a null in an argument that is not an `Option` are left out.
//!     fn accumulate(&self, sum: &mut i64, value: i64) {
//!         *sum += if value > self.threshold { value } else { 0 };
//!     }
//!
//!     /// Takes a row back out. With it, tables can be aggregated.
//!     fn retract(&self, sum: &mut i64, value: i64) {
//!         *sum -= if value > self.threshold { value } else { 0 };
//!     }
//!
//!     /// Joins two groups that have rows. With it, sessions can be aggregated.
//!     fn merge(&self, older: i64, newer: i64) -> i64 {
//!         older + newer
//!     }
//!
//!     /// What queries see.
//!     fn result(&self, sum: &i64) -> i64 {
//!         *sum
//!     }
//! }
//!
//! plugin!(aggregates: [SumAbove]);
//! # fn main() {}
//! ```
//!
//! `accumulate`, `retract` and `merge` may return a `Result`; its error stops the query, as an error of a built-in aggregate
//! function does.

use std::cell::RefCell;

use crate::argument::spans;
use crate::bindings::aggregate_function::exports::calzone::plugin::aggregate_functions as wit;
use crate::bindings::types::{About, Column, RowError, Setting};
use crate::column::{ColumnWriter, Cursor};
use crate::function::{ArgumentType, ReturnType};
use crate::output::{Output, Returned};
use crate::state::State;
use crate::{Settings, SqlType};

pub use wit::{Answer, Batch};

/// One overload of an aggregate function. Made by `#[aggregate]`.
#[derive(Clone, Copy)]
pub struct AggregateFunction {
    /// `sum_above(bigint; threshold bigint) -> bigint`
    pub signature: &'static str,
    pub doc: &'static str,
    pub can_retract: bool,
    /// Prepares the function for arguments of given types, and literals.
    pub bind: fn(&Binding) -> Result<Bound, String>,
    /// Finds the result type if the signature ends in `-> computed`.
    pub return_type: Option<ReturnType>,
}

/// A bound function.
pub struct Bound {
    pub update: Box<dyn FnMut(&Batch) -> Result<Answer, String>>,
    pub merge: Box<dyn FnMut(&Column, &Column) -> Result<Column, String>>,
}

/// Argument types, literals, result type and settings of a use of a function.
pub struct Binding {
    pub arguments: Vec<SqlType>,
    pub literal_types: Vec<SqlType>,
    /// Columns of one row.
    pub literals: Vec<Column>,
    pub returns: SqlType,
    pub settings: Settings,
}

impl AggregateFunction {
    /// The name, as it is written in the signature.
    pub fn name(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default().trim()
    }
}

impl Binding {
    /// The types of the arguments that each parameter of `accumulate` gets.
    pub fn spans(&self, variadic: &[bool]) -> Result<Vec<Vec<SqlType>>, String> {
        Ok(spans(variadic, self.arguments.len())?.into_iter().map(|span| self.arguments[span].to_vec()).collect())
    }

    /// The types of the literals that each parameter of `new` gets.
    pub fn literal_spans(&self, variadic: &[bool]) -> Result<Vec<Vec<SqlType>>, String> {
        let spans = spans(variadic, self.literal_types.len()).map_err(|e| format!("`new`: {e}"))?;
        Ok(spans.into_iter().map(|span| self.literal_types[span].to_vec()).collect())
    }

    /// Fails if the Rust type `R` is not written as the result type.
    pub fn expect_result<R: Returned>(&self) -> Result<(), String> {
        if R::Value::accepts(&self.returns) {
            return Ok(());
        }
        Err(format!("the Rust type {} is not written as {}", std::any::type_name::<R::Value>(), self.returns))
    }
}

/// What `accumulate` and `retract` may return.
pub trait Outcome {
    fn into_result(self) -> Result<(), String>;
}

impl Outcome for () {
    #[inline]
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: std::fmt::Display> Outcome for Result<(), E> {
    #[inline]
    fn into_result(self) -> Result<(), String> {
        self.map_err(|e| e.to_string())
    }
}

/// The groups of a batch while its steps are done.
pub struct Groups<'b, S, R: Returned> {
    batch: &'b Batch,
    returns: &'b SqlType,
    states: Vec<Option<S>>,
    results: <R::Value as Output>::Writer,
    failed: Option<RowError>,
}

impl<'b, S: State, R: Returned> Groups<'b, S, R> {
    pub fn new(batch: &'b Batch, returns: &'b SqlType) -> Result<Groups<'b, S, R>, String> {
        let states = read_states(&batch.states)?;
        Ok(Groups { batch, returns, states, results: R::Value::writer(returns, batch.actions.len())?, failed: None })
    }

    /// Does a step of the batch read its arguments?
    pub fn has_rows(&self) -> bool {
        self.batch.actions.iter().any(|action| action & 3 != 0)
    }

    /// Numbers of the steps.
    pub fn steps(&self) -> std::ops::Range<usize> {
        0..self.batch.actions.len()
    }

    /// Does the step take a row in, or back out?
    #[inline]
    pub fn is_change(&self, step: usize) -> bool {
        self.batch.actions[step] & 3 != 0
    }

    #[inline]
    pub fn is_retraction(&self, step: usize) -> bool {
        self.batch.actions[step] & 2 != 0
    }

    /// The row of the arguments that the step is about.
    #[inline]
    pub fn row(&self, step: usize) -> usize {
        number(&self.batch.step_rows, step)
    }

    /// The state of the step's group.
    #[inline]
    pub fn state(&mut self, step: usize, initial: impl FnOnce() -> S) -> &mut S {
        self.states[number(&self.batch.groups, step)].get_or_insert_with(initial)
    }

    /// Ends a step: gives its result if it is wanted. Is the next step to be done?
    #[inline]
    pub fn end(
        &mut self,
        step: usize,
        outcome: Result<(), String>,
        initial: impl FnOnce() -> S,
        result: impl FnOnce(&S) -> R,
    ) -> bool {
        let ended = outcome.and_then(|()| {
            if self.batch.actions[step] & 4 == 0 {
                return Ok(());
            }
            let given = match &self.states[number(&self.batch.groups, step)] {
                Some(state) => result(state),
                None => result(&initial()),
            };
            let value = given.into_result()?;
            value.check(self.returns)?;
            value.push(&mut self.results);
            Ok(())
        });
        match ended {
            Ok(()) => true,
            Err(message) => {
                self.failed = Some(RowError { row: step as u32, message });
                false
            }
        }
    }

    pub fn finish(self) -> Answer {
        let mut results = Vec::new();
        R::Value::finish(self.results, &mut results);
        Answer { states: write_states(self.states.iter().map(Option::as_ref)), results, failed: self.failed }
    }
}

#[inline]
fn number(bytes: &[u8], position: usize) -> usize {
    let b = &bytes[position * 4..position * 4 + 4];
    u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize
}

fn read_states<S: State>(column: &Column) -> Result<Vec<Option<S>>, String> {
    let view = Cursor::new(std::slice::from_ref(column)).next_column()?;
    let read = |row: usize| {
        if !view.is_valid(row) {
            return Ok(None);
        }
        let mut bytes = view.bytes(row);
        match S::read(&mut bytes) {
            Some(state) if bytes.is_empty() => Ok(Some(state)),
            _ => Err(format!("the stored state of {} bytes is not one of this function", view.bytes(row).len())),
        }
    };
    (0..view.length).map(read).collect()
}

fn write_states<'s, S: State + 's>(states: impl ExactSizeIterator<Item = Option<&'s S>>) -> Column {
    let mut writer = ColumnWriter::variable(states.len());
    for state in states {
        match state {
            Some(state) => {
                state.write(&mut writer.data);
                writer.end(writer.data.len());
            }
            None => writer.push_null(),
        }
    }
    writer.finish(true)
}

/// Joins states pairwise.
pub fn merge_columns<S: State>(
    older: &Column,
    newer: &Column,
    merge: impl Fn(S, S) -> Result<S, String>,
) -> Result<Column, String> {
    let (older, newer) = (read_states::<S>(older)?, read_states::<S>(newer)?);
    let merged = older.into_iter().zip(newer).map(|pair| match pair {
        (Some(older), Some(newer)) => merge(older, newer).map(Some),
        (older, newer) => Ok(older.or(newer)),
    });
    let merged = merged.collect::<Result<Vec<_>, String>>()?;
    Ok(write_states(merged.iter().map(Option::as_ref)))
}

thread_local! {
    /// An instance is bound once, to one function.
    static BOUND: RefCell<Option<Bound>> = const { RefCell::new(None) };
}

fn overloads<'f>(functions: &'f [AggregateFunction], name: &'f str) -> impl Iterator<Item = &'f AggregateFunction> {
    functions.iter().filter(move |f| f.name().eq_ignore_ascii_case(name))
}

fn overload<'f>(functions: &'f [AggregateFunction], name: &'f str, signature: u32) -> Result<&'f AggregateFunction, String> {
    overloads(functions, name).nth(signature as usize).ok_or_else(|| format!("there is no signature {signature} of `{name}`"))
}

pub fn describe(author: &str, version: &str, functions: &[AggregateFunction]) -> wit::Description {
    let mut described: Vec<wit::Function> = Vec::new();
    for function in functions {
        if described.iter().any(|d| d.name.eq_ignore_ascii_case(function.name())) {
            continue;
        }
        let signature = |f: &AggregateFunction| wit::Signature {
            text: f.signature.to_owned(),
            doc: f.doc.to_owned(),
            can_retract: f.can_retract,
        };
        described.push(wit::Function {
            name: function.name().to_owned(),
            doc: function.doc.to_owned(),
            signatures: overloads(functions, function.name()).map(signature).collect(),
        });
    }
    wit::Description { about: About { author: author.to_owned(), version: version.to_owned() }, functions: described }
}

pub fn return_type(
    functions: &[AggregateFunction],
    name: &str,
    signature: u32,
    arguments: Vec<wit::Argument>,
) -> Result<String, String> {
    let function = overload(functions, name, signature)?;
    let compute = function.return_type.ok_or_else(|| format!("{}: the result type is not computed", function.signature))?;
    let arguments = arguments
        .into_iter()
        .map(|a| Ok(ArgumentType { ty: a.type_.as_deref().map(SqlType::parse).transpose()?, literal: a.literal }))
        .collect::<Result<Vec<_>, String>>()?;
    compute(&arguments).map(|ty| ty.to_string())
}

pub fn bind(
    functions: &[AggregateFunction],
    name: &str,
    signature: u32,
    arguments: &[String],
    literals: wit::Literals,
    returns: &str,
    settings: Vec<Setting>,
) -> Result<(), String> {
    crate::capability::report_panics();
    let function = overload(functions, name, signature)?;
    let types = |texts: &[String]| texts.iter().map(|text| SqlType::parse(text)).collect::<Result<Vec<_>, _>>();
    let binding = Binding {
        arguments: types(arguments)?,
        literal_types: types(&literals.types)?,
        literals: literals.values,
        returns: SqlType::parse(returns)?,
        settings: Settings::new(settings.into_iter().map(|s| (s.key, s.value))),
    };
    let bound = (function.bind)(&binding).map_err(|e| format!("{}: {e}", function.signature))?;
    BOUND.set(Some(bound));
    Ok(())
}

pub fn update(batch: &Batch) -> Result<Answer, String> {
    BOUND.with_borrow_mut(|bound| (bound.as_mut().ok_or("no function is bound")?.update)(batch))
}

pub fn merge(older: &Column, newer: &Column) -> Result<Column, String> {
    BOUND.with_borrow_mut(|bound| (bound.as_mut().ok_or("no function is bound")?.merge)(older, newer))
}
