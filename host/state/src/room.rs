//! Room on the disk that is kept back, so that the storage engine never meets a full disk.
//!
//! A write that fails half-way leaves the engine unable to write until it is opened anew. So writes are refused while there is
//! still room for what the engine holds in memory and for removing what is too old; nothing has happened then, and the same write
//! succeeds once there is room again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Result, StateError};

/// How long, and for how many written bytes, the last look at the disk is good.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOK_AGAIN_BYTES: u64 = 4 << 20;

/// What it takes to open a database, whatever the reserve is.
const OPEN_BYTES: u64 = 8 << 20;

pub(crate) struct Room {
    reserve_bytes: u64,
    opened: Instant,
    /// When the disk was looked at, milliseconds after the database was opened; `u64::MAX`: it is to be looked at.
    looked_ms: AtomicU64,
    bytes_since: AtomicU64,
    is_full: AtomicBool,
}

impl Room {
    /// With a reserve of 0 the disk is never looked at.
    pub(crate) fn new(reserve_bytes: u64) -> Room {
        Room {
            reserve_bytes,
            opened: Instant::now(),
            looked_ms: AtomicU64::new(u64::MAX),
            bytes_since: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
        }
    }

    /// Is there room for a write of so many bytes?
    ///
    /// # Errors
    /// [`StateError::Full`]
    pub(crate) fn check(&self, path: &Path, bytes: usize) -> Result<()> {
        if self.reserve_bytes == 0 {
            return Ok(());
        }
        let now = self.opened.elapsed().as_millis() as u64;
        let written = self.bytes_since.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let looked = self.looked_ms.load(Ordering::Relaxed);
        let is_fresh = looked != u64::MAX && now.saturating_sub(looked) < LOOK_AGAIN.as_millis() as u64;
        if is_fresh && written < LOOK_AGAIN_BYTES && !self.is_full.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.look(path)
    }

    /// Looks at the disk now.
    pub(crate) fn look(&self, path: &Path) -> Result<()> {
        // Where nobody can tell, the write itself will.
        let Some(free_bytes) = free_bytes(path) else { return Ok(()) };
        let reserve_bytes = self.reserve_bytes.max(OPEN_BYTES);
        let is_full = free_bytes < reserve_bytes;
        self.bytes_since.store(0, Ordering::Relaxed);
        self.looked_ms.store(self.opened.elapsed().as_millis() as u64, Ordering::Relaxed);
        let was_full = self.is_full.swap(is_full, Ordering::Relaxed);
        let full = StateError::Full { path: path.into(), free_bytes, reserve_bytes };
        match (was_full, is_full) {
            (false, true) => tracing::error!("{full}"),
            (true, false) => tracing::info!(free_bytes, "there is room on the disk again: writes go on"),
            _ => {}
        }
        if is_full { Err(full) } else { Ok(()) }
    }
}

/// What the file system still gives to this user.
fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use crate::{Database, Durability, Settings, StateError};

    #[test]
    fn nothing_is_written_into_the_reserve_but_deletions_are() {
        let directory = tempfile::tempdir().expect("a folder");
        let open = |reserve_bytes| Database::open_with(directory.path(), Settings { reserve_bytes, ..Settings::default() });
        let put = |database: &Database, value: &[u8]| {
            let mut batch = database.batch();
            batch.put(&database.keyspace("store").expect("a store"), b"key", value);
            batch.commit(Durability::Synced)
        };
        let database = open(1).expect("open");
        put(&database, b"one").expect("there is a byte left");
        drop(database);
        let database = open(u64::MAX).expect("open");
        for _ in 0..2 {
            let error = put(&database, b"two").expect_err("no disk has so much room");
            assert!(matches!(error, StateError::Full { .. }), "{error}");
            assert!(!database.has_failed(), "nothing was begun");
        }
        let store = database.keyspace("store").expect("a store");
        assert_eq!(store.get(b"key").expect("get").as_deref(), Some(&b"one"[..]));
        let mut batch = database.batch();
        batch.delete(&store, b"key");
        batch.commit_to_free(Durability::Synced).expect("what makes room is written");
        assert!(store.get(b"key").expect("get").is_none());
    }
}
