//! Where rows leave a query: to the topic of a stream or table, or to a client.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_formats::{Encoder, FormatColumn, Part};
use calzone_functions::RowError;
use calzone_plan::plan::SinkOutput;
use calzone_types::{Batch, RecordBatch};

use crate::error::{ErrorClass, ExecError};
use crate::materialized::ResultWriter;
use crate::operator::{Context, Operator};
use crate::task::OutputTopic;
use crate::timestamp::TimestampReader;
use crate::windowed_key;

/// Encodes rows into records of the sink's topic.
pub(crate) struct Sink {
    output: SinkOutput,
    key: Encoder,
    value: Encoder,
    timestamp: Option<(usize, TimestampReader)>,
    throws_on_invalid: bool,
    result: Option<ResultWriter>,
    target: OutputTopic,
    step: Arc<str>,
}

impl Sink {
    /// `result` keeps the rows for pull queries.
    ///
    /// `has_new_key`: the query made the key; one of several columns is written even if all of them are null.
    pub fn new(
        output: &SinkOutput,
        has_new_key: bool,
        result: Option<ResultWriter>,
        throws_on_invalid: bool,
    ) -> Result<Sink, ExecError> {
        let sink = &output.sink;
        let fail = |error: calzone_formats::FormatError| {
            ExecError::Plan(format!("Sink {} cannot be written: {}", sink.name, error.message))
        };
        let key: Vec<FormatColumn> = sink.schema.key().map(|c| FormatColumn { name: c.name.clone(), ty: c.ty.clone() }).collect();
        let value: Vec<FormatColumn> =
            sink.schema.value().map(|c| FormatColumn { name: c.name.clone(), ty: c.ty.clone() }).collect();
        if key.len() != output.key.len() || value.len() != output.value.len() {
            return Err(ExecError::Plan(format!("The columns of the query and of sink {} do not match.", sink.name)));
        }
        let timestamp = match &output.timestamp {
            Some((position, column)) => Some((*position, TimestampReader::new(&column.column, column.format.as_deref())?)),
            None => None,
        };
        Ok(Sink {
            // Formats write a key of nulls as no key at all, but a value of nulls as a row of nulls.
            key: Encoder::new(&sink.key_format, if has_new_key && key.len() > 1 { Part::Value } else { Part::Key }, &key)
                .map_err(fail)?,
            value: Encoder::new(&sink.value_format, Part::Value, &value).map_err(fail)?,
            timestamp,
            throws_on_invalid,
            result,
            step: format!("Sink {}", sink.name).into(),
            target: OutputTopic::Sink,
            output: output.clone(),
        })
    }

    /// The sink of a further output of a stage.
    pub fn of_route(output: &SinkOutput) -> Result<Sink, ExecError> {
        Ok(Sink { target: OutputTopic::Route(output.sink.topic.clone()), ..Sink::new(output, false, None, false)? })
    }

    /// Replaces timestamps by those of the TIMESTAMP column; rows without one are not written.
    fn stamp(&mut self, batch: Batch, context: &mut Context<'_>) -> Result<Batch, ExecError> {
        let Some((position, reader)) = &mut self.timestamp else { return Ok(batch) };
        let (times, mut errors) = reader.read(&batch.new.columns[*position]);
        errors.retain(|error| batch.new.is_live(error.row as usize));
        let throws = self.throws_on_invalid && !context.handled.contains(ErrorClass::Serialization);
        if let (true, Some(error)) = (throws, errors.first()) {
            let place = ExecError::place(&batch.origin, error.row as usize);
            return Err(ExecError::Timestamp { place, message: error.message.clone() });
        }
        let mut keep = vec![true; batch.len()];
        errors.iter().for_each(|error: &RowError| keep[error.row as usize] = false);
        let all = errors.is_empty();
        context.report(ErrorClass::Serialization, &self.step, &batch.origin, errors);
        let mut batch = batch;
        // A tombstone has no column to read a time from: it gets the time the stream has reached.
        let of_row = |row: usize| if batch.new.is_live(row) { times[row] } else { context.stream_time.max(0) };
        batch.timestamps = (0..batch.len()).map(of_row).collect();
        Ok(if all { batch } else { batch.filter(&keep.into()) })
    }
}

impl Operator for Sink {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let mut batch = self.stamp(batch, context)?;
        if self.output.writes {
            let start = context.out.batch(&OutputTopic::Sink).len();
            while let Some((row, message)) = self.write(&batch, context) {
                if !context.handled.contains(ErrorClass::Serialization) {
                    return Err(ExecError::Serialization {
                        topic: self.output.sink.topic.to_string(),
                        place: ExecError::place(&batch.origin, row),
                        message,
                    });
                }
                // All rows of the record are left out: what it wrote so far is taken back.
                context.report_row(ErrorClass::Serialization, &self.step, &batch.origin, row, message);
                context.out.batch(&OutputTopic::Sink).truncate(start);
                let failed = batch.origin.offsets[row];
                let keep: Vec<bool> = batch.origin.offsets.iter().map(|offset| *offset != failed).collect();
                batch = batch.filter(&keep.into());
            }
        }
        if let Some(result) = &mut self.result {
            let (keys, values) = (pick(&self.output.key, &batch), pick(&self.output.value, &batch));
            result.write(&keys, &values, &batch, context)?;
        }
        Ok(None)
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if let Some(result) = &mut self.result {
            result.expire(context.stream_time, context.stores)?;
        }
        Ok(None)
    }
}

fn pick(positions: &[usize], batch: &Batch) -> Vec<ArrayRef> {
    positions.iter().map(|i| batch.new.columns[*i].clone()).collect()
}

impl Sink {
    /// Appends the rows' records; stops at a row that cannot be written.
    fn write(&mut self, batch: &Batch, context: &mut Context<'_>) -> Option<(usize, String)> {
        let (keys, values) = (pick(&self.output.key, batch), pick(&self.output.value, batch));
        let (key, value) = (self.key.bind(&keys), self.value.bind(&values));
        let window = self.output.sink.window;
        let records = context.out.batch(&self.target);
        let partition = RecordBatch::by_key_without(window.map_or(0, windowed_key::suffix_bytes));
        for row in 0..batch.len() {
            let mut failed = None;
            let (mut key_outcome, mut value_outcome) = (Ok(false), Ok(false));
            records.push_with(
                batch.origin.offsets[row],
                batch.timestamps[row],
                partition,
                |out| {
                    key_outcome = key.write(row, out);
                    let present = matches!(key_outcome, Ok(true));
                    if let (true, Some(window), Some(bounds)) = (present, window, &batch.windows) {
                        windowed_key::write(window, bounds.start[row], bounds.end[row], out);
                    }
                    present
                },
                |out| {
                    if batch.new.is_live(row) {
                        value_outcome = value.write(row, out);
                    }
                    matches!(value_outcome, Ok(true))
                },
            );
            for outcome in [key_outcome, value_outcome] {
                if let Err(message) = outcome {
                    failed.get_or_insert(message);
                }
            }
            if let Some(message) = failed {
                return Some((row, message));
            }
            if let Some(headers) = batch.headers.as_ref().map(|headers| &headers[row])
                && !headers.is_empty()
            {
                records.set_headers(headers.to_vec());
            }
        }
        None
    }
}

/// Gives rows to a client, as columns in the client's order. A record without a value is a deleted row of a table; in a
/// stream it is no row, so a client does not see it.
pub(crate) struct Client {
    pub columns: Vec<usize>,
    pub is_table: bool,
}

impl Operator for Client {
    fn process(&mut self, _: usize, mut batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if !self.is_table
            && let Some(live) = batch.new.live.take()
        {
            batch = batch.filter(&live);
        }
        batch.new.columns = self.columns.iter().map(|i| batch.new.columns[*i].clone()).collect();
        batch.old = None;
        if !batch.is_empty() {
            context.out.rows.push(batch);
        }
        Ok(None)
    }
}
