//! The rows of a table that a query keeps for pull queries: the store named `result`.
//!
//! A row's key in the store is a byte [`ROW`], the key columns in an order-preserving encoding, and, if the table is
//! windowed, start and end of the window; so rows can be looked up, and scanned by key and by window, in order. The value is
//! the row's timestamp and its value columns, in the sink's order. Windowed rows are entered a second time under
//! [`EXPIRY`] by the end of their window, so that old ones can be found and removed.

use arrow_array::ArrayRef;
use calzone_state::Store;
use calzone_types::{Batch, Schema, SqlType, Value};

use crate::codec::{self, DecodeError};
use crate::error::ExecError;
use crate::operator::{Context, StoreId, Stores};

/// First byte of the keys under which rows lie.
pub const ROW: u8 = 0;
/// First byte of the keys by which old windows are found.
pub const EXPIRY: u8 = 1;

/// A row of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Key columns in schema order.
    pub key: Vec<Value>,
    /// Start and end in milliseconds, if the table is windowed.
    pub window: Option<(i64, i64)>,
    /// ROWTIME in milliseconds.
    pub timestamp: i64,
    /// Value columns in schema order.
    pub value: Vec<Value>,
}

/// Reads rows of one table's result store.
#[derive(Clone, Debug)]
pub struct ResultReader {
    key: Vec<SqlType>,
    value: Vec<SqlType>,
    windowed: bool,
}

impl ResultReader {
    pub fn new(schema: &Schema, windowed: bool) -> ResultReader {
        ResultReader {
            key: schema.key().map(|column| column.ty.clone()).collect(),
            value: schema.value().map(|column| column.ty.clone()).collect(),
            windowed,
        }
    }

    /// Decodes an entry of the store, whose key begins with [`ROW`].
    pub fn read(&self, key: &[u8], value: &[u8]) -> Result<Row, DecodeError> {
        let mut rest = key.split_first().filter(|(tag, _)| **tag == ROW).map(|(_, rest)| rest).ok_or(DecodeError)?;
        let key = self.key.iter().map(|ty| codec::read_key_value(ty, &mut rest)).collect::<Result<_, _>>()?;
        let window = match self.windowed {
            true => Some((codec::read_time(&mut rest)?, codec::read_time(&mut rest)?)),
            false => None,
        };
        let (timestamp, value) = codec::read_row(&self.value, value)?;
        Ok(Row { key, window, timestamp, value })
    }
}

/// The store's key of all rows whose leading key columns have these values, which must have exactly the columns' types:
/// the whole key of an unwindowed row if all columns are given, else a prefix.
pub fn key_prefix(key: &[Value]) -> Vec<u8> {
    let mut bytes = vec![ROW];
    key.iter().for_each(|value| codec::write_key_value(value, &mut bytes));
    bytes
}

/// The first store key of rows of that key whose window starts at `start` or later.
pub fn window_from(key: &[Value], start: i64) -> Vec<u8> {
    let mut bytes = key_prefix(key);
    bytes.extend_from_slice(&codec::ordered_i64(start));
    bytes
}

/// The end (exclusive) of the range of keys that begin with `prefix`; as [`Store::range`] takes it.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    codec::prefix_end(prefix)
}

/// All rows: from, to.
pub fn all_rows() -> (Vec<u8>, Vec<u8>) {
    (vec![ROW], vec![EXPIRY])
}

/// Visits rows of a range in key order until the visitor says stop (`false`).
pub fn scan(
    store: &dyn Store,
    reader: &ResultReader,
    from: &[u8],
    to: &[u8],
    visit: &mut dyn FnMut(Row) -> bool,
) -> Result<(), ExecError> {
    let mut failed = Ok(());
    store.range(from, to, &mut |key, value| match reader.read(key, value) {
        Ok(row) => match visit(row) {
            true => std::ops::ControlFlow::Continue(()),
            false => std::ops::ControlFlow::Break(()),
        },
        Err(error) => {
            failed = Err(error);
            std::ops::ControlFlow::Break(())
        }
    })?;
    Ok(failed?)
}

/// Writes rows into the result store.
#[derive(Clone)]
pub(crate) struct ResultWriter {
    pub store: StoreId,
    /// How long windows are kept after their end, in milliseconds of stream time.
    pub retention_ms: Option<i64>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl ResultWriter {
    pub fn new(store: StoreId, retention_ms: Option<i64>) -> ResultWriter {
        ResultWriter { store, retention_ms, key: Vec::new(), value: Vec::new() }
    }

    pub fn write(
        &mut self,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        batch: &Batch,
        context: &mut Context<'_>,
    ) -> Result<(), ExecError> {
        for row in 0..batch.len() {
            let window = batch.windows.as_ref().map(|windows| (windows.start[row], windows.end[row]));
            self.put(keys, values, row, batch.new.is_live(row), batch.timestamps[row], window, context.stores)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub fn put(
        &mut self,
        keys: &[ArrayRef],
        values: &[ArrayRef],
        row: usize,
        live: bool,
        timestamp: i64,
        window: Option<(i64, i64)>,
        stores: &mut Stores,
    ) -> Result<(), ExecError> {
        self.key.clear();
        self.key.push(ROW);
        codec::write_key(keys, row, &mut self.key);
        let plain = self.key.len();
        if let Some((start, end)) = window {
            self.key.extend_from_slice(&codec::ordered_i64(start));
            self.key.extend_from_slice(&codec::ordered_i64(end));
        }
        let store = stores.get(self.store);
        match live {
            true => {
                self.value.clear();
                codec::write_row(timestamp, values, row, &mut self.value);
                store.put(&self.key, &self.value)?;
            }
            false => store.delete(&self.key)?,
        }
        if let (Some((_, end)), Some(_)) = (window, self.retention_ms) {
            let mut expiry = vec![EXPIRY];
            expiry.extend_from_slice(&codec::ordered_i64(end));
            expiry.extend_from_slice(&self.key[1..plain]);
            expiry.extend_from_slice(&self.key[plain..]);
            match live {
                true => store.put(&expiry, &[])?,
                false => store.delete(&expiry)?,
            }
        }
        Ok(())
    }

    /// Removes windows that ended longer ago than they are kept.
    pub fn expire(&mut self, stream_time: i64, stores: &mut Stores) -> Result<(), ExecError> {
        let Some(retention_ms) = self.retention_ms else { return Ok(()) };
        let mut to = vec![EXPIRY];
        to.extend_from_slice(&codec::ordered_i64(stream_time.saturating_sub(retention_ms)));
        let store = stores.get(self.store);
        let mut expired: Vec<Vec<u8>> = Vec::new();
        store.range(&[EXPIRY], &to, &mut |key, _| {
            expired.push(key.to_vec());
            std::ops::ControlFlow::Continue(())
        })?;
        for key in expired {
            self.key.clear();
            self.key.push(ROW);
            self.key.extend_from_slice(key.get(9..).unwrap_or_default());
            store.delete(&self.key)?;
            store.delete(&key)?;
        }
        Ok(())
    }
}
