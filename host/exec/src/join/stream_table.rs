//! Stream-table join: the stream's rows look the table up; the table's changes only change what is found later.

use arrow_array::Array;
use calzone_types::{Batch, ColumnBuilder, Side, column_from_values, value_at};

use super::Layout;
use crate::error::ExecError;
use crate::operator::{Context, Operator};
use crate::rows::SideBuilder;
use crate::table_store::TableStore;

pub(crate) struct StreamTableJoin {
    layout: Layout,
    table: TableStore,
    /// Does this operator write the table's rows, or does the source do it?
    owns_table: bool,
}

impl StreamTableJoin {
    pub fn new(layout: Layout, table: TableStore, owns_table: bool) -> StreamTableJoin {
        StreamTableJoin { layout, table, owns_table }
    }

    fn keep(&self, batch: &Batch, context: &mut Context<'_>) -> Result<(), ExecError> {
        let (mut key, mut buffer) = (Vec::new(), Vec::new());
        for row in 0..batch.len() {
            TableStore::key_of(&batch.new.columns, &self.layout.right_key, batch.windows.as_ref(), row, &mut key);
            match batch.new.is_live(row) {
                true => {
                    self.table.put(context.stores, &key, batch.timestamps[row], &batch.new.columns, row, &mut buffer)?;
                }
                false => self.table.delete(context.stores, &key)?,
            }
        }
        Ok(())
    }
}

impl Operator for StreamTableJoin {
    fn process(&mut self, input: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        if input == 1 {
            if self.owns_table {
                self.keep(&batch, context)?;
            }
            return Ok(None);
        }
        let mut right = SideBuilder::new(&self.layout.right, batch.len());
        let mut rows: Vec<u32> = Vec::with_capacity(batch.len());
        let mut key = Vec::new();
        for row in 0..batch.len() {
            if !batch.new.is_live(row) {
                continue;
            }
            let has_key = TableStore::key_of(&batch.new.columns, &self.layout.left_key, batch.windows.as_ref(), row, &mut key);
            let found = has_key && self.table.read(context.stores, &key, &mut right, 0)?.is_some();
            if !found {
                if !self.layout.keeps_left() {
                    continue;
                }
                right.null_cells(0, self.layout.right.len());
            }
            right.end_row(true);
            rows.push(row as u32);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let mut joined = if rows.len() == batch.len() { batch } else { batch.take(&rows) };
        let left = std::mem::take(&mut joined.new.columns);
        let mut columns = Vec::with_capacity(self.layout.types.len());
        for i in 0..self.layout.keys {
            let ty = &self.layout.types[i];
            columns.push(match self.layout.left_key.get(i) {
                Some(position) => left[*position].clone(),
                None => column_from_values(ty, []),
            });
        }
        columns.extend(left);
        columns.extend(right.columns.into_iter().map(ColumnBuilder::finish));
        joined.new = Side { columns, live: None };
        joined.old = None;
        Ok(Some(joined))
    }
}

/// Copies the key columns of a row to the front of a side that is being built.
pub(super) fn push_key(side: &mut SideBuilder, keys: usize, from: &Side, positions: &[usize], row: usize) {
    for (i, builder) in side.columns[..keys].iter_mut().enumerate() {
        match positions.get(i) {
            Some(position) if from.columns[*position].is_valid(row) => builder.push(&value_at(&from.columns[*position], row)),
            _ => builder.push_null(),
        }
    }
}
