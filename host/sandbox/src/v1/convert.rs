//! Columns and row errors between the generated types and the crate's own.

use calzone_functions::RowError;

use super::bindings::calzone::plugin::types::{ColumnParam, ColumnResult, RowError as WitRowError};
use crate::columns::{Answered, Buffers};
use crate::limits::cut;

pub(super) fn lend(columns: &[Buffers]) -> Vec<ColumnParam<'_>> {
    columns
        .iter()
        .map(|c| ColumnParam {
            length: c.length as u32,
            validity: c.validity.as_deref(),
            offsets: c.offsets.as_deref(),
            data: c.data.as_deref(),
        })
        .collect()
}

pub(super) fn take(columns: Vec<ColumnResult>) -> Vec<Answered> {
    columns.into_iter().map(|c| Answered { length: c.length, validity: c.validity, offsets: c.offsets, data: c.data }).collect()
}

/// Errors in row order, no row twice, none beyond `rows`.
pub(super) fn row_errors(errors: Vec<WitRowError>, rows: usize, message_bytes: usize) -> Result<Vec<RowError>, String> {
    let mut next = 0;
    errors
        .into_iter()
        .map(|e| {
            if e.row as usize >= rows {
                return Err(format!("an error for row {} of {rows}", e.row));
            }
            if e.row < next {
                return Err(format!("errors out of row order at row {}", e.row));
            }
            next = e.row + 1;
            Ok(RowError { row: e.row, message: cut(&e.message, message_bytes) })
        })
        .collect()
}
