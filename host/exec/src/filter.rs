//! WHERE and HAVING.

use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use calzone_plan::Expr;
use calzone_types::Batch;

use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::expression::{Predicate, Rows};
use crate::operator::{Context, Operator};
use crate::rows::both;

/// Keeps the rows for which the predicate is true; a failing row is reported and not kept.
pub(crate) struct Filter {
    predicate: Predicate,
    is_table: bool,
    step: Arc<str>,
}

impl Filter {
    pub fn new(predicate: &Expr, is_table: bool, environment: &mut dyn Environment) -> Result<Filter, ExecError> {
        let predicate = Predicate::new(predicate, environment).map_err(ExecError::Plan)?;
        Ok(Filter { predicate, is_table, step: "Filter".into() })
    }
}

impl Operator for Filter {
    fn process(&mut self, _: usize, mut batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let (passes, errors) = self.predicate.test(Rows::of(&batch), batch.new.live.as_ref());
        context.report(ErrorClass::Expression, &self.step, &batch.origin, errors);
        let passes = both(batch.new.live.as_ref(), &passes);
        let kept = passes.count_set_bits();
        if !self.is_table {
            return Ok(match kept {
                0 => None,
                all if all == batch.len() => Some(batch),
                _ => Some(batch.filter(&passes)),
            });
        }
        // A row that stops passing is deleted. One that did not pass before either is not there for those downstream;
        // where the old row is not known, the deletion is passed on to be safe.
        let mut forward = BooleanBuffer::new_set(batch.len());
        if let Some(old) = &batch.old {
            let (was, _) = self.predicate.test(Rows::side(&batch, old), old.live.as_ref());
            let was = both(old.live.as_ref(), &was);
            forward = &passes | &was;
            if let Some(old) = &mut batch.old {
                old.live = Some(was);
            }
        }
        batch.new.live = (kept < batch.len()).then_some(passes);
        Ok(match forward.count_set_bits() {
            0 => None,
            all if all == batch.len() => Some(batch),
            _ => Some(batch.filter(&forward)),
        })
    }
}
