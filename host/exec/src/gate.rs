//! The end of what can be done again: rows of records that failed do not pass it.

use arrow_buffer::BooleanBuffer;
use calzone_types::Batch;

use crate::error::ExecError;
use crate::operator::{Context, Operator};

/// Stands where the steps that keep nothing end: before a store, an internal topic or the sink. A record of which one row failed
/// on the way leaves no other row behind, and can be tried again as if it had never come.
pub(crate) struct Gate;

impl Operator for Gate {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let Context { out, keeper, first_error, handled, .. } = context;
        let keep: Vec<bool> = match keeper {
            Some(keeper) => {
                if out.errors.len() > *first_error {
                    keeper.settle(&mut out.errors);
                }
                if !keeper.holds_any() {
                    return Ok(Some(batch));
                }
                batch.origin.offsets.iter().map(|offset| keeper.passes(*offset)).collect()
            }
            None => {
                let errors = out.errors.get(*first_error..).unwrap_or_default();
                let mut failed: Vec<i64> = errors.iter().filter(|e| handled.contains(e.class)).map(|e| e.offset).collect();
                if failed.is_empty() {
                    return Ok(Some(batch));
                }
                failed.sort_unstable();
                batch.origin.offsets.iter().map(|offset| failed.binary_search(offset).is_err()).collect()
            }
        };
        if keep.iter().all(|keep| *keep) {
            return Ok(Some(batch));
        }
        Ok(Some(batch.filter(&BooleanBuffer::from(keep))))
    }
}
