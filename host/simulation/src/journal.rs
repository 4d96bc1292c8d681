//! What a power cut leaves of a database's journal.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::random::Random;

/// The journal that was written last.
fn active(directory: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    entries.filter(|path| path.extension().is_some_and(|e| e == "jnl")).max_by_key(number)
}

/// Where what was written ends; zeros lie behind it.
pub fn end(directory: &Path) -> u64 {
    let Some(mut file) = active(directory).and_then(|path| OpenOptions::new().read(true).open(path).ok()) else { return 0 };
    let mut position = file.metadata().map_or(0, |m| m.len());
    let mut buffer = vec![0; 1 << 16];
    while position > 0 {
        let size = position.min(buffer.len() as u64);
        let part = &mut buffer[..size as usize];
        if file.seek(SeekFrom::Start(position - size)).and_then(|_| file.read_exact(part)).is_err() {
            return position;
        }
        match part.iter().rposition(|byte| *byte != 0) {
            Some(last) => return position - size + last as u64 + 1,
            None => position -= size,
        }
    }
    0
}

/// Leaves the journal with any part of what lies behind `durable`, torn or garbled at its end.
pub fn tear(directory: &Path, durable: u64, random: &mut Random) {
    let written = end(directory);
    let Some(path) = active(directory).filter(|_| written > durable) else { return };
    let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path) else { return };
    let keep = random.between(durable, written);
    let outcome = match random.percent(30) && keep + 1 < written {
        // A page arrived with wrong bytes, and nothing after it.
        true => file.set_len(keep + 1).and_then(|()| file.seek(SeekFrom::Start(keep))).and_then(|_| file.write_all(&[0xa5])),
        false => file.set_len(keep),
    };
    outcome.expect("the journal can be cut");
}
