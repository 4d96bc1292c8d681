//! Calls of the interface `stages`.

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use calzone_functions::RowError;
use calzone_types::Header;

use super::bindings::calzone::plugin::types::Setting;
use super::bindings::exports::calzone::plugin::stages::{
    self, Batch, ColumnSource, HeaderParam, HeaderResult, InputColumn, Output, Plan,
};
use super::convert::{lend, row_errors, take};
use crate::columns::{Answered, Buffers, scalars};
use crate::describe::{SettingDescription, StageDescription};
use crate::fault::{Fault, TimeLimit};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::signature::parse_type;
use crate::stage::{StageColumn, StageOutput, StagePlan, StageSource};

/// Outputs of one stage.
const OUTPUTS_MAX: usize = 64;

super::interface! {
    /// Where a component has its stages.
    Stages, stages, stages, super::STAGES
}

/// Rows on their way in.
pub(crate) struct BatchColumns<'a> {
    pub rows: usize,
    pub columns: &'a [Buffers],
    pub timestamps: Option<&'a [i64]>,
    pub headers: Option<&'a [Arc<[Header]>]>,
}

/// Rows on their way out.
pub(crate) struct OutputRows {
    pub source_rows: Vec<u32>,
    pub columns: Vec<Answered>,
    pub timestamps: Option<ScalarBuffer<i64>>,
    pub headers: Option<Vec<Arc<[Header]>>>,
}

impl Stages {
    /// Author, version, stages.
    pub(crate) fn describe(&self, instance: &mut Instance) -> Result<(String, String, Vec<StageDescription>), Fault> {
        let d = self.call(instance, TimeLimit::Start, |store, exports| exports.call_describe(store))?;
        let stages = d.stages.into_iter().map(|s| StageDescription {
            name: s.name,
            doc: s.doc,
            settings: s.settings.into_iter().map(|s| SettingDescription { key: s.key, doc: s.doc, default: s.default }).collect(),
        });
        Ok((d.about.author, d.about.version, stages.collect()))
    }

    /// Input columns are name, type and whether they are part of the key.
    pub(crate) fn open(
        &self,
        instance: &mut Instance,
        limits: &Limits,
        stage: &str,
        settings: &[(String, String)],
        input: &[(&str, String, bool)],
    ) -> Result<StagePlan, Fault> {
        let settings: Vec<Setting<'_>> = settings.iter().map(|(key, value)| Setting { key, value }).collect();
        let columns: Vec<InputColumn<'_>> =
            input.iter().map(|(name, ty, key)| InputColumn { name, type_: ty, key: *key }).collect();
        let plan = self
            .call(instance, TimeLimit::Start, |store, exports| exports.call_open(store, stage, &settings, &columns))?
            .map_err(Fault::Error)?;
        read_plan(plan, input.len(), limits).map_err(Fault::Answer)
    }

    /// Rows for each of `outputs` outputs, and the rows that failed.
    pub(crate) fn process(
        &self,
        instance: &mut Instance,
        limits: &Limits,
        batch: &BatchColumns<'_>,
        outputs: usize,
    ) -> Result<(Vec<OutputRows>, Vec<RowError>), Fault> {
        let columns = lend(batch.columns);
        let timestamps: Option<Vec<u8>> = batch.timestamps.map(|t| t.iter().flat_map(|t| t.to_le_bytes()).collect());
        let headers: Option<Vec<Vec<HeaderParam<'_>>>> =
            batch.headers.map(|rows| rows.iter().map(|row| row.iter().map(lend_header).collect()).collect());
        let header_rows: Option<Vec<&[HeaderParam<'_>]>> = headers.as_ref().map(|rows| rows.iter().map(Vec::as_slice).collect());
        let lent = Batch {
            rows: batch.rows as u32,
            columns: &columns,
            timestamps: timestamps.as_deref(),
            headers: header_rows.as_deref(),
        };
        let answer =
            self.call(instance, TimeLimit::Batch, |store, exports| exports.call_process(store, lent))?.map_err(Fault::Error)?;
        let errors = row_errors(answer.errors, batch.rows, limits.message_bytes).map_err(Fault::Answer)?;
        if answer.outputs.len() != outputs {
            return Err(Fault::Answer(format!("it has rows for {} outputs where {outputs} were planned", answer.outputs.len())));
        }
        let mut rows_left = limits.output_rows;
        let read = answer.outputs.into_iter().map(|rows| {
            let source_rows = source_rows(rows.source_rows, batch.rows, &errors, rows_left, limits)?;
            rows_left -= source_rows.len();
            let timestamps = rows.timestamps.map(|t| scalars::<i64>(t, source_rows.len())).transpose();
            let timestamps = timestamps.map_err(|e| format!("timestamps: {e}"))?;
            let headers = rows.headers.map(|h| header_rows_of(h, source_rows.len())).transpose()?;
            Ok(OutputRows { source_rows, columns: take(rows.columns), timestamps, headers })
        });
        let outputs = read.collect::<Result<_, String>>().map_err(Fault::Answer)?;
        Ok((outputs, errors))
    }
}

fn lend_header((key, value): &Header) -> HeaderParam<'_> {
    HeaderParam { key, value: value.as_deref() }
}

/// `left`: how many rows may still come.
fn source_rows(bytes: Vec<u8>, rows: usize, errors: &[RowError], left: usize, limits: &Limits) -> Result<Vec<u32>, String> {
    let count = bytes.len() / 4;
    if count > left {
        let count = limits.output_rows - left + count;
        return Err(format!("{count} rows for {rows}, at most {} may be (output_rows)", limits.output_rows));
    }
    let sources = scalars::<u32>(bytes, count)?.to_vec();
    if let Some(row) = sources.iter().find(|row| **row as usize >= rows) {
        return Err(format!("a row from row {row} of {rows}"));
    }
    if sources.windows(2).any(|w| w[1] < w[0]) {
        return Err("rows that are not in the order of their source rows".to_owned());
    }
    if let Some(both) = errors.iter().find(|e| sources.binary_search(&e.row).is_ok()) {
        return Err(format!("row {} has both an error and a row", both.row));
    }
    Ok(sources)
}

fn header_rows_of(headers: Vec<Vec<HeaderResult>>, rows: usize) -> Result<Vec<Arc<[Header]>>, String> {
    if headers.len() != rows {
        return Err(format!("headers of {} rows for {rows}", headers.len()));
    }
    let rows = headers.into_iter().map(|row| row.into_iter().map(|h| (Arc::from(h.key), h.value)).collect());
    Ok(rows.collect())
}

/// Checks what a stage plans.
fn read_plan(plan: Plan, inputs: usize, limits: &Limits) -> Result<StagePlan, String> {
    if plan.outputs.is_empty() || plan.outputs.len() > OUTPUTS_MAX {
        return Err(format!("it has {} outputs; 1 to {OUTPUTS_MAX} may be", plan.outputs.len()));
    }
    let input = |position: u32| match position as usize {
        position if position < inputs => Ok(position),
        position => Err(format!("it names input column {position} of {inputs}")),
    };
    let reads = plan.reads.into_iter().map(input).collect::<Result<Vec<usize>, String>>()?;
    if reads.len() > limits.output_columns {
        return Err(format!("it reads {} columns; at most {} may be (output_columns)", reads.len(), limits.output_columns));
    }
    let mut names = std::collections::HashSet::new();
    let mut outputs = Vec::with_capacity(plan.outputs.len());
    for output in plan.outputs {
        if !names.insert(output.name.to_ascii_uppercase()) {
            return Err(format!("there are two outputs `{}`", crate::limits::cut(&output.name, 100)));
        }
        outputs.push(read_output(output, &input, limits)?);
    }
    Ok(StagePlan { reads, outputs, wants_timestamps: plan.timestamps, wants_headers: plan.headers })
}

fn read_output(output: Output, input: &dyn Fn(u32) -> Result<usize, String>, limits: &Limits) -> Result<StageOutput, String> {
    if output.name.len() > limits.message_bytes {
        return Err(format!("an output has the name `{}`", crate::limits::cut(&output.name, 100)));
    }
    if output.columns.is_empty() || output.columns.len() > limits.output_columns {
        return Err(format!(
            "its output has {} columns; 1 to {} may be (output_columns)",
            output.columns.len(),
            limits.output_columns
        ));
    }
    let mut names = std::collections::HashSet::new();
    let (mut columns, mut computed) = (Vec::new(), 0);
    for column in output.columns {
        if column.name.is_empty() || column.name.len() > limits.message_bytes {
            return Err(format!("a column has the name `{}`", crate::limits::cut(&column.name, 100)));
        }
        if !names.insert(column.name.clone()) {
            return Err(format!("there are two columns `{}`", column.name));
        }
        let source = match column.source {
            ColumnSource::Input(position) => StageSource::PassThrough(input(position)?),
            ColumnSource::Computed(ty) => {
                computed += 1;
                StageSource::Guest(computed - 1, parse_type(&ty)?)
            }
        };
        columns.push(StageColumn { name: column.name.into(), key: column.key, source });
    }
    Ok(StageOutput { name: output.name.into(), columns })
}
