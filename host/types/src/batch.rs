//! Rows as typed columns, on their way through a query.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};

use crate::Header;

/// Rows of a stream, or changes of a table, in order. All columns, and all per-row buffers, have [`Batch::len`] rows.
///
/// The columns are flat: the plan's step says which position holds what, key columns among them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The rows as they are now.
    pub new: Side,
    /// For a table whose source keeps state: the same rows as they were before this change.
    /// `None` where the old row is not known or not needed.
    pub old: Option<Side>,
    /// Milliseconds since the epoch, one per row.
    pub timestamps: ScalarBuffer<i64>,
    /// Window of each row, if the key is windowed.
    pub windows: Option<WindowBounds>,
    /// The input record each row came from.
    pub origin: Origin,
    /// Headers of the input record, where any has some; shared because they pass through unchanged.
    pub headers: Option<Vec<Arc<[Header]>>>,
}

/// One state of the rows of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Side {
    pub columns: Vec<ArrayRef>,
    /// Clear bit: there is no row. In a batch's `new` side that is a tombstone (table) or a record with a null value
    /// (stream), whose key columns are valid all the same. `None`: every row is there.
    pub live: Option<BooleanBuffer>,
}

/// Window start and end, milliseconds since the epoch, one pair per row.
#[derive(Clone, Debug)]
pub struct WindowBounds {
    pub start: ScalarBuffer<i64>,
    pub end: ScalarBuffer<i64>,
}

/// Where rows came from, so that an error can name its record.
#[derive(Clone, Debug)]
pub struct Origin {
    pub topic: Arc<str>,
    pub partition: i32,
    /// One offset per row.
    pub offsets: ScalarBuffer<i64>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// The rows whose bit is set, in order.
    pub fn filter(&self, keep: &BooleanBuffer) -> Batch {
        let mask = arrow_array::BooleanArray::new(keep.clone(), None);
        let rows: Vec<usize> = keep.set_indices().collect();
        let side = |s: &Side| Side {
            columns: s
                .columns
                .iter()
                .map(|c| arrow_select::filter::filter(c, &mask).expect("mask has the column's length"))
                .collect(),
            live: s.live.as_ref().map(|live| rows.iter().map(|&r| live.value(r)).collect()),
        };
        let pick = |b: &ScalarBuffer<i64>| rows.iter().map(|&r| b[r]).collect::<ScalarBuffer<i64>>();
        self.map_rows(&rows, side, pick)
    }

    /// The given rows in the given order; a row may occur more than once.
    pub fn take(&self, rows: &[u32]) -> Batch {
        let indices = arrow_array::UInt32Array::from(rows.to_vec());
        let wide: Vec<usize> = rows.iter().map(|&r| r as usize).collect();
        let side = |s: &Side| Side {
            columns: s
                .columns
                .iter()
                .map(|c| arrow_select::take::take(c, &indices, None).expect("rows lie inside the batch"))
                .collect(),
            live: s.live.as_ref().map(|live| wide.iter().map(|&r| live.value(r)).collect()),
        };
        let pick = |b: &ScalarBuffer<i64>| wide.iter().map(|&r| b[r]).collect::<ScalarBuffer<i64>>();
        self.map_rows(&wide, side, pick)
    }

    /// Rows `start..start + len`, without copying columns.
    pub fn slice(&self, start: usize, len: usize) -> Batch {
        let rows: Vec<usize> = (start..start + len).collect();
        let side = |s: &Side| Side {
            columns: s.columns.iter().map(|c| c.slice(start, len)).collect(),
            live: s.live.as_ref().map(|live| live.slice(start, len)),
        };
        self.map_rows(&rows, side, |b| b.slice(start, len))
    }

    fn map_rows(
        &self,
        rows: &[usize],
        side: impl Fn(&Side) -> Side,
        pick: impl Fn(&ScalarBuffer<i64>) -> ScalarBuffer<i64>,
    ) -> Batch {
        Batch {
            new: side(&self.new),
            old: self.old.as_ref().map(&side),
            timestamps: pick(&self.timestamps),
            windows: self.windows.as_ref().map(|w| WindowBounds { start: pick(&w.start), end: pick(&w.end) }),
            origin: Origin {
                topic: self.origin.topic.clone(),
                partition: self.origin.partition,
                offsets: pick(&self.origin.offsets),
            },
            headers: self.headers.as_ref().map(|h| rows.iter().map(|&r| h[r].clone()).collect()),
        }
    }
}

impl Side {
    /// Is there a row at this position?
    pub fn is_live(&self, row: usize) -> bool {
        self.live.as_ref().is_none_or(|live| live.value(row))
    }

    /// A side of `rows` rows that are all there.
    pub fn all_live(columns: Vec<ArrayRef>) -> Side {
        debug_assert!(columns.windows(2).all(|w| w[0].len() == w[1].len()));
        Side { columns, live: None }
    }
}
