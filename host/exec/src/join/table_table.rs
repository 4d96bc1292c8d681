//! Table-table join on the primary keys: a change of either side changes the joined row.

use calzone_types::{Batch, Side as Rows};

use super::Layout;
use super::stream_table::push_key;
use crate::error::ExecError;
use crate::operator::{Context, Operator};
use crate::rows::{ChangeBuilder, SideBuilder};
use crate::table_store::TableStore;

/// One side's rows.
pub(crate) struct Side {
    pub table: TableStore,
    /// Does this operator write the rows, or does the source do it?
    pub owned: bool,
}

pub(crate) struct TableTableJoin {
    layout: Layout,
    sides: [Side; 2],
    needs_old: bool,
}

impl TableTableJoin {
    pub fn new(layout: Layout, left: Side, right: Side, needs_old: bool) -> TableTableJoin {
        TableTableJoin { layout, sides: [left, right], needs_old }
    }

    /// The rows as they were before this change: as the source says, or from the side's own store, which is then changed.
    fn keep(&self, input: usize, batch: &Batch, context: &mut Context<'_>) -> Result<Option<Rows>, ExecError> {
        let side = &self.sides[input];
        if !side.owned {
            return Ok(batch.old.clone());
        }
        let positions = if input == 0 { &self.layout.left_key } else { &self.layout.right_key };
        let mut old = SideBuilder::new(&side.table.types, batch.len());
        let (mut key, mut buffer) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            TableStore::key_of(&batch.new.columns, positions, batch.windows.as_ref(), row, &mut key);
            let was_there = side.table.read(context.stores, &key, &mut old, 0)?.is_some();
            if !was_there {
                old.null_cells(0, side.table.types.len());
            }
            old.end_row(was_there);
            match batch.new.is_live(row) {
                true => side.table.put(context.stores, &key, batch.timestamps[row], &batch.new.columns, row, &mut buffer)?,
                false => side.table.delete(context.stores, &key)?,
            }
        }
        Ok(Some(old.finish()))
    }
}

impl Operator for TableTableJoin {
    fn process(&mut self, input: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let old = self.keep(input, &batch, context)?;
        let layout = &self.layout;
        let (this_at, other_at) = match input {
            0 => (layout.left_at(), layout.right_at()),
            _ => (layout.right_at(), layout.left_at()),
        };
        let positions = if input == 0 { &layout.left_key } else { &layout.right_key };
        // Kept without a match: rows of this side; rows of the other side when this one is gone.
        let (keeps_this, keeps_other) = match input {
            0 => (layout.keeps_left(), layout.keeps_right()),
            _ => (layout.keeps_right(), layout.keeps_left()),
        };
        let other = &self.sides[1 - input].table;
        let mut changes = ChangeBuilder::new(&layout.types, self.needs_old, false, batch.len());
        let mut found = SideBuilder::new(&other.types, batch.len());
        let mut key = Vec::new();
        let mut lookups: Vec<Option<i64>> = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let has_key = TableStore::key_of(&batch.new.columns, positions, batch.windows.as_ref(), row, &mut key);
            let timestamp = if has_key { other.read(context.stores, &key, &mut found, 0)? } else { None };
            if timestamp.is_none() {
                found.null_cells(0, other.types.len());
            }
            found.end_row(timestamp.is_some());
            lookups.push(if has_key { Some(timestamp.unwrap_or(i64::MIN)) } else { None });
        }
        let found = found.finish();
        for (row, lookup) in lookups.into_iter().enumerate() {
            let Some(other_timestamp) = lookup else { continue };
            let matched = found.is_live(row);
            let is_new = batch.new.is_live(row);
            let was_old = old.as_ref().map(|old| old.is_live(row));
            if !matched && (!keeps_this || (!is_new && was_old == Some(false))) {
                continue;
            }
            // With a match the row lives on without this side, if the other side's rows are kept.
            let alive = |there: bool| there || (matched && keeps_other);
            let push = |side: &mut SideBuilder, there: bool, rows: Option<&Rows>| {
                push_key(side, layout.keys, &batch.new, positions, row);
                match rows {
                    Some(rows) if there => side.copy_cells(this_at, &rows.columns, row),
                    _ => {
                        let width = if input == 0 { layout.left.len() } else { layout.right.len() };
                        side.null_cells(this_at, width);
                    }
                }
                side.copy_cells(other_at, &found.columns, row);
                side.end_row(alive(there));
            };
            push(&mut changes.new, is_new, Some(&batch.new));
            if let Some(side) = &mut changes.old {
                push(side, was_old == Some(true), old.as_ref());
            }
            changes.end(batch.timestamps[row].max(other_timestamp), (&batch, row), None);
        }
        Ok(changes.finish(&batch.origin.topic, batch.origin.partition))
    }
}
