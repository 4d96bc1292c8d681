//! The one database of a server: everything it keeps on its own disk.

use crate::batch::WriteBatch;
use crate::error::{Result, StateError};
use crate::group_sync::GroupSync;
use crate::keyspace::{Keyspace, Layout, Snapshot};
use crate::repair::{self, Repair};
use crate::room::Room;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Limits of a database, all in bytes. The defaults keep a busy server well under 400 MB.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decompressed blocks that are kept for the next reader, over all keyspaces.
    pub block_cache_bytes: u64,
    /// Writes of one keyspace that are kept in memory until they go to a table file. Up to four such buffers
    /// may wait to be written; then writers wait.
    pub write_buffer_bytes: u64,
    /// The journal is cut when it grows beyond this; at least 64 MiB. Longer means fewer small table files
    /// and a longer replay at start.
    pub journal_bytes_max: u64,
    /// Threads that flush and compact.
    pub background_threads: usize,
    /// Writes are refused while the disk has less room than this; 0: until the disk is full, after which the database must be
    /// opened anew.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            block_cache_bytes: 48 << 20,
            write_buffer_bytes: 16 << 20,
            journal_bytes_max: 256 << 20,
            background_threads: 2,
            reserve_bytes: 0,
        }
    }
}

/// The server's database; clones are handles to the same one. The directory is locked while one lives.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    fjall: fjall::Database,
    sync: GroupSync,
    room: Room,
    /// A write failed: no more are taken.
    failed: AtomicBool,
    path: PathBuf,
    settings: Settings,
    repair: Option<Repair>,
}

impl Database {
    /// Opens the database in this directory, or makes a new one. Writes that were torn by a crash are dropped
    /// (they were never acknowledged); see [`Database::repaired`].
    ///
    /// # Errors
    /// [`StateError::Locked`] if another process has it open, [`StateError::Corrupt`] if acknowledged data is damaged.
    pub fn open(path: &Path) -> Result<Database> {
        Database::open_with(path, Settings::default())
    }

    pub fn open_with(path: &Path, settings: Settings) -> Result<Database> {
        std::fs::create_dir_all(path).map_err(|source| StateError::Io { path: path.into(), action: "create", source })?;
        let repair = repair::repair_journals(path)?;
        if let Some(repair) = &repair {
            tracing::warn!(
                journal = %repair.journal.display(), dropped_bytes = repair.dropped_bytes, kept_in = %repair.kept_in.display(),
                "the journal did not end with a whole commit, as after a crash; it has been cut back to the last whole one"
            );
        }
        let fjall = open_engine(path, &settings, false).map_err(|error| StateError::of(error, path, "open"))?;
        Ok(Database::wrap(fjall, path, settings, repair))
    }

    /// A database of its own in the system's folder for temporary files, removed when the last handle is dropped.
    pub fn temporary() -> Result<Database> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_nanos());
        let name = format!("calzone-state-{}-{started}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let settings = Settings::default();
        let fjall = open_engine(&path, &settings, true).map_err(|error| StateError::of(error, &path, "create"))?;
        Ok(Database::wrap(fjall, &path, settings, None))
    }

    fn wrap(fjall: fjall::Database, path: &Path, settings: Settings, repair: Option<Repair>) -> Database {
        let (sync, room, failed) = (GroupSync::default(), Room::new(settings.reserve_bytes), AtomicBool::new(false));
        Database { inner: Arc::new(Inner { fjall, sync, room, failed, path: path.into(), settings, repair }) }
    }

    /// Opens a keyspace for a store, creating it if need be. Names are at most 255 bytes.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace> {
        self.keyspace_with(name, Layout::Store)
    }

    /// Opens a keyspace; the layout counts only when it is created.
    pub fn keyspace_with(&self, name: &str, layout: Layout) -> Result<Keyspace> {
        if name.is_empty() || name.len() > 255 {
            let source =
                std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("'{name}' is not a store name of 1 to 255 bytes"));
            return Err(StateError::Io { path: self.inner.path.clone(), action: "create a store in", source });
        }
        let options = || layout.options(self.inner.settings.write_buffer_bytes);
        let inner = self.inner.fjall.keyspace(name, options).map_err(|error| self.error(error, "open a store in"))?;
        Ok(Keyspace { inner, path: self.inner.path.as_path().into() })
    }

    /// Removes a keyspace and all it holds; does nothing if there is none of that name.
    pub fn drop_keyspace(&self, name: &str) -> Result<()> {
        if !self.inner.fjall.keyspace_exists(name) {
            return Ok(());
        }
        let keyspace = self.keyspace(name)?;
        self.inner.fjall.delete_keyspace(keyspace.inner).map_err(|error| self.error(error, "drop a store of"))
    }

    /// Names of all keyspaces, in order.
    pub fn keyspace_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.inner.fjall.list_keyspace_names().iter().map(|name| name.to_string()).collect();
        names.sort();
        names
    }

    pub fn batch(&self) -> WriteBatch {
        WriteBatch::new(self.clone(), self.inner.fjall.batch())
    }

    /// A view of all keyspaces as they are now, for pull queries.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { inner: self.inner.fjall.snapshot(), path: self.inner.path.as_path().into() }
    }

    /// Returns when all that was committed before is on disk.
    pub fn sync(&self) -> Result<()> {
        let persist = || self.inner.fjall.persist(fjall::PersistMode::SyncData).map_err(|error| self.error(error, "sync"));
        self.inner.sync.sync(persist, || StateError::Poisoned { path: self.inner.path.clone() })
    }

    /// Did a write fail, so that the database takes no more until it is opened anew?
    pub fn has_failed(&self) -> bool {
        self.inner.failed.load(Ordering::Relaxed)
    }

    /// Is there more room on the disk than is kept back?
    ///
    /// # Errors
    /// [`StateError::Full`]
    pub fn look_for_room(&self) -> Result<()> {
        self.inner.room.look(&self.inner.path)
    }

    pub(crate) fn check_room(&self, bytes: usize) -> Result<()> {
        self.inner.room.check(&self.inner.path, bytes)
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What had to be cut off when the database was opened, if anything.
    pub fn repaired(&self) -> Option<&Repair> {
        self.inner.repair.as_ref()
    }

    /// Bytes on disk, journal included.
    pub fn disk_bytes(&self) -> Result<u64> {
        self.inner.fjall.disk_space().map_err(|error| self.error(error, "measure"))
    }

    pub(crate) fn error(&self, error: fjall::Error, action: &'static str) -> StateError {
        let error = StateError::of(error, &self.inner.path, action);
        let is_write = matches!(action, "write to" | "sync");
        if error.needs_restart() || is_write && matches!(error, StateError::Io { .. }) {
            self.inner.failed.store(true, Ordering::Relaxed);
        }
        error
    }
}

fn open_engine(path: &Path, settings: &Settings, temporary: bool) -> fjall::Result<fjall::Database> {
    fjall::Database::builder(path)
        .cache_size(settings.block_cache_bytes)
        .max_journaling_size(settings.journal_bytes_max.max(64 << 20))
        .worker_threads(settings.background_threads.max(1))
        // Large values are blocks of log records, which are compressed already.
        .journal_compression(fjall::CompressionType::None)
        .temporary(temporary)
        .open()
}
