//! Stream-stream join: rows of both sides meet when their times are close enough.

use std::ops::ControlFlow;

use calzone_types::{Batch, Side as Rows};

use super::Layout;
use super::stream_table::push_key;
use crate::codec;
use crate::error::ExecError;
use crate::operator::{Context, Operator, StoreId, Stores, StreamTime};
use crate::rows::ChangeBuilder;
use crate::table_store::TableStore;

/// Rows of a side lie under this byte, their key, time and number.
const ROW: u8 = 0;
/// The same by time, key and number, so that old ones can be found.
const EXPIRY: u8 = 1;
/// How long rows are kept where no grace period says it: a day.
const DEFAULT_GRACE_MS: i64 = 86_400_000;

/// Which rows meet, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// A left row of time t meets right rows from `t - before_ms` to `t + after_ms`.
    pub before_ms: i64,
    pub after_ms: i64,
    /// `None`: a row without a match is given at once, and again when the match comes.
    pub grace_ms: Option<i64>,
}

pub(crate) struct StreamStreamJoin {
    layout: Layout,
    timing: Timing,
    /// Left, right: rows by key and time.
    rows: [StoreId; 2],
    /// Rows that may still find a match, by time, side (right first), key and number.
    held: StoreId,
    /// No held row is older than this: while none can be released, the store is left alone.
    earliest_held: i64,
    /// Each side's own time, which decides what it has forgotten.
    times: [StreamTime; 2],
    stream_time: StreamTime,
    /// Numbers rows of the same key and time; larger than any number in the stores.
    next_number: Option<u64>,
    numbers: StoreId,
    saved_number: u64,
    name: Vec<u8>,
}

impl StreamStreamJoin {
    /// `meta` remembers the numbering under `name`.
    pub fn new(
        layout: Layout,
        timing: Timing,
        rows: [StoreId; 2],
        held: StoreId,
        (times, stream_time): ([StreamTime; 2], StreamTime),
        (meta, name): (StoreId, &str),
    ) -> StreamStreamJoin {
        let name = format!("{name}-number").into_bytes();
        StreamStreamJoin {
            layout,
            timing,
            rows,
            held,
            earliest_held: i64::MIN,
            times,
            stream_time,
            next_number: None,
            numbers: meta,
            saved_number: 0,
            name,
        }
    }

    fn number(&mut self, stores: &mut Stores) -> Result<u64, ExecError> {
        let number = match self.next_number {
            Some(number) => number,
            None => {
                let saved = stores.get(self.numbers).get(&self.name)?;
                self.saved_number = saved.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
                self.saved_number
            }
        };
        self.next_number = Some(number + 1);
        Ok(number)
    }

    fn retention_ms(&self) -> i64 {
        let window = self.timing.before_ms.saturating_add(self.timing.after_ms);
        window.saturating_add(self.timing.grace_ms.unwrap_or(DEFAULT_GRACE_MS))
    }

    /// The oldest time whose rows a side still has.
    fn oldest(&self, side: usize) -> i64 {
        self.times[side].minus(self.retention_ms()).saturating_add(1)
    }

    /// How far before and after its own time a side's row looks.
    fn reach(&self, side: usize) -> (i64, i64) {
        match side {
            0 => (self.timing.before_ms, self.timing.after_ms),
            _ => (self.timing.after_ms, self.timing.before_ms),
        }
    }

    fn keeps(&self, side: usize) -> bool {
        if side == 0 { self.layout.keeps_left() } else { self.layout.keeps_right() }
    }

    fn held_key(timestamp: i64, side: usize, key: &[u8], number: &[u8]) -> Vec<u8> {
        let side = [u8::from(side == 0)];
        [codec::ordered_i64(timestamp).as_slice(), &side, key, number].concat()
    }

    /// Gives the held rows whose time to find a match is over.
    fn release(&mut self, cause: (&Batch, usize), changes: &mut ChangeBuilder, stores: &mut Stores) -> Result<(), ExecError> {
        let Some(grace_ms) = self.timing.grace_ms.filter(|_| self.keeps(0) || self.keeps(1)) else { return Ok(()) };
        let now = self.stream_time.value();
        let shortest = self.timing.before_ms.min(self.timing.after_ms);
        if self.earliest_held.saturating_add(shortest).saturating_add(grace_ms) >= now && self.earliest_held != i64::MIN {
            return Ok(());
        }
        let mut earliest = i64::MAX;
        let mut released: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut failed = Ok(());
        let mut open = [false; 2];
        stores.get(self.held).range(&[], &[], &mut |key, value| {
            let mut rest = key;
            let timestamp = match codec::read_time(&mut rest) {
                Ok(timestamp) => timestamp,
                Err(error) => {
                    failed = Err(error);
                    return ControlFlow::Break(());
                }
            };
            let side = usize::from(rest.first() == Some(&0));
            let (_, after) = self.reach(side);
            if timestamp.saturating_add(after).saturating_add(grace_ms) >= now {
                open[side] = true;
                earliest = earliest.min(timestamp);
                return if open == [true; 2] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            released.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        failed?;
        self.earliest_held = earliest;
        for (key, value) in released {
            let mut rest = key.as_slice();
            let timestamp = codec::read_time(&mut rest)?;
            let side = usize::from(rest.first() == Some(&0));
            self.push_stored_miss(side, &value, changes)?;
            // Behind time and side lie the key, which ends with the window's bounds if it is windowed, and the number.
            let mut bounds = rest.len().checked_sub(8 + 16).map_or(&[][..], |at| &rest[at..]);
            let window = match changes.is_windowed() {
                true => Some((codec::read_time(&mut bounds)?, codec::read_time(&mut bounds)?)),
                false => None,
            };
            changes.end(timestamp, cause, window);
            stores.get(self.held).delete(&key)?;
        }
        Ok(())
    }

    fn push_stored_miss(&self, side: usize, value: &[u8], changes: &mut ChangeBuilder) -> Result<(), ExecError> {
        let (types, positions, at, other_at, other) = match side {
            0 => (&self.layout.left, &self.layout.left_key, self.layout.left_at(), self.layout.right_at(), &self.layout.right),
            _ => (&self.layout.right, &self.layout.right_key, self.layout.right_at(), self.layout.left_at(), &self.layout.left),
        };
        let (_, cells) = codec::read_row(types, value)?;
        let columns = &mut changes.new.columns;
        for (i, builder) in columns.iter_mut().enumerate().take(self.layout.keys) {
            match positions.get(i) {
                Some(position) => builder.push(&cells[*position]),
                None => builder.push_null(),
            }
        }
        columns[at..at + types.len()].iter_mut().zip(&cells).for_each(|(builder, cell)| builder.push(cell));
        changes.new.null_cells(other_at, other.len());
        changes.new.end_row(true);
        Ok(())
    }

    fn push_miss(&self, side: usize, rows: &Rows, row: usize, changes: &mut ChangeBuilder) {
        let (positions, at, other_at, other) = match side {
            0 => (&self.layout.left_key, self.layout.left_at(), self.layout.right_at(), self.layout.right.len()),
            _ => (&self.layout.right_key, self.layout.right_at(), self.layout.left_at(), self.layout.left.len()),
        };
        push_key(&mut changes.new, self.layout.keys, rows, positions, row);
        changes.new.copy_cells(at, &rows.columns, row);
        changes.new.null_cells(other_at, other);
        changes.new.end_row(true);
    }

    /// The other side's rows of the key in that time, in order: time, rest of their key in the store, cells.
    fn matches(&self, other: usize, key: &[u8], from: i64, to: i64, stores: &mut Stores) -> Result<Vec<Match>, ExecError> {
        let from = from.max(self.oldest(other)).max(0);
        if to < from {
            return Ok(Vec::new());
        }
        let start = [&[ROW], key, codec::ordered_i64(from).as_slice()].concat();
        let end = [&[ROW], key, codec::ordered_i64(to.saturating_add(1)).as_slice()].concat();
        let mut found = Vec::new();
        let prefix = 1 + key.len();
        stores.get(self.rows[other]).range(&start, &end, &mut |entry, value| {
            let mut rest = &entry[prefix..];
            let timestamp = codec::read_time(&mut rest);
            found.push((timestamp, rest.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        found.into_iter().map(|(timestamp, number, row)| Ok(Match { timestamp: timestamp?, number, row })).collect()
    }
}

struct Match {
    timestamp: i64,
    number: Vec<u8>,
    row: Vec<u8>,
}

impl Operator for StreamStreamJoin {
    fn process(&mut self, side: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let other = 1 - side;
        let rows = &batch.new;
        let positions = if side == 0 { self.layout.left_key.clone() } else { self.layout.right_key.clone() };
        let windowed = batch.windows.is_some();
        let mut changes = ChangeBuilder::new(&self.layout.types, false, windowed, batch.len());
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let (before, after) = self.reach(side);
        for row in 0..batch.len() {
            let timestamp = batch.timestamps[row];
            let window = batch.windows.as_ref().map(|windows| (windows.start[row], windows.end[row]));
            let has_key = TableStore::key_of(&rows.columns, &positions, batch.windows.as_ref(), row, &mut key);
            let live = rows.is_live(row);
            let mut number = Vec::new();
            // The row is kept first: the other side's rows that come later will look for it.
            if has_key && live {
                self.times[side].advance(timestamp);
                number = self.number(context.stores)?.to_be_bytes().to_vec();
                if timestamp >= self.oldest(side) {
                    value.clear();
                    codec::write_row(timestamp, &rows.columns, row, &mut value);
                    let time = codec::ordered_i64(timestamp);
                    let store = context.stores.get(self.rows[side]);
                    store.put(&[&[ROW], key.as_slice(), &time, &number].concat(), &value)?;
                    store.put(&[&[EXPIRY], time.as_slice(), &key, &number].concat(), &[])?;
                }
            }
            self.stream_time.advance(timestamp);
            if !live {
                continue;
            }
            if !has_key {
                if self.keeps(side) {
                    self.push_miss(side, rows, row, &mut changes);
                    changes.end(timestamp, (&batch, row), window);
                }
                continue;
            }
            if timestamp == self.stream_time.value() {
                self.release((&batch, row), &mut changes, context.stores)?;
            }
            let from = timestamp.saturating_sub(before).max(0);
            let to = timestamp.saturating_add(after).max(0);
            let found = self.matches(other, &key, from, to, context.stores)?;
            if found.is_empty() && self.keeps(side) {
                if self.timing.grace_ms.is_none() || to < self.stream_time.value() {
                    self.push_miss(side, rows, row, &mut changes);
                    changes.end(timestamp, (&batch, row), window);
                } else {
                    value.clear();
                    codec::write_row(timestamp, &rows.columns, row, &mut value);
                    self.earliest_held = self.earliest_held.min(timestamp);
                    context.stores.get(self.held).put(&StreamStreamJoin::held_key(timestamp, side, &key, &number), &value)?;
                }
            }
            for found in found {
                if self.timing.grace_ms.is_some() && self.keeps(other) {
                    let held = StreamStreamJoin::held_key(found.timestamp, other, &key, &found.number);
                    context.stores.get(self.held).delete(&held)?;
                }
                let (this_at, other_at, types) = match side {
                    0 => (self.layout.left_at(), self.layout.right_at(), &self.layout.right),
                    _ => (self.layout.right_at(), self.layout.left_at(), &self.layout.left),
                };
                push_key(&mut changes.new, self.layout.keys, rows, &positions, row);
                changes.new.copy_cells(this_at, &rows.columns, row);
                codec::read_row_into(types, &found.row, &mut changes.new.columns[other_at..other_at + types.len()])?;
                changes.new.end_row(true);
                changes.end(timestamp.max(found.timestamp), (&batch, row), window);
            }
        }
        Ok(changes.finish(&batch.origin.topic, batch.origin.partition))
    }

    fn flush(&mut self, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        self.times.iter_mut().chain([&mut self.stream_time]).try_for_each(|time| time.flush(context.stores))?;
        if let Some(number) = self.next_number.filter(|number| *number != self.saved_number) {
            context.stores.get(self.numbers).put(&self.name, &number.to_be_bytes())?;
            self.saved_number = number;
        }
        for side in 0..2 {
            let to = [&[EXPIRY], codec::ordered_i64(self.oldest(side)).as_slice()].concat();
            let store = context.stores.get(self.rows[side]);
            let mut expired: Vec<Vec<u8>> = Vec::new();
            store.range(&[EXPIRY], &to, &mut |key, _| {
                expired.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
            for entry in expired {
                // Time, key and number: the row lies under key, time and number.
                let (Some(time), Some((key, number))) =
                    (entry.get(1..9), entry.get(9..).and_then(|rest| rest.split_last_chunk::<8>()))
                else {
                    return Err(codec::DecodeError.into());
                };
                store.delete(&[&[ROW], key, time, number].concat())?;
                store.delete(&entry)?;
            }
        }
        Ok(None)
    }

    fn reload(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        self.next_number = None;
        self.earliest_held = i64::MIN;
        self.times.iter_mut().chain([&mut self.stream_time]).try_for_each(|time| time.reload(stores))
    }
}
