//! A plugin's stage.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::UInt32Array;
use calzone_functions::RowError;
use calzone_plan::plan::{StageColumn, StageStep};
use calzone_state::MemoryStore;
use calzone_types::Batch;

use crate::environment::{Environment, Stage, StageAnswer, StageRows, TaskStore};
use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Operator, StoreId};
use crate::sink::Sink;

/// Rows through a stage; rows it fails on are reported and skipped. Rows of the first output go on, those of the others
/// leave here for their sinks.
pub(crate) struct StageOperator {
    stage: Box<dyn Stage>,
    columns: Vec<StageColumn>,
    others: Vec<(Vec<StageColumn>, Sink)>,
    /// The guest's own store.
    store: Option<StoreId>,
    step: Arc<str>,
}

impl StageOperator {
    pub fn new(step: &StageStep, store: Option<StoreId>, environment: &mut dyn Environment) -> Result<StageOperator, ExecError> {
        let stage = environment.stage(step).map_err(ExecError::Plan)?;
        let others = step.others.iter().map(|route| Ok((route.columns.clone(), Sink::of_route(&route.sink)?)));
        Ok(StageOperator {
            stage,
            columns: step.columns.clone(),
            others: others.collect::<Result<_, ExecError>>()?,
            store,
            step: format!("Stage {}", step.name).into(),
        })
    }

    /// Lends the guest its store for the batch.
    fn ask(&mut self, batch: &Batch, context: &mut Context<'_>) -> StageAnswer {
        let Some(store) = self.store else { return self.stage.process(batch, &mut None) };
        let place = &mut context.stores.entries[store.0].1;
        let mut lent = Some(std::mem::replace(place, Box::new(MemoryStore::new()) as Box<dyn TaskStore>));
        let answer = self.stage.process(batch, &mut lent);
        if let Some(store) = lent {
            *place = store;
        }
        answer
    }

    /// A guest is not trusted to keep its rows and columns together.
    fn is_shaped(&self, answer: &StageAnswer, batch: &Batch) -> bool {
        let all = std::iter::once(&self.columns).chain(self.others.iter().map(|(columns, _)| columns));
        answer.outputs.len() == 1 + self.others.len()
            && answer.outputs.iter().zip(all).all(|(rows, columns)| {
                let number = |column: &StageColumn| if let StageColumn::Guest(number) = column { number + 1 } else { 0 };
                let guests = columns.iter().map(number).max().unwrap_or(0);
                let count = rows.source_rows.len();
                rows.source_rows.iter().all(|row| (*row as usize) < batch.len())
                    && rows.columns.len() >= guests
                    && rows.columns.iter().all(|column| column.len() == count)
                    && rows.timestamps.as_ref().is_none_or(|t| t.len() == count)
                    && rows.headers.as_ref().is_none_or(|h| h.len() == count)
            })
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
        let mut answer = self.ask(&batch, context);
        if !self.is_shaped(&answer, &batch) {
            answer = StageAnswer::default();
            let message = "the stage's answer has columns of different lengths or rows that it was not given";
            answer.errors = (0..batch.len()).map(|row| RowError { row: row as u32, message: message.into() }).collect();
        }
        answer.errors.retain(|error| (error.row as usize) < batch.len());
        context.report(ErrorClass::Plugin, &self.step, &batch.origin, answer.errors);
        let mut outputs = answer.outputs.into_iter();
        let first = outputs.next().and_then(|rows| assemble(&self.columns, rows, &batch));
        for ((columns, sink), rows) in self.others.iter_mut().zip(outputs) {
            if let Some(rows) = assemble(columns, rows, &batch) {
                sink.process(0, rows, context)?;
            }
        }
        Ok(first)
    }
}

/// The rows of one output with all their columns; None if there are none.
fn assemble(columns: &[StageColumn], rows: StageRows, batch: &Batch) -> Option<Batch> {
    if rows.source_rows.is_empty() {
        return None;
    }
    let indices = UInt32Array::from(rows.source_rows.clone());
    let columns = columns
        .iter()
        .map(|column| match column {
            StageColumn::PassThrough(position) => {
                arrow_select::take::take(&batch.new.columns[*position], &indices, None).expect("source rows were checked")
            }
            StageColumn::Guest(number) => rows.columns[*number].clone(),
        })
        .collect();
    let mut output = batch.take(&rows.source_rows);
    output.new.columns = columns;
    output.old = None;
    if let Some(timestamps) = rows.timestamps {
        output.timestamps = timestamps;
    }
    if rows.headers.is_some() {
        output.headers = rows.headers;
    }
    Some(output)
}
