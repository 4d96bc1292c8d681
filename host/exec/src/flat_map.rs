//! Table functions: a row in, any number of rows out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use calzone_functions::{Argument, RowError, Scalar};
use calzone_plan::expression::TableCall;
use calzone_types::{Batch, SqlType};

use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::expression::{Evaluator, Rows, make_function};
use crate::operator::{Context, Operator};

/// The input's columns, then one column a call. Several calls advance together; the shorter ones give null.
pub(crate) struct FlatMap {
    calls: Vec<Call>,
    step: Arc<str>,
}

struct Call {
    function: Box<dyn Scalar>,
    arguments: Vec<Evaluator>,
    ty: SqlType,
}

impl FlatMap {
    pub fn new(calls: &[TableCall], environment: &mut dyn Environment) -> Result<FlatMap, ExecError> {
        let calls = calls
            .iter()
            .map(|call| {
                Ok(Call {
                    function: make_function(&call.function, environment)?,
                    arguments: call.arguments.iter().map(|e| Evaluator::new(e, environment)).collect::<Result<_, _>>()?,
                    ty: call.ty.clone(),
                })
            })
            .collect::<Result<_, String>>()
            .map_err(ExecError::Plan)?;
        Ok(FlatMap { calls, step: "FlatMap".into() })
    }
}

impl Operator for FlatMap {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        // A record without a value has nothing to make rows of.
        let batch = match &batch.new.live {
            Some(live) => batch.filter(live),
            None => batch,
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let mut lists: Vec<ArrayRef> = Vec::with_capacity(self.calls.len());
        let mut failed = BTreeSet::new();
        let leaves_out = context.handled.contains(ErrorClass::Expression);
        let mut report = |errors: Vec<RowError>| {
            if leaves_out {
                failed.extend(errors.iter().map(|error| error.row));
            }
            context.report(ErrorClass::Expression, &self.step, &batch.origin, errors);
        };
        for call in &mut self.calls {
            let mut arguments = Vec::with_capacity(call.arguments.len());
            for argument in &mut call.arguments {
                let evaluated = argument.evaluate(Rows::of(&batch));
                report(evaluated.errors);
                arguments.push(Argument::Column(evaluated.column));
            }
            if call.function.wants_origin() {
                call.function.set_origin(&batch.origin);
            }
            let answer = call.function.call(&mut arguments, batch.len());
            report(answer.errors);
            lists.push(answer.column);
        }
        let lengths = |row: usize| lists.iter().map(|list| range_of(list, row).len()).max().unwrap_or(0);
        let mut rows: Vec<u32> = Vec::with_capacity(batch.len());
        for row in (0..batch.len()).filter(|row| !failed.contains(&(*row as u32))) {
            rows.extend(std::iter::repeat_n(row as u32, lengths(row)));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let mut output = batch.take(&rows);
        for (list, call) in lists.iter().zip(&self.calls) {
            let mut indices: Vec<Option<u32>> = Vec::with_capacity(rows.len());
            for row in (0..batch.len()).filter(|row| !failed.contains(&(*row as u32))) {
                let elements = range_of(list, row);
                let missing = lengths(row) - elements.len();
                indices.extend(elements.map(|i| Some(i as u32)));
                indices.extend(std::iter::repeat_n(None, missing));
            }
            output.new.columns.push(match list.as_list_opt::<i32>() {
                Some(list) => arrow_select::take::take(list.values(), &UInt32Array::from(indices), None)
                    .expect("element positions lie inside the list's values"),
                None => arrow_array::new_null_array(&call.ty.to_arrow(), rows.len()),
            });
        }
        output.old = None;
        Ok(Some(output))
    }
}

/// Positions of a row's elements in the list column's values; none for null.
fn range_of(list: &ArrayRef, row: usize) -> std::ops::Range<usize> {
    match list.as_list_opt::<i32>() {
        Some(list) if list.is_valid(row) => list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize,
        _ => 0..0,
    }
}
