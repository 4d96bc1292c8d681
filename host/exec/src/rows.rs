//! Builds batches row by row, for operators that walk their input.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::{BooleanBuffer, ScalarBuffer};
use calzone_types::{Batch, ColumnBuilder, Header, Origin, Side, SqlType, Value, WindowBounds, value_at};

/// Rows of one side.
pub(crate) struct SideBuilder {
    pub columns: Vec<ColumnBuilder>,
    live: Vec<bool>,
}

impl SideBuilder {
    pub fn new(types: &[SqlType], capacity: usize) -> SideBuilder {
        SideBuilder {
            columns: types.iter().map(|ty| ColumnBuilder::new(ty, capacity)).collect(),
            live: Vec::with_capacity(capacity),
        }
    }

    /// Ends a row whose cells were pushed into `columns`.
    pub fn end_row(&mut self, live: bool) {
        self.live.push(live);
    }

    /// No row, but these values at these positions (the key).
    pub fn push_dead(&mut self, key: &[(usize, Value)]) {
        for (i, builder) in self.columns.iter_mut().enumerate() {
            match key.iter().find(|(position, _)| *position == i) {
                Some((_, value)) => builder.push(value),
                None => builder.push_null(),
            }
        }
        self.live.push(false);
    }

    /// Appends cells of a row of another side, to the columns from `first` on.
    pub fn copy_cells(&mut self, first: usize, columns: &[ArrayRef], row: usize) {
        for (builder, column) in self.columns[first..].iter_mut().zip(columns) {
            builder.push(&value_at(column, row));
        }
    }

    /// Appends nulls to `count` columns from `first` on.
    pub fn null_cells(&mut self, first: usize, count: usize) {
        self.columns[first..first + count].iter_mut().for_each(ColumnBuilder::push_null);
    }

    pub fn finish(self) -> Side {
        let live = (!self.live.iter().all(|live| *live)).then(|| BooleanBuffer::from(self.live));
        Side { columns: self.columns.into_iter().map(ColumnBuilder::finish).collect(), live }
    }
}

/// Changes in the order an operator makes them.
pub(crate) struct ChangeBuilder {
    pub new: SideBuilder,
    pub old: Option<SideBuilder>,
    timestamps: Vec<i64>,
    offsets: Vec<i64>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    windowed: bool,
    /// One a change, or none at all.
    headers: Vec<Arc<[Header]>>,
    /// For each change, the columns and the row in them that its first cells are copied from at the end, all at once.
    key_rows: Vec<(usize, usize)>,
}

impl ChangeBuilder {
    pub fn new(types: &[SqlType], with_old: bool, windowed: bool, capacity: usize) -> ChangeBuilder {
        ChangeBuilder {
            new: SideBuilder::new(types, capacity),
            old: with_old.then(|| SideBuilder::new(types, capacity)),
            timestamps: Vec::with_capacity(capacity),
            offsets: Vec::with_capacity(capacity),
            starts: Vec::new(),
            ends: Vec::new(),
            windowed,
            headers: Vec::new(),
            key_rows: Vec::new(),
        }
    }

    pub fn is_windowed(&self) -> bool {
        self.windowed
    }

    /// Ends a change whose sides were pushed, made by a row of that batch, whose headers it has.
    pub fn end(&mut self, timestamp: i64, (batch, row): (&Batch, usize), window: Option<(i64, i64)>) {
        if let Some(headers) = &batch.headers {
            self.headers.push(headers[row].clone());
        }
        self.end_held(timestamp, batch.origin.offsets[row], window);
    }

    /// Ends a change that was held back since the record of that offset.
    pub fn end_held(&mut self, timestamp: i64, offset: i64, window: Option<(i64, i64)>) {
        self.timestamps.push(timestamp);
        self.offsets.push(offset);
        if self.windowed {
            let (start, end) = window.unwrap_or_default();
            self.starts.push(start);
            self.ends.push(end);
        }
    }

    /// Says where the change's key cells come from; see [`ChangeBuilder::finish_with_keys`].
    pub fn key_from(&mut self, source: usize, row: usize) {
        self.key_rows.push((source, row));
    }

    /// The batch, or nothing if there is no row. The first columns are not in the builders: they are taken from
    /// `sources`, each of which has the key columns, by [`ChangeBuilder::key_from`].
    pub fn finish_with_keys(mut self, sources: &[&[ArrayRef]], topic: &Arc<str>, partition: i32) -> Option<Batch> {
        let rows = std::mem::take(&mut self.key_rows);
        let mut batch = self.finish(topic, partition)?;
        let keys: Vec<ArrayRef> = (0..sources.first().map_or(0, |columns| columns.len()))
            .map(|i| {
                let arrays: Vec<&dyn arrow_array::Array> = sources.iter().map(|columns| columns[i].as_ref()).collect();
                arrow_select::interleave::interleave(&arrays, &rows).expect("key columns have one type, and rows lie inside them")
            })
            .collect();
        for side in std::iter::once(&mut batch.new).chain(&mut batch.old) {
            side.columns.splice(0..0, keys.iter().cloned());
        }
        Some(batch)
    }

    /// The batch, or nothing if there is no row.
    pub fn finish(self, topic: &Arc<str>, partition: i32) -> Option<Batch> {
        if self.timestamps.is_empty() {
            return None;
        }
        Some(Batch {
            new: self.new.finish(),
            old: self.old.map(SideBuilder::finish),
            timestamps: self.timestamps.into(),
            windows: self.windowed.then(|| WindowBounds { start: self.starts.into(), end: self.ends.into() }),
            origin: Origin { topic: topic.clone(), partition, offsets: ScalarBuffer::from(self.offsets) },
            headers: (!self.headers.is_empty()).then_some(self.headers),
        })
    }
}

/// The rows of both live buffers: `None` stands for all.
pub(crate) fn both(a: Option<&BooleanBuffer>, b: &BooleanBuffer) -> BooleanBuffer {
    match a {
        Some(a) => a & b,
        None => b.clone(),
    }
}
