//! Rows of a table by key, as sources and joins keep them.

use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, WindowBounds};

use crate::codec;
use crate::error::ExecError;
use crate::operator::{StoreId, Stores};
use crate::rows::SideBuilder;

/// A store of whole rows (all columns of a step) under their key.
#[derive(Clone)]
pub(crate) struct TableStore {
    pub store: StoreId,
    /// Types of the row's columns.
    pub types: Vec<SqlType>,
}

impl TableStore {
    /// Writes the row's key into `key`; false if the key is null (all of its columns are).
    pub fn key_of(columns: &[ArrayRef], key: &[usize], windows: Option<&WindowBounds>, row: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        let mut any = false;
        for position in key {
            any |= columns[*position].is_valid(row);
            codec::write_key_cell(&columns[*position], row, out);
        }
        if let Some(windows) = windows {
            out.extend_from_slice(&codec::ordered_i64(windows.start[row]));
            out.extend_from_slice(&codec::ordered_i64(windows.end[row]));
        }
        any
    }

    /// Appends the row of that key to columns `first..` of the side, and gives its timestamp. Appends nothing if there is none.
    pub fn read(&self, stores: &mut Stores, key: &[u8], side: &mut SideBuilder, first: usize) -> Result<Option<i64>, ExecError> {
        let mut outcome = Ok(0);
        let builders = &mut side.columns[first..first + self.types.len()];
        let found =
            stores.get(self.store).get_with(key, &mut |bytes| outcome = codec::read_row_into(&self.types, bytes, builders))?;
        Ok(if found { Some(outcome?) } else { None })
    }

    pub fn put(
        &self,
        stores: &mut Stores,
        key: &[u8],
        timestamp: i64,
        columns: &[ArrayRef],
        row: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        buffer.clear();
        codec::write_row(timestamp, columns, row, buffer);
        Ok(stores.get(self.store).put(key, buffer)?)
    }

    pub fn delete(&self, stores: &mut Stores, key: &[u8]) -> Result<(), ExecError> {
        Ok(stores.get(self.store).delete(key)?)
    }
}
