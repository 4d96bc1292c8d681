//! GROUP BY: groups, their states, and the windows they are cut into.

mod deferred;
mod functions;
mod groups;
mod session;
mod time_window;
mod unwindowed;

pub(crate) use deferred::Deferred;
pub(crate) use functions::Functions;
pub(crate) use session::SessionAggregate;
pub(crate) use time_window::TimeWindowAggregate;
pub(crate) use unwindowed::Aggregate;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use calzone_functions::RowError;
use calzone_plan::Expr;
use calzone_types::{Batch, Side, SqlType};

use crate::codec;
use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::expression::{Evaluator, Rows};
use crate::operator::Context;

/// The group of each row.
pub(crate) struct GroupBy {
    expressions: Vec<Evaluator>,
}

/// The group-by columns of a batch's side, and the rows that belong to a group at all.
pub(crate) struct GroupColumns {
    pub columns: Vec<ArrayRef>,
    pub grouped: BooleanBuffer,
}

impl GroupBy {
    pub fn new(expressions: &[Expr], environment: &mut dyn Environment) -> Result<GroupBy, ExecError> {
        let expressions = expressions.iter().map(|e| Evaluator::new(e, environment)).collect::<Result<_, _>>();
        Ok(GroupBy { expressions: expressions.map_err(ExecError::Plan)? })
    }

    pub fn types(&self) -> Vec<SqlType> {
        self.expressions.iter().map(|e| e.ty().clone()).collect()
    }

    /// A row that is not there, or has a null or a failure in its group-by columns, belongs to no group.
    pub fn evaluate(&mut self, batch: &Batch, side: &Side, mut report: impl FnMut(Vec<RowError>)) -> GroupColumns {
        let mut grouped = side.live.clone().unwrap_or_else(|| BooleanBuffer::new_set(batch.len()));
        let mut columns = Vec::with_capacity(self.expressions.len());
        for expression in &mut self.expressions {
            let evaluated = match &side.live {
                Some(live) => expression.evaluate_selected(Rows::side(batch, side), live),
                None => expression.evaluate(Rows::side(batch, side)),
            };
            if !evaluated.errors.is_empty() {
                report(evaluated.errors);
            }
            if let Some(nulls) = evaluated.column.nulls() {
                grouped = &grouped & nulls.inner();
            }
            columns.push(evaluated.column);
        }
        GroupColumns { columns, grouped }
    }
}

/// Groups and arguments of a batch's rows, and the batch without those that an error policy is to decide about.
fn evaluate_rows(
    group_by: &mut GroupBy,
    functions: &mut Functions,
    mut batch: Batch,
    step: &Arc<str>,
    context: &mut Context<'_>,
) -> (Batch, GroupColumns, functions::Arguments) {
    loop {
        let mut failed = Vec::new();
        let mut report = |errors: Vec<RowError>| {
            failed.extend(errors.iter().map(|error| error.row));
            context.report(ErrorClass::Expression, step, &batch.origin, errors);
        };
        let groups = group_by.evaluate(&batch, &batch.new, &mut report);
        let arguments = functions.arguments(&batch, &batch.new, &mut report);
        if failed.is_empty() || !context.handled.contains(ErrorClass::Expression) {
            return (batch, groups, arguments);
        }
        batch = context.leave_out(ErrorClass::Expression, batch, &failed);
    }
}

impl GroupColumns {
    /// Appends the bytes of the row's group.
    pub fn write_key(&self, row: usize, out: &mut Vec<u8>) {
        codec::write_key(&self.columns, row, out);
    }
}
