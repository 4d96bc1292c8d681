//! Changes that become visible and durable together.

use crate::database::Database;
use crate::error::Result;
use crate::keyspace::Keyspace;

/// When [`WriteBatch::commit`] returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When the operating system has the bytes. A killed process loses nothing; a power cut or a crash of the
    /// operating system may lose the last commits (as a whole, and only from the end).
    Buffered,
    /// When the bytes are on disk (fdatasync). Committers that wait at the same time share one sync.
    #[default]
    Synced,
}

/// Writes to any keyspaces of one database, applied as one.
pub struct WriteBatch {
    database: Database,
    inner: fjall::OwnedWriteBatch,
    bytes: usize,
}

impl WriteBatch {
    pub(crate) fn new(database: Database, inner: fjall::OwnedWriteBatch) -> WriteBatch {
        WriteBatch { database, inner, bytes: 0 }
    }

    /// Sets the key; the longest key is 65,535 bytes, the longest value 4 GiB.
    pub fn put(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
        self.bytes += key.len() + value.len();
        self.inner.insert(&keyspace.inner, key, value);
    }

    /// As [`WriteBatch::put`], for a value that need not be copied.
    pub fn put_owned(&mut self, keyspace: &Keyspace, key: &[u8], value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.inner.insert(&keyspace.inner, key, value);
    }

    pub fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) {
        self.bytes += key.len();
        self.inner.remove(&keyspace.inner, key);
    }

    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Number of puts and deletes.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Bytes of all keys and values.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Applies everything or nothing. With [`Durability::Synced`] the changes are visible to readers of the
    /// database a moment before they are durable.
    ///
    /// # Errors
    /// [`StateError::Full`](crate::StateError::Full) before anything is written.
    pub fn commit(self, durability: Durability) -> Result<()> {
        let WriteBatch { database, inner, bytes } = self;
        if inner.is_empty() {
            return Ok(());
        }
        database.check_room(bytes)?;
        commit(database, inner, durability)
    }

    /// As [`WriteBatch::commit`], also when the disk is almost full: for what removes more than it adds.
    pub fn commit_to_free(self, durability: Durability) -> Result<()> {
        let WriteBatch { database, inner, .. } = self;
        if inner.is_empty() { Ok(()) } else { commit(database, inner, durability) }
    }
}

fn commit(database: Database, inner: fjall::OwnedWriteBatch, durability: Durability) -> Result<()> {
    inner.commit().map_err(|error| database.error(error, "write to"))?;
    match durability {
        Durability::Buffered => Ok(()),
        Durability::Synced => database.sync(),
    }
}
