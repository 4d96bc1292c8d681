//! Records as the log holds them: bytes, in one allocation a batch.

use std::sync::Arc;

/// A record header; the value may be null.
pub type Header = (Arc<str>, Option<Vec<u8>>);

/// Records of one partition (or on their way to one topic), in order. Keys and values lie
/// one after the other in one buffer, so a batch costs a few allocations whatever its size.
#[derive(Clone, Debug, Default)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Empty while no record has headers.
    headers: Vec<Vec<Header>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: i64,
    timestamp: i64,
    /// Destination partition; [`RecordBatch::ANY_PARTITION`] lets the log choose by key.
    partition: i32,
    /// End of the key, then end of the value, in `bytes`; the start is the previous record's end.
    key_end: usize,
    value_end: usize,
    key_null: bool,
    value_null: bool,
}

/// One record of a [`RecordBatch`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecordRef<'a> {
    /// Position in the partition; 0 for a record that is not in a log yet.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    pub partition: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

impl<'a> RecordRef<'a> {
    /// The part of the key by which a record without a partition of its own is placed.
    pub fn placing_key(&self) -> Option<&'a [u8]> {
        let ignored = (RecordBatch::ANY_PARTITION - self.partition).max(0) as usize;
        self.key.map(|key| &key[..key.len().saturating_sub(ignored)])
    }
}

impl RecordBatch {
    /// Destination partition of a record that the log shall place by the hash of its key.
    pub const ANY_PARTITION: i32 = -1;

    /// Destination partition of a record that the log shall place by the hash of its key without the last `bytes` bytes:
    /// rows of all windows of a key belong together, so the window at the end of a key does not count.
    pub const fn by_key_without(bytes: usize) -> i32 {
        RecordBatch::ANY_PARTITION - bytes as i32
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and values.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Memory that is held for keys and values, whether used or not.
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.headers.clear();
    }

    /// Keeps the first records only.
    pub fn truncate(&mut self, records: usize) {
        if records < self.entries.len() {
            self.entries.truncate(records);
            self.headers.truncate(records);
            self.bytes.truncate(self.entries.last().map_or(0, |entry| entry.value_end));
        }
    }

    /// Appends a copy of the record.
    pub fn push(&mut self, record: RecordRef<'_>) {
        self.push_with(
            record.offset,
            record.timestamp,
            record.partition,
            |buffer| {
                buffer.extend_from_slice(record.key.unwrap_or_default());
                record.key.is_some()
            },
            |buffer| {
                buffer.extend_from_slice(record.value.unwrap_or_default());
                record.value.is_some()
            },
        );
        if !record.headers.is_empty() {
            self.set_headers(record.headers.to_vec());
        }
    }

    /// Appends a record whose key and value are written straight into the batch's buffer. Each closure
    /// only appends to the buffer and returns false if the key or value is null.
    pub fn push_with(
        &mut self,
        offset: i64,
        timestamp: i64,
        partition: i32,
        key: impl FnOnce(&mut Vec<u8>) -> bool,
        value: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        let start = self.bytes.len();
        let key_null = !key(&mut self.bytes);
        if key_null {
            self.bytes.truncate(start);
        }
        let key_end = self.bytes.len();
        let value_null = !value(&mut self.bytes);
        if value_null {
            self.bytes.truncate(key_end);
        }
        let value_end = self.bytes.len();
        self.entries.push(Entry { offset, timestamp, partition, key_end, value_end, key_null, value_null });
    }

    /// Appends a record without headers, a copy of key and value.
    #[inline]
    pub fn push_bytes(&mut self, offset: i64, timestamp: i64, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>) {
        let (key_null, value_null) = (key.is_none(), value.is_none());
        self.bytes.extend_from_slice(key.unwrap_or_default());
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value_end = self.bytes.len();
        self.entries.push(Entry { offset, timestamp, partition, key_end, value_end, key_null, value_null });
    }

    /// Gives the last pushed record these headers.
    pub fn set_headers(&mut self, headers: Vec<Header>) {
        self.headers.resize(self.entries.len(), Vec::new());
        if let Some(last) = self.headers.last_mut() {
            *last = headers;
        }
    }

    pub fn get(&self, row: usize) -> RecordRef<'_> {
        let e = &self.entries[row];
        let start = if row == 0 { 0 } else { self.entries[row - 1].value_end };
        RecordRef {
            offset: e.offset,
            timestamp: e.timestamp,
            partition: e.partition,
            key: (!e.key_null).then(|| &self.bytes[start..e.key_end]),
            value: (!e.value_null).then(|| &self.bytes[e.key_end..e.value_end]),
            headers: self.headers.get(row).map_or(&[], Vec::as_slice),
        }
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordRef<'_>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Makes room for so many records of so many bytes in all.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        self.entries.reserve(records);
        self.bytes.reserve(bytes);
    }

    /// A batch over bytes that already lie as they do here: each record's key, then its value, with nothing
    /// between. `records` gives offset, timestamp, length of the key and length of the value, `None` for null.
    /// Returns `None` if the lengths do not add up to `bytes`.
    pub fn from_bytes(
        bytes: Vec<u8>,
        partition: i32,
        records: impl Iterator<Item = (i64, i64, Option<usize>, Option<usize>)>,
    ) -> Option<RecordBatch> {
        let mut entries = Vec::with_capacity(records.size_hint().0);
        let mut end = 0usize;
        for (offset, timestamp, key, value) in records {
            let key_end = end.checked_add(key.unwrap_or(0))?;
            let value_end = key_end.checked_add(value.unwrap_or(0))?;
            let (key_null, value_null) = (key.is_none(), value.is_none());
            entries.push(Entry { offset, timestamp, partition, key_end, value_end, key_null, value_null });
            end = value_end;
        }
        (end == bytes.len()).then_some(RecordBatch { bytes, entries, headers: Vec::new() })
    }

    /// Gives all records their headers, a list for each.
    pub fn set_all_headers(&mut self, headers: Vec<Vec<Header>>) {
        self.headers = headers;
        self.headers.resize(self.entries.len(), Vec::new());
    }

    pub fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }
}
