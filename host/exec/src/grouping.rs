//! What failed records are put in order by.

use std::sync::Arc;

use calzone_plan::error_policy::LockBy;
use calzone_plan::plan::StepKind;
use calzone_types::cast::value_to_text;
use calzone_types::{RecordBatch, value_at};

use crate::environment::Environment;
use crate::error::ExecError;
use crate::expression::{Evaluator, Rows};
use crate::source::Source;

/// `LOCK BY`: the group of each record of a source's topic.
pub struct Grouping {
    topic: Arc<str>,
    source: Source,
    expression: Evaluator,
}

impl Grouping {
    pub fn new(lock_by: &LockBy, environment: &mut dyn Environment) -> Result<Grouping, ExecError> {
        let StepKind::Source(step) = &lock_by.input.kind else {
            return Err(ExecError::Plan("LOCK BY reads columns of a source only.".into()));
        };
        let source = Source::new(step, None, false, false)?;
        let expression = Evaluator::new(&lock_by.expr, environment).map_err(ExecError::Plan)?;
        Ok(Grouping { topic: step.source.topic.clone(), source, expression })
    }

    /// The topic whose records it groups; those of others are grouped by their keys.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The group of each record, as text; `None` where the expression is null. Records that cannot be read are grouped by the bytes
    /// of their keys.
    pub fn groups(&mut self, records: &RecordBatch) -> Result<Vec<Option<Vec<u8>>>, ExecError> {
        let mut groups: Vec<Option<Vec<u8>>> = records.iter().map(|record| record.key.map(<[u8]>::to_vec)).collect();
        let batch = self.source.rows(&self.topic.clone(), records)?;
        let evaluated = self.expression.evaluate(Rows::of(&batch));
        let mut failed: Vec<u32> = evaluated.errors.iter().map(|error| error.row).collect();
        failed.sort_unstable();
        // Both are in the order of the records; a row is missing where its record cannot be read.
        let mut row = 0;
        for (group, record) in groups.iter_mut().zip(records.iter()) {
            if batch.origin.offsets.get(row) != Some(&record.offset) {
                continue;
            }
            if failed.binary_search(&(row as u32)).is_err() {
                let value = value_at(evaluated.column.as_ref(), row);
                *group = (!value.is_null()).then(|| value_to_text(&value, self.expression.ty()).into_bytes());
            }
            row += 1;
        }
        Ok(groups)
    }
}
