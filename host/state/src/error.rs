//! What can go wrong in the local database, by what the caller must do.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, StateError>;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has the directory open. Stop that one or choose another directory.
    #[error("the state directory {} is in use by another running server: stop that server, or give this one another ksql.streams.state.dir", path.display())]
    Locked { path: PathBuf },
    /// What is on disk is not what was written. Nothing is changed; somebody has to look.
    #[error("the database in {} is damaged: {detail}", path.display())]
    Corrupt { path: PathBuf, detail: String },
    /// The file system refused a read or a write, for instance because the disk is full.
    #[error("cannot {action} the database in {}: {source}", path.display())]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// There is so little room on the disk that nothing was written. The same write succeeds when there is more.
    #[error("the disk of {} is almost full: {} MiB are free, and {} MiB are kept back (calzone.disk.reserve.bytes); nothing is written until there is more room", path.display(), free_bytes >> 20, reserve_bytes >> 20)]
    Full { path: PathBuf, free_bytes: u64, reserve_bytes: u64 },
    /// An earlier write failed, so that memory and disk may differ: only a restart tells what was kept.
    #[error("the database in {} takes no more writes since one of them failed: see the log for the cause (a full disk?), remove it and restart", path.display())]
    Poisoned { path: PathBuf },
    /// The keyspace was dropped while somebody still used it.
    #[error("the store '{name}' was dropped")]
    Dropped { name: String },
}

impl StateError {
    /// True if restarting the process over the same directory may help.
    pub fn needs_restart(&self) -> bool {
        matches!(self, StateError::Poisoned { .. })
    }

    /// Says what the engine's error means for the database in `path`.
    pub(crate) fn of(error: fjall::Error, path: &std::path::Path, action: &'static str) -> StateError {
        let path = path.to_path_buf();
        match error {
            fjall::Error::Locked => StateError::Locked { path },
            // A file that ends too early or whose content is impossible is not a file system that refuses.
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
                if matches!(source.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData) =>
            {
                StateError::Corrupt { path, detail: source.to_string() }
            }
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                StateError::Io { path, action, source }
            }
            fjall::Error::Poisoned => StateError::Poisoned { path },
            fjall::Error::KeyspaceDeleted => StateError::Dropped { name: String::from("(unknown)") },
            fjall::Error::InvalidVersion(_) => {
                StateError::Corrupt { path, detail: String::from("its files have a format that this version does not read") }
            }
            other => StateError::Corrupt { path, detail: format!("{other:?}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn files_that_end_too_early_are_damaged_and_a_full_disk_is_not() {
        let path = std::path::Path::new("/x");
        let of = |kind| StateError::of(fjall::Error::Io(Error::from(kind)), path, "open");
        assert!(matches!(of(ErrorKind::UnexpectedEof), StateError::Corrupt { .. }));
        assert!(matches!(of(ErrorKind::InvalidData), StateError::Corrupt { .. }));
        assert!(matches!(of(ErrorKind::StorageFull), StateError::Io { .. }));
    }
}
