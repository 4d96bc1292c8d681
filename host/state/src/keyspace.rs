//! A named, ordered map of bytes in the database, and consistent views of it.

use crate::error::{Result, StateError};
use fjall::Readable;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// How a keyspace lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Many small values that change: keys and values together, compressed from the third level on.
    Store,
    /// Large values that are written once: they go to files of their own and are never rewritten when keys are
    /// sorted. They are not compressed again.
    Log,
}

/// Values of a log of at least this many bytes lie in files of their own.
const LOG_VALUE_SEPARATION_BYTES: u32 = 2_048;

impl Layout {
    pub(crate) fn options(self, write_buffer_bytes: u64) -> fjall::KeyspaceCreateOptions {
        let options = fjall::KeyspaceCreateOptions::default().max_memtable_size(write_buffer_bytes);
        match self {
            Layout::Store => options,
            Layout::Log => {
                let blobs = fjall::KvSeparationOptions::default()
                    .compression(fjall::CompressionType::None)
                    .separation_threshold(LOG_VALUE_SEPARATION_BYTES);
                options.with_kv_separation(Some(blobs))
            }
        }
    }
}

/// Bytes that were read; cheap to clone, small ones lie inline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice(fjall::Slice);

impl Deref for Slice {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Slice {
    fn from(bytes: Vec<u8>) -> Slice {
        Slice(bytes.into())
    }
}

/// A keyspace of a [`crate::Database`]; clones are handles to the same one. Reads see all that is committed.
#[derive(Clone)]
pub struct Keyspace {
    pub(crate) inner: fjall::Keyspace,
    pub(crate) path: Arc<Path>,
}

impl Keyspace {
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Slice>> {
        match self.inner.get(key) {
            Ok(value) => Ok(value.map(Slice)),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Entries with `from <= key < to`, in order; an empty `to` means to the end. The scan sees one moment.
    pub fn range(&self, from: &[u8], to: &[u8]) -> Scan {
        let inner = match to.is_empty() {
            true => self.inner.range(from..),
            // The engine wants a range that is not reversed.
            false => self.inner.range(from..to.max(from)),
        };
        Scan { inner, path: self.path.clone() }
    }

    /// Entries whose key begins with `prefix`, in order.
    pub fn prefix(&self, prefix: &[u8]) -> Scan {
        Scan { inner: self.inner.prefix(prefix), path: self.path.clone() }
    }

    /// As [`Keyspace::range`], without reading values.
    pub fn range_keys(&self, from: &[u8], to: &[u8]) -> Keys {
        Keys { scan: self.range(from, to) }
    }

    /// As [`Keyspace::prefix`], without reading values.
    pub fn prefix_keys(&self, prefix: &[u8]) -> Keys {
        Keys { scan: self.prefix(prefix) }
    }

    /// Number of entries, roughly and fast.
    pub fn approximate_len(&self) -> usize {
        self.inner.approximate_len()
    }

    /// Bytes in table files; what is still in the journal does not count.
    pub fn disk_bytes(&self) -> u64 {
        self.inner.disk_space()
    }

    fn error(&self, error: fjall::Error) -> StateError {
        match error {
            fjall::Error::KeyspaceDeleted => StateError::Dropped { name: self.name().into() },
            other => StateError::of(other, &self.path, "read"),
        }
    }
}

/// All keyspaces as they were at one moment. Old versions stay on disk while it lives: drop it soon.
pub struct Snapshot {
    pub(crate) inner: fjall::Snapshot,
    pub(crate) path: Arc<Path>,
}

impl Snapshot {
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Slice>> {
        let value = self.inner.get(&keyspace.inner, key).map_err(|error| keyspace.error(error))?;
        Ok(value.map(Slice))
    }

    /// As [`Keyspace::range`].
    pub fn range(&self, keyspace: &Keyspace, from: &[u8], to: &[u8]) -> Scan {
        let inner = match to.is_empty() {
            true => self.inner.range(&keyspace.inner, from..),
            false => self.inner.range(&keyspace.inner, from..to.max(from)),
        };
        Scan { inner, path: self.path.clone() }
    }

    pub fn prefix(&self, keyspace: &Keyspace, prefix: &[u8]) -> Scan {
        Scan { inner: self.inner.prefix(&keyspace.inner, prefix), path: self.path.clone() }
    }
}

/// Entries in key order; `.rev()` gives them from the last. An entry that cannot be read is an error, and the
/// scan should end there.
pub struct Scan {
    inner: fjall::Iter,
    path: Arc<Path>,
}

impl Scan {
    fn read(&self, entry: fjall::Guard) -> Result<(Slice, Slice)> {
        match entry.into_inner() {
            Ok((key, value)) => Ok((Slice(key), Slice(value))),
            Err(error) => Err(StateError::of(error, &self.path, "read")),
        }
    }
}

impl Iterator for Scan {
    type Item = Result<(Slice, Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.inner.next()?;
        Some(self.read(entry))
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.inner.next_back()?;
        Some(self.read(entry))
    }
}

/// Keys in order.
pub struct Keys {
    scan: Scan,
}

impl Iterator for Keys {
    type Item = Result<Slice>;

    fn next(&mut self) -> Option<Result<Slice>> {
        let entry = self.scan.inner.next()?;
        Some(entry.key().map(Slice).map_err(|error| StateError::of(error, &self.scan.path, "read")))
    }
}
