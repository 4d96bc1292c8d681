//! Reads the topic of a stream or table.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use calzone_formats::{Decoder, FormatColumn, Part};
use calzone_functions::RowError;
use calzone_plan::plan::{SourceColumn, SourceStep};
use calzone_plan::{KeyWindow, SourceKind};
use calzone_types::{Batch, ColumnBuilder, Header, Namespace, Origin, RecordBatch, Side, SqlType, Value, WindowBounds};

use crate::error::{ErrorClass, ExecError};
use crate::operator::{Context, Reader, Stores};
use crate::rows::SideBuilder;
use crate::table_store::TableStore;
use crate::timestamp::TimestampReader;
use crate::windowed_key;

/// Decodes the wanted columns; records that cannot be decoded are reported and skipped.
pub(crate) struct Source {
    key: Decoder,
    value: Decoder,
    columns: Vec<Made>,
    window: Option<KeyWindow>,
    timestamp: Option<(TimestampReader, Made)>,
    throws_on_invalid: bool,
    is_table: bool,
    /// Where each key column is among the decoded ones.
    table_key: Vec<usize>,
    table: Option<TableStore>,
    needs_old: bool,
    step: Arc<str>,
}

/// Where a column's content comes from.
#[derive(Clone)]
enum Made {
    /// Position among the decoded key or value columns.
    Key(usize),
    Value(usize),
    Headers,
    Header(Arc<str>),
    Rowtime,
    RowPartition,
    RowOffset,
    WindowStart,
    WindowEnd,
}

impl Source {
    /// `table`: where the rows of a materialized table are kept.
    pub fn new(
        step: &SourceStep,
        table: Option<TableStore>,
        needs_old: bool,
        throws_on_invalid: bool,
    ) -> Result<Source, ExecError> {
        let source = &step.source;
        let is_table = source.kind == SourceKind::Table;
        let timestamp_at = source.timestamp.as_ref().and_then(|t| source.schema.find(&t.column)).map(|(position, _)| position);
        let used = |position: usize| step.columns.contains(&SourceColumn::Schema(position)) || timestamp_at == Some(position);
        let mut keys = (Vec::new(), Vec::new());
        let mut values = (Vec::new(), Vec::new());
        let mut places = Vec::with_capacity(source.schema.columns.len());
        let mut decoded = (0, 0);
        let mut table_key = Vec::new();
        for (position, column) in source.schema.columns.iter().enumerate() {
            let format_column = FormatColumn { name: column.name.clone(), ty: column.ty.clone() };
            match &column.namespace {
                Namespace::Key => {
                    let wanted = is_table || used(position);
                    keys.0.push(format_column);
                    keys.1.push(wanted);
                    places.push(Made::Key(decoded.0));
                    table_key.push(decoded.0);
                    decoded.0 += usize::from(wanted);
                }
                Namespace::Value => {
                    let wanted = used(position);
                    values.0.push(format_column);
                    values.1.push(wanted);
                    places.push(Made::Value(decoded.1));
                    decoded.1 += usize::from(wanted);
                }
                Namespace::Headers(None) => places.push(Made::Headers),
                Namespace::Headers(Some(name)) => places.push(Made::Header(name.clone())),
            }
        }
        let fail = |error: calzone_formats::FormatError| {
            ExecError::Plan(format!("Source {} cannot be read: {}", source.name, error.message))
        };
        let columns = step
            .columns
            .iter()
            .map(|column| match column {
                SourceColumn::Schema(position) => places[*position].clone(),
                SourceColumn::Rowtime => Made::Rowtime,
                SourceColumn::RowPartition => Made::RowPartition,
                SourceColumn::RowOffset => Made::RowOffset,
                SourceColumn::WindowStart => Made::WindowStart,
                SourceColumn::WindowEnd => Made::WindowEnd,
            })
            .collect();
        let timestamp = match (&source.timestamp, timestamp_at) {
            (Some(t), Some(position)) => Some((TimestampReader::new(&t.column, t.format.as_deref())?, places[position].clone())),
            _ => None,
        };
        Ok(Source {
            key: Decoder::new(&source.key_format, Part::Key, &keys.0, &keys.1).map_err(fail)?,
            value: Decoder::new(&source.value_format, Part::Value, &values.0, &values.1).map_err(fail)?,
            columns,
            window: source.window,
            timestamp,
            throws_on_invalid,
            is_table,
            table_key,
            table,
            needs_old,
            step: format!("Source {}", source.name).into(),
        })
    }

    /// Records to rows, without the table's state.
    fn decode(
        &mut self,
        topic: &Arc<str>,
        records: &RecordBatch,
        context: &mut Option<&mut Context<'_>>,
    ) -> Result<Decoded, ExecError> {
        let rows = records.len();
        let mut faults: Vec<(ErrorClass, RowError)> = Vec::new();
        let mut skipped = vec![false; rows];
        let mut windows = None;
        let keys = match self.window {
            None => self.key.decode(records),
            Some(window) => {
                let (mut start, mut end) = (vec![0; rows], vec![0; rows]);
                let mut slices: Vec<Option<&[u8]>> = Vec::with_capacity(rows);
                for (row, record) in records.iter().enumerate() {
                    let split = record.key.map(|key| windowed_key::split(window, key));
                    match split {
                        Some(Some((key, from, to))) => {
                            (start[row], end[row]) = (from, to);
                            slices.push(Some(key));
                        }
                        Some(None) => {
                            let message = "the key is too short to end with a window".to_owned();
                            faults.push((ErrorClass::Deserialization, RowError { row: row as u32, message }));
                            slices.push(None);
                        }
                        None => slices.push(None),
                    }
                }
                windows = Some(WindowBounds { start: start.into(), end: end.into() });
                self.key.decode_slices(slices.into_iter())
            }
        };
        let values = self.value.decode(records);
        for (part, errors) in [("key", keys.errors), ("value", values.errors)] {
            faults.extend(errors.into_iter().map(|error| {
                let message = format!("The {part} cannot be read: {}", error.message);
                (ErrorClass::Deserialization, RowError { row: error.row, message })
            }));
        }
        let present = values.present;
        let origin = Origin {
            topic: topic.clone(),
            partition: records.iter().next().map_or(0, |record| record.partition.max(0)),
            offsets: records.iter().map(|record| record.offset).collect(),
        };
        faults.iter().for_each(|(_, error)| skipped[error.row as usize] = true);

        let mut timestamps: Vec<i64> = records.iter().map(|record| record.timestamp).collect();
        if let Some((reader, place)) = &mut self.timestamp {
            let (column, in_key) = match place {
                Made::Key(i) => (Some(&keys.columns[*i]), true),
                Made::Value(i) => (Some(&values.columns[*i]), false),
                _ => (None, true),
            };
            if let Some(column) = column {
                let (times, errors) = reader.read(column);
                // A tombstone has no columns to read a time from: it keeps the record's own.
                let readable = |row: usize| in_key || present.as_ref().is_none_or(|p| p.value(row));
                for error in errors {
                    let row = error.row as usize;
                    if skipped[row] || !readable(row) {
                        continue;
                    }
                    if self.throws_on_invalid {
                        return Err(ExecError::Timestamp { place: ExecError::place(&origin, row), message: error.message });
                    }
                    skipped[row] = true;
                    faults.push((ErrorClass::Timestamp, error));
                }
                for (row, time) in times.into_iter().enumerate().filter(|(row, _)| readable(*row)) {
                    timestamps[row] = time;
                }
            }
        }
        for (row, timestamp) in timestamps.iter().enumerate() {
            if *timestamp < 0 && !skipped[row] {
                skipped[row] = true;
                let message = format!("The record's timestamp {timestamp} is before 1970.");
                faults.push((ErrorClass::Timestamp, RowError { row: row as u32, message }));
            }
        }
        if self.is_table {
            let absent = |row: usize| self.table_key.iter().all(|i| keys.columns[*i].is_null(row));
            for (row, skipped) in skipped.iter_mut().enumerate() {
                if !*skipped && absent(row) {
                    *skipped = true;
                    let message = "A table's row needs a key, but the record's key is null.".to_owned();
                    faults.push((ErrorClass::NullKey, RowError { row: row as u32, message }));
                }
            }
        }
        if let Some(context) = context {
            faults.sort_by_key(|(_, error)| error.row);
            for (class, error) in faults {
                context.report(class, &self.step, &origin, vec![error]);
            }
        }
        let timestamps = ScalarBuffer::from(timestamps);
        let columns = self
            .columns
            .iter()
            .map(|made| make_column(made, records, &keys.columns, &values.columns, &timestamps, &windows, &origin))
            .collect();
        let headers = records.has_headers().then(|| records.iter().map(|record| Arc::from(record.headers)).collect());
        let batch = Batch { new: Side { columns, live: present }, old: None, timestamps, windows, origin, headers };
        let keep: Vec<bool> = skipped.iter().map(|skipped| !skipped).collect();
        if keep.iter().all(|keep| *keep) {
            return Ok(Decoded { batch, keys: keys.columns });
        }
        let keep = BooleanBuffer::from(keep);
        let mask = arrow_array::BooleanArray::new(keep.clone(), None);
        let filtered = |column: &ArrayRef| arrow_select::filter::filter(column, &mask).expect("the mask has the column's length");
        Ok(Decoded { batch: batch.filter(&keep), keys: keys.columns.iter().map(filtered).collect() })
    }

    /// The rows of records, without those that cannot be read; nothing is kept or reported.
    pub fn rows(&mut self, topic: &Arc<str>, records: &RecordBatch) -> Result<Batch, ExecError> {
        self.decode(topic, records, &mut None).map(|decoded| decoded.batch)
    }

    /// Puts the rows into the table's store; gives the rows that were there before.
    fn store(&mut self, decoded: &Decoded, with_old: bool, stores: &mut Stores) -> Result<Option<Side>, ExecError> {
        let Some(table) = &self.table else { return Ok(None) };
        let batch = &decoded.batch;
        let mut old = with_old.then(|| SideBuilder::new(&table.types, batch.len()));
        let (mut key, mut buffer) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            TableStore::key_of(&decoded.keys, &self.table_key, batch.windows.as_ref(), row, &mut key);
            if let Some(old) = &mut old {
                let was_there = table.read(stores, &key, old, 0)?.is_some();
                if !was_there {
                    old.null_cells(0, table.types.len());
                }
                old.end_row(was_there);
            }
            match batch.new.is_live(row) {
                true => table.put(stores, &key, batch.timestamps[row], &batch.new.columns, row, &mut buffer)?,
                false => table.delete(stores, &key)?,
            }
        }
        Ok(old.map(SideBuilder::finish))
    }
}

struct Decoded {
    batch: Batch,
    /// The decoded key columns, for the rows of the batch.
    keys: Vec<ArrayRef>,
}

impl Reader for Source {
    fn read(&mut self, topic: &Arc<str>, records: &RecordBatch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let mut decoded = self.decode(topic, records, &mut Some(&mut *context))?;
        if decoded.batch.is_empty() {
            return Ok(None);
        }
        decoded.batch.old = self.store(&decoded, self.needs_old, context.stores)?;
        Ok(Some(decoded.batch))
    }

    fn restore(&mut self, records: &RecordBatch, stores: &mut Stores) -> Result<(), ExecError> {
        let decoded = self.decode(&Arc::from(""), records, &mut None)?;
        self.store(&decoded, false, stores).map(|_| ())
    }
}

fn make_column(
    made: &Made,
    records: &RecordBatch,
    keys: &[ArrayRef],
    values: &[ArrayRef],
    timestamps: &ScalarBuffer<i64>,
    windows: &Option<WindowBounds>,
    origin: &Origin,
) -> ArrayRef {
    let bigints = |values: ScalarBuffer<i64>| -> ArrayRef { Arc::new(Int64Array::new(values, None)) };
    match made {
        Made::Key(i) => keys[*i].clone(),
        Made::Value(i) => values[*i].clone(),
        Made::Rowtime => bigints(timestamps.clone()),
        Made::RowPartition => Arc::new(Int32Array::from_iter_values(records.iter().map(|record| record.partition.max(0)))),
        Made::RowOffset => bigints(origin.offsets.clone()),
        Made::WindowStart | Made::WindowEnd => match windows {
            Some(windows) if matches!(made, Made::WindowStart) => bigints(windows.start.clone()),
            Some(windows) => bigints(windows.end.clone()),
            None => arrow_array::new_null_array(&SqlType::Bigint.to_arrow(), records.len()),
        },
        Made::Headers => {
            let entry = SqlType::structure([
                calzone_types::Field::new("KEY", SqlType::Varchar),
                calzone_types::Field::new("VALUE", SqlType::Bytes),
            ]);
            let mut builder = ColumnBuilder::new(&SqlType::array(entry), records.len());
            for record in records.iter() {
                let entries = record.headers.iter().map(|(name, value)| {
                    Value::Struct(vec![Value::from(&**name), value.clone().map_or(Value::Null, Value::Bytes)])
                });
                builder.push(&Value::Array(entries.collect()));
            }
            builder.finish()
        }
        Made::Header(name) => {
            let mut builder = ColumnBuilder::new(&SqlType::Bytes, records.len());
            for record in records.iter() {
                let last: Option<&Header> = record.headers.iter().rev().find(|(key, _)| key == name);
                match last.and_then(|(_, value)| value.clone()) {
                    Some(value) => builder.push(&Value::Bytes(value)),
                    None => builder.push_null(),
                }
            }
            builder.finish()
        }
    }
}
