//! Rows through an internal topic: written by one part under another key, read by the next.
//!
//! Keys are in the format of the plan, since they decide the partition; rows are in the stores' own encoding, which is
//! smaller and cheaper than any format for others to read. A change of a table is both rows: a byte that says which are
//! there, the length of the new row, the new row, the length of the old row, the old row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use calzone_formats::{BoundEncoder, Decoder, Encoder, FormatColumn, FormatSpec, Part};
use calzone_plan::KeyWindow;
use calzone_plan::plan::StepOutput;
use calzone_types::{Batch, ColumnBuilder, Origin, RecordBatch, Side, SqlType, WindowBounds};

use crate::codec;
use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Operator, Reader};
use crate::task::OutputTopic;
use crate::windowed_key;

const HAS_NEW: u8 = 1;
const HAS_OLD: u8 = 2;

/// What rows of an internal topic look like.
#[derive(Clone, Debug)]
pub(crate) struct InternalRows {
    pub topic: Arc<str>,
    /// Columns of the rows, as the writer gets and the reader gives them.
    pub output: StepOutput,
    pub key_format: FormatSpec,
    pub window: Option<KeyWindow>,
}

impl InternalRows {
    pub(crate) fn key_columns(&self) -> Vec<FormatColumn> {
        self.output.key.iter().map(|i| self.column(*i)).collect()
    }

    /// Positions of the columns that are not part of the key.
    fn value_positions(&self) -> Vec<usize> {
        (0..self.output.columns.len()).filter(|i| !self.output.key.contains(i)).collect()
    }

    fn column(&self, position: usize) -> FormatColumn {
        let column = &self.output.columns[position];
        FormatColumn { name: column.name.clone(), ty: column.ty.clone() }
    }
}

/// The writing end.
pub(crate) struct Repartition {
    rows: Arc<InternalRows>,
    key: Encoder,
    value_positions: Vec<usize>,
    drop_null_key: bool,
}

impl Repartition {
    pub fn new(rows: &Arc<InternalRows>, drop_null_key: bool) -> Result<Repartition, ExecError> {
        let key =
            Encoder::new(&rows.key_format, Part::Key, &rows.key_columns()).map_err(|error| ExecError::Plan(error.message))?;
        Ok(Repartition { rows: rows.clone(), key, value_positions: rows.value_positions(), drop_null_key })
    }

    fn bind<'a>(&'a self, columns: &'a SideColumns) -> BoundSide<'a> {
        BoundSide { columns, key: self.key.bind(&columns.key) }
    }

    fn write(&self, batch: &Batch, context: &mut Context<'_>) -> Result<(), ExecError> {
        let is_table = self.rows.output.is_table;
        let pick = |side: &Side, positions: &[usize]| positions.iter().map(|i| side.columns[*i].clone()).collect::<Vec<_>>();
        let new = SideColumns { key: pick(&batch.new, &self.rows.output.key), value: pick(&batch.new, &self.value_positions) };
        let old = batch
            .old
            .as_ref()
            .map(|side| SideColumns { key: pick(side, &self.rows.output.key), value: pick(side, &self.value_positions) });
        let new = self.bind(&new);
        let old = old.as_ref().map(|columns| self.bind(columns));
        let records = context.out.batch(&OutputTopic::Internal(self.rows.topic.clone()));
        for row in 0..batch.len() {
            let new_live = batch.new.is_live(row);
            if !is_table {
                let has_key = new.has_key(row);
                if !has_key && self.drop_null_key {
                    continue;
                }
                self.push(records, batch, row, &new, |out| {
                    if new_live {
                        new.write_value(row, out);
                    }
                    new_live
                })?;
                continue;
            }
            // A row without a key is in no group: as if it were not there.
            let new_side = (new_live && new.has_key(row)).then_some(&new);
            let old_side =
                old.as_ref().filter(|old| batch.old.as_ref().is_some_and(|side| side.is_live(row)) && old.has_key(row));
            match (new_side, old_side) {
                (Some(new), Some(old)) if !same_key(&new.columns.key, &old.columns.key, row) => {
                    self.push_change(records, batch, row, None, Some(old))?;
                    self.push_change(records, batch, row, Some(new), None)?;
                }
                (None, None) => {}
                (new, old) => self.push_change(records, batch, row, new, old)?,
            }
        }
        Ok(())
    }

    fn push_change(
        &self,
        records: &mut RecordBatch,
        batch: &Batch,
        row: usize,
        new: Option<&BoundSide<'_>>,
        old: Option<&BoundSide<'_>>,
    ) -> Result<(), ExecError> {
        let Some(keyed) = new.or(old) else { return Ok(()) };
        self.push(records, batch, row, keyed, |out| {
            out.push(if new.is_some() { HAS_NEW } else { 0 } | if old.is_some() { HAS_OLD } else { 0 });
            let mut bytes = Vec::new();
            for side in [new, old].into_iter().flatten() {
                bytes.clear();
                side.write_value(row, &mut bytes);
                codec::write_bytes(&bytes, out);
            }
            true
        })
    }

    fn push(
        &self,
        records: &mut RecordBatch,
        batch: &Batch,
        row: usize,
        keyed: &BoundSide<'_>,
        value: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<(), ExecError> {
        let mut key_outcome = Ok(false);
        records.push_with(
            0,
            batch.timestamps[row],
            RecordBatch::by_key_without(self.rows.window.map_or(0, windowed_key::suffix_bytes)),
            |out| {
                key_outcome = keyed.key.write(row, out);
                let present = matches!(key_outcome, Ok(true));
                if let (true, Some(window), Some(bounds)) = (present, self.rows.window, &batch.windows) {
                    windowed_key::write(window, bounds.start[row], bounds.end[row], out);
                }
                present
            },
            value,
        );
        if let Some(headers) = batch.headers.as_ref().map(|headers| &headers[row])
            && !headers.is_empty()
        {
            records.set_headers(headers.to_vec());
        }
        match key_outcome {
            Ok(_) => Ok(()),
            Err(message) => Err(ExecError::Serialization {
                topic: self.rows.topic.to_string(),
                place: ExecError::place(&batch.origin, row),
                message,
            }),
        }
    }
}

struct SideColumns {
    key: Vec<ArrayRef>,
    value: Vec<ArrayRef>,
}

/// The same with the key's encoder bound, once a batch.
struct BoundSide<'a> {
    columns: &'a SideColumns,
    key: BoundEncoder<'a>,
}

impl BoundSide<'_> {
    fn write_value(&self, row: usize, out: &mut Vec<u8>) {
        self.columns.value.iter().for_each(|column| codec::write_cell(column, row, out));
    }

    fn has_key(&self, row: usize) -> bool {
        self.columns.key.iter().any(|column| column.is_valid(row))
    }
}

fn same_key(a: &[ArrayRef], b: &[ArrayRef], row: usize) -> bool {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    codec::write_key(a, row, &mut left);
    codec::write_key(b, row, &mut right);
    left == right
}

impl Operator for Repartition {
    fn process(&mut self, _: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        self.write(&batch, context)?;
        Ok(None)
    }
}

/// The reading end.
pub(crate) struct InternalSource {
    rows: Arc<InternalRows>,
    key: Decoder,
    value_positions: Vec<usize>,
    value_types: Vec<SqlType>,
    step: Arc<str>,
}

impl InternalSource {
    pub fn new(rows: &Arc<InternalRows>) -> Result<InternalSource, ExecError> {
        let value_positions = rows.value_positions();
        let value_types = value_positions.iter().map(|i| rows.output.columns[*i].ty.clone()).collect();
        let keys = rows.key_columns();
        let key = Decoder::new(&rows.key_format, Part::Key, &keys, &vec![true; keys.len()]);
        let key = key.map_err(|error| ExecError::Plan(error.message))?;
        Ok(InternalSource {
            rows: rows.clone(),
            key,
            value_positions,
            value_types,
            step: format!("Source {}", rows.topic).into(),
        })
    }

    /// Columns of all rows; those of absent rows are null.
    fn values(&self, slices: &[Option<&[u8]>], errors: &mut Vec<(u32, String)>) -> Vec<ArrayRef> {
        let mut builders: Vec<ColumnBuilder> = self.value_types.iter().map(|ty| ColumnBuilder::new(ty, slices.len())).collect();
        for (row, slice) in slices.iter().enumerate() {
            let Some(mut bytes) = *slice else {
                builders.iter_mut().for_each(ColumnBuilder::push_null);
                continue;
            };
            let cells = self.value_types.iter().zip(&mut builders);
            if let Err(error) =
                cells.map(|(ty, builder)| codec::read_cell_into(ty, &mut bytes, builder)).collect::<Result<(), _>>()
            {
                builders.iter_mut().filter(|builder| builder.len() == row).for_each(ColumnBuilder::push_null);
                errors.push((row as u32, error.to_string()));
            }
        }
        builders.into_iter().map(ColumnBuilder::finish).collect()
    }

    fn side(&self, keys: &[ArrayRef], slices: &[Option<&[u8]>], errors: &mut Vec<(u32, String)>) -> Side {
        let values = self.values(slices, errors);
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.rows.output.columns.len()];
        for (position, column) in self.rows.output.key.iter().zip(keys) {
            columns[*position] = Some(column.clone());
        }
        for (position, column) in self.value_positions.iter().zip(values) {
            columns[*position] = Some(column);
        }
        let live = slices.iter().any(Option::is_none).then(|| slices.iter().map(Option::is_some).collect::<BooleanBuffer>());
        Side { columns: columns.into_iter().flatten().collect(), live }
    }
}

impl Reader for InternalSource {
    fn read(&mut self, topic: &Arc<str>, records: &RecordBatch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if records.is_empty() {
            return Ok(None);
        }
        let count = records.len();
        let mut windows = None;
        let mut errors: Vec<(u32, String)> = Vec::new();
        let keys = match self.rows.window {
            None => self.key.decode(records),
            Some(window) => {
                let split: Vec<_> = records.iter().map(|r| r.key.and_then(|key| windowed_key::split(window, key))).collect();
                let start: ScalarBuffer<i64> = split.iter().map(|s| s.map_or(0, |(_, start, _)| start)).collect();
                let end: ScalarBuffer<i64> = split.iter().map(|s| s.map_or(0, |(_, _, end)| end)).collect();
                windows = Some(WindowBounds { start, end });
                self.key.decode_slices(split.iter().map(|s| s.map(|(key, _, _)| key)))
            }
        };
        errors.extend(keys.errors.into_iter().map(|e| (e.row, e.message)));
        let (new, old) = if self.rows.output.is_table {
            let (mut new, mut old) = (vec![None; count], vec![None; count]);
            for (row, record) in records.iter().enumerate() {
                let Some((flags, mut rest)) = record.value.and_then(|value| value.split_first()) else { continue };
                for (flag, target) in [(HAS_NEW, &mut new), (HAS_OLD, &mut old)] {
                    if flags & flag != 0 {
                        match codec::read_bytes(&mut rest) {
                            Ok(bytes) => target[row] = Some(bytes),
                            Err(error) => errors.push((row as u32, error.to_string())),
                        }
                    }
                }
            }
            (self.side(&keys.columns, &new, &mut errors), Some(self.side(&keys.columns, &old, &mut errors)))
        } else {
            let slices: Vec<Option<&[u8]>> = records.iter().map(|record| record.value).collect();
            (self.side(&keys.columns, &slices, &mut errors), None)
        };
        let origin = Origin {
            topic: topic.clone(),
            partition: records.get(0).partition.max(0),
            offsets: records.iter().map(|record| record.offset).collect(),
        };
        let mut keep = vec![true; count];
        for (row, message) in errors {
            keep[row as usize] = false;
            context.report_row(ErrorClass::Deserialization, &self.step, &origin, row as usize, message);
        }
        let batch = Batch {
            new,
            old,
            timestamps: records.iter().map(|record| record.timestamp).collect(),
            windows,
            origin,
            headers: records.has_headers().then(|| records.iter().map(|record| Arc::from(record.headers)).collect()),
        };
        let batch = if keep.iter().all(|keep| *keep) { batch } else { batch.filter(&keep.into()) };
        Ok((!batch.is_empty()).then_some(batch))
    }
}
