//! The end of the journal after a crash.
//!
//! The storage engine appends each batch to its journal, framed and with a checksum, and replays it at start. A
//! crash may leave the last batches torn. The engine drops some kinds of damage without a word and refuses to
//! start with others; here the journal is checked before, so that all damage is treated alike: what follows the
//! last whole commit is moved to a file beside the journal, and reported.

use crate::error::{Result, StateError};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// What was cut off the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    pub journal: PathBuf,
    /// The cut-off bytes, for those who want to look at them.
    pub kept_in: PathBuf,
    pub dropped_bytes: u64,
}

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

/// Checks all journals of the database in `path`, which nobody has open, and cuts a damaged end.
pub(crate) fn repair_journals(path: &Path) -> Result<Option<Repair>> {
    let failed = |source| StateError::Io { path: path.into(), action: "check the journal of", source };
    let lock = match OpenOptions::new().read(true).write(true).open(path.join("lock")) {
        Ok(lock) => lock,
        // A new database.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    lock.try_lock().map_err(|_| StateError::Locked { path: path.into() })?;
    let mut journals: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let number = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(number), Some("jnl")) = (number, file.extension().and_then(|extension| extension.to_str())) {
            journals.push((number, file));
        }
    }
    journals.sort();
    let Some((_, active)) = journals.pop() else { return Ok(None) };
    for (_, sealed) in journals {
        if let Some(position) = damage_in(&sealed).map_err(failed)? {
            let detail = format!(
                "{} is damaged at byte {position}, and later commits lie in a later journal: restore a backup, or move the directory away and start anew",
                sealed.display()
            );
            return Err(StateError::Corrupt { path: path.into(), detail });
        }
    }
    match damage_in(&active).map_err(failed)? {
        None => Ok(None),
        Some(position) => cut(&active, position).map(Some).map_err(failed),
    }
}

/// Where the first batch that is not whole begins; `None` if only padding follows the last whole one.
fn damage_in(journal: &Path) -> std::io::Result<Option<u64>> {
    let file = File::open(journal)?;
    let length = file.metadata()?.len();
    let mut reader = Frames { reader: BufReader::with_capacity(1 << 18, file), position: 0, length };
    loop {
        let start = reader.position;
        match reader.batch() {
            Ok(true) => {}
            Ok(false) => {
                reader.reader.seek(SeekFrom::Start(start))?;
                return Ok(if only_zeros(&mut reader.reader)? { None } else { Some(start) });
            }
            Err(error) => return Err(error),
        }
    }
}

fn only_zeros(reader: &mut impl Read) -> std::io::Result<bool> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].iter().all(|&byte| byte == 0) => {}
            _ => return Ok(false),
        }
    }
}

struct Frames {
    reader: BufReader<File>,
    position: u64,
    length: u64,
}

impl Frames {
    fn bytes(&mut self, buffer: &mut [u8]) -> std::io::Result<bool> {
        match self.reader.read_exact(buffer) {
            Ok(()) => {
                self.position += buffer.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads a batch; false if what is here is not a whole one.
    fn batch(&mut self) -> std::io::Result<bool> {
        let mut start = [0; 13];
        if !self.bytes(&mut start)? || start[0] != TAG_START {
            return Ok(false);
        }
        let mut hasher = Xxh3::new();
        let mut body = Vec::new();
        for _ in 0..u32::from_le_bytes([start[1], start[2], start[3], start[4]]) {
            let mut tag = [0; 1];
            if !self.bytes(&mut tag)? {
                return Ok(false);
            }
            hasher.update(&tag);
            match tag[0] {
                TAG_ITEM => {
                    let mut head = [0; 20];
                    if !self.bytes(&mut head)? {
                        return Ok(false);
                    }
                    hasher.update(&head);
                    let key_bytes = u64::from(u16::from_le_bytes([head[10], head[11]]));
                    let value_bytes = u64::from(u32::from_le_bytes([head[16], head[17], head[18], head[19]]));
                    if self.position + key_bytes + value_bytes > self.length {
                        return Ok(false);
                    }
                    body.resize((key_bytes + value_bytes) as usize, 0);
                    if !self.bytes(&mut body)? {
                        return Ok(false);
                    }
                    hasher.update(&body);
                }
                TAG_CLEAR => {
                    let mut keyspace = [0; 8];
                    if !self.bytes(&mut keyspace)? {
                        return Ok(false);
                    }
                    hasher.update(&keyspace);
                }
                _ => return Ok(false),
            }
        }
        let mut end = [0; 13];
        Ok(self.bytes(&mut end)? && end[0] == TAG_END && end[9..] == TRAILER && end[1..9] == hasher.digest().to_le_bytes())
    }
}

fn cut(journal: &Path, position: u64) -> std::io::Result<Repair> {
    let mut file = OpenOptions::new().read(true).write(true).open(journal)?;
    file.seek(SeekFrom::Start(position))?;
    let mut dropped = Vec::new();
    file.read_to_end(&mut dropped)?;
    while dropped.last() == Some(&0) {
        dropped.pop();
    }
    let kept_in = journal.with_extension(format!("damaged-at-{position}"));
    std::fs::write(&kept_in, &dropped)?;
    file.set_len(position)?;
    file.sync_all()?;
    Ok(Repair { journal: journal.into(), kept_in, dropped_bytes: dropped.len() as u64 })
}

#[cfg(test)]
mod tests {
    use crate::{Database, Durability};
    use std::path::{Path, PathBuf};

    /// A database of ten commits of 100 bytes to `a` and `b`, closed again; and its journal.
    fn ten_commits(path: &Path) -> PathBuf {
        let database = Database::open(path).expect("open");
        let (a, b) = (database.keyspace("a").expect("a"), database.keyspace("b").expect("b"));
        for number in 0..10u8 {
            let mut batch = database.batch();
            batch.put(&a, &[number], &[number + 1; 100]);
            batch.put(&b, &[number], &[number + 1; 100]);
            batch.commit(Durability::Buffered).expect("commit");
        }
        database.sync().expect("sync");
        drop((a, b));
        drop(database);
        std::fs::read_dir(path)
            .expect("dir")
            .map(|entry| entry.expect("entry").path())
            .find(|path| path.extension().is_some_and(|extension| extension == "jnl"))
            .expect("journal")
    }

    fn count(database: &Database, name: &str) -> usize {
        database.keyspace(name).expect("keyspace").range(&[], &[]).filter(Result::is_ok).count()
    }

    fn end_of_data(journal: &[u8]) -> usize {
        journal.len() - journal.iter().rev().take_while(|&&byte| byte == 0).count()
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("calzone-repair-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        path
    }

    #[test]
    fn damage_anywhere_in_the_last_commit_drops_that_commit_whole_and_says_so() {
        let path = scratch("last");
        let journal = ten_commits(&path);
        let intact = std::fs::read(&journal).expect("read");
        let end = end_of_data(&intact);
        let commit = end / 10;
        // In a checksum, a trailer, a value, a length, a tag; and cut short.
        for distance in [1, 3, 10, 40, 150, 200, 230, commit - 1] {
            for torn in [false, true] {
                std::fs::remove_dir_all(&path).ok();
                let journal = ten_commits(&path);
                let mut bytes = std::fs::read(&journal).expect("read");
                match torn {
                    true => bytes.truncate(end - distance),
                    false => bytes[end - distance] ^= 0x5a,
                }
                std::fs::write(&journal, &bytes).expect("write");
                let database = Database::open(&path).expect("open");
                assert!(database.repaired().is_some(), "distance {distance} torn {torn}");
                assert_eq!((count(&database, "a"), count(&database, "b")), (9, 9), "distance {distance} torn {torn}");
                // It takes writes again, and they survive.
                let keyspace = database.keyspace("a").expect("a");
                let mut batch = database.batch();
                batch.put(&keyspace, b"after", b"1");
                batch.commit(Durability::Synced).expect("commit");
                drop((keyspace, database));
                let database = Database::open(&path).expect("open again");
                assert!(database.repaired().is_none());
                assert_eq!(count(&database, "a"), 10);
            }
        }
        std::fs::remove_dir_all(&path).ok();
    }

    #[test]
    fn an_intact_journal_is_left_alone() {
        let path = scratch("intact");
        let journal = ten_commits(&path);
        let before = end_of_data(&std::fs::read(&journal).expect("read"));
        let database = Database::open(&path).expect("open");
        assert!(database.repaired().is_none());
        assert_eq!(count(&database, "b"), 10);
        assert!(std::fs::metadata(&journal).expect("journal").len() as usize >= before);
        drop(database);
        std::fs::remove_dir_all(&path).ok();
    }

    #[test]
    fn a_second_owner_is_refused_with_the_directory_named() {
        let path = scratch("locked");
        let first = Database::open(&path).expect("open");
        let error = Database::open(&path).err().expect("locked").to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("in use"), "{error}");
        drop(first);
        Database::open(&path).expect("free again");
        std::fs::remove_dir_all(&path).ok();
    }
}
