//! A plugin's stage.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::UInt32Array;
use calzone_functions::RowError;
use calzone_plan::plan::{StageColumn, StageStep};
use calzone_types::Batch;

use crate::environment::{Environment, Stage};
use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Operator};

/// Rows through a stage; rows it fails on are reported and skipped.
pub(crate) struct StageOperator {
    stage: Box<dyn Stage>,
    columns: Vec<StageColumn>,
    step: Arc<str>,
}

impl StageOperator {
    pub fn new(step: &StageStep, environment: &mut dyn Environment) -> Result<StageOperator, ExecError> {
        let stage = environment.stage(step).map_err(ExecError::Plan)?;
        Ok(StageOperator { stage, columns: step.columns.clone(), step: format!("Stage {}", step.name).into() })
    }
}

impl Operator for StageOperator {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let batch = match &batch.new.live {
            Some(live) => batch.filter(live),
            None => batch,
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let mut answer = self.stage.process(&batch);
        let rows = answer.source_rows.len();
        // A guest is not trusted to keep its rows and columns together.
        let number = |column: &StageColumn| if let StageColumn::Guest(number) = column { number + 1 } else { 0 };
        let guests = self.columns.iter().map(number).max().unwrap_or(0);
        let shaped = answer.source_rows.iter().all(|row| (*row as usize) < batch.len())
            && answer.columns.len() >= guests
            && answer.columns.iter().all(|column| column.len() == rows)
            && answer.timestamps.as_ref().is_none_or(|t| t.len() == rows)
            && answer.headers.as_ref().is_none_or(|h| h.len() == rows);
        if !shaped {
            answer = Default::default();
            let message = "the stage's answer has columns of different lengths or rows that it was not given";
            answer.errors = (0..batch.len()).map(|row| RowError { row: row as u32, message: message.into() }).collect();
        }
        answer.errors.retain(|error| (error.row as usize) < batch.len());
        context.report(ErrorClass::Plugin, &self.step, &batch.origin, std::mem::take(&mut answer.errors));
        if answer.source_rows.is_empty() {
            return Ok(None);
        }
        let indices = UInt32Array::from(answer.source_rows.clone());
        let columns = self
            .columns
            .iter()
            .map(|column| match column {
                StageColumn::PassThrough(position) => {
                    arrow_select::take::take(&batch.new.columns[*position], &indices, None).expect("source rows were checked")
                }
                StageColumn::Guest(number) => answer.columns[*number].clone(),
            })
            .collect();
        let mut output = batch.take(&answer.source_rows);
        output.new.columns = columns;
        output.old = None;
        if let Some(timestamps) = answer.timestamps {
            output.timestamps = timestamps;
        }
        if answer.headers.is_some() {
            output.headers = answer.headers;
        }
        Ok(Some(output))
    }
}
