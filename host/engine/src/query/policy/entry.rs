//! What is kept of records that wait, as bytes of the store `retry`.

use calzone_exec::codec::DecodeError;
use calzone_types::{Header, RecordRef};
use std::sync::Arc;

/// First byte of a value; another version may write others.
const VERSION: u8 = 1;

/// First bytes of keys.
const RECORD: u8 = b'r';
const LOCK: u8 = b'l';

/// A record's last failure, and when it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Attempts so far, all failed.
    pub attempts: u32,
    /// Milliseconds since the epoch.
    pub due_ms: i64,
    pub class: Arc<str>,
    pub step: Arc<str>,
    pub cause: Arc<str>,
}

/// A record that waits to be tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `None` for a record that only waits behind another one.
    pub failed: Option<Failed>,
    /// What it waits in order by; `None`: others pass it.
    pub group: Option<Vec<u8>>,
    /// Of the record, milliseconds since the epoch.
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

/// A group of records that are processed in order, the first of which has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Records that wait, also those that are still on their way through the retry topic.
    pub count: u64,
    /// Offset of the record that locked it.
    pub first: i64,
    /// When it was locked, milliseconds since the epoch.
    pub since_ms: i64,
    /// Offset of the last record that waits.
    pub last: i64,
    /// Offset of the last record that left.
    pub done: i64,
    /// Records up to this offset become dead letters without being tried.
    pub dead_until: i64,
    /// The first record, if it has failed: its offset and how.
    pub head: Option<(i64, Failed)>,
}

/// Tells locks of one group from each other: the offset that locked it, and when.
pub type LockId = (i64, i64);

impl Entry {
    pub fn record<'a>(&'a self, partition: i32, offset: i64) -> RecordRef<'a> {
        RecordRef {
            offset,
            timestamp: self.timestamp,
            partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        write_option(&self.failed, &mut out, write_failed);
        write_option(&self.group, &mut out, |group, out| write_bytes(group, out));
        write_i64(self.timestamp, &mut out);
        write_option(&self.key, &mut out, |key, out| write_bytes(key, out));
        write_option(&self.value, &mut out, |value, out| write_bytes(value, out));
        write_i64(self.headers.len() as i64, &mut out);
        for (name, value) in &self.headers {
            write_bytes(name.as_bytes(), &mut out);
            write_option(value, &mut out, |value, out| write_bytes(value, out));
        }
        out
    }

    pub fn decode(mut bytes: &[u8]) -> Result<Entry, DecodeError> {
        let bytes = &mut bytes;
        read_version(bytes)?;
        let failed = read_option(bytes, read_failed)?;
        let group = read_option(bytes, read_bytes)?;
        let timestamp = read_i64(bytes)?;
        let key = read_option(bytes, read_bytes)?;
        let value = read_option(bytes, read_bytes)?;
        let count = read_i64(bytes)?;
        let header = |_| Ok((read_text(bytes)?, read_option(bytes, read_bytes)?));
        let headers = (0..count).map(header).collect::<Result<_, _>>()?;
        Ok(Entry { failed, group, timestamp, key, value, headers })
    }
}

impl Lock {
    pub fn id(&self) -> LockId {
        (self.first, self.since_ms)
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.count as i64, self.first, self.since_ms, self.last, self.done, self.dead_until] {
            write_i64(number, &mut out);
        }
        write_option(&self.head, &mut out, |(offset, failed), out| {
            write_i64(*offset, out);
            write_failed(failed, out);
        });
        out
    }

    pub fn decode(mut bytes: &[u8]) -> Result<Lock, DecodeError> {
        let bytes = &mut bytes;
        read_version(bytes)?;
        Ok(Lock {
            count: read_i64(bytes)?.max(0) as u64,
            first: read_i64(bytes)?,
            since_ms: read_i64(bytes)?,
            last: read_i64(bytes)?,
            done: read_i64(bytes)?,
            dead_until: read_i64(bytes)?,
            head: read_option(bytes, |bytes| Ok((read_i64(bytes)?, read_failed(bytes)?)))?,
        })
    }
}

/// Key of a record that waits.
pub fn record_key(topic: &str, offset: i64) -> Vec<u8> {
    let mut key = key_of(RECORD, topic);
    key.extend_from_slice(&offset.to_be_bytes());
    key
}

/// Key of a lock.
pub fn lock_key(topic: &str, group: &[u8]) -> Vec<u8> {
    let mut key = key_of(LOCK, topic);
    key.extend_from_slice(group);
    key
}

/// What all records' keys begin with.
pub const RECORDS: [u8; 1] = [RECORD];
/// What all locks' keys begin with.
pub const LOCKS: [u8; 1] = [LOCK];

/// Topic and offset of a record's key.
pub fn read_record_key(key: &[u8]) -> Result<(Arc<str>, i64), DecodeError> {
    let mut rest = key.get(1..).ok_or(DecodeError)?;
    Ok((read_text(&mut rest)?, read_i64(&mut rest)?))
}

/// Topic and group of a lock's key.
pub fn read_lock_key(key: &[u8]) -> Result<(Arc<str>, Vec<u8>), DecodeError> {
    let mut rest = key.get(1..).ok_or(DecodeError)?;
    Ok((read_text(&mut rest)?, rest.to_vec()))
}

fn key_of(kind: u8, topic: &str) -> Vec<u8> {
    let mut key = vec![kind];
    write_bytes(topic.as_bytes(), &mut key);
    key
}

fn write_failed(failed: &Failed, out: &mut Vec<u8>) {
    write_i64(i64::from(failed.attempts), out);
    write_i64(failed.due_ms, out);
    for text in [&failed.class, &failed.step, &failed.cause] {
        write_bytes(text.as_bytes(), out);
    }
}

fn read_failed(bytes: &mut &[u8]) -> Result<Failed, DecodeError> {
    Ok(Failed {
        attempts: read_i64(bytes)?.clamp(0, i64::from(u32::MAX)) as u32,
        due_ms: read_i64(bytes)?,
        class: read_text(bytes)?,
        step: read_text(bytes)?,
        cause: read_text(bytes)?,
    })
}

fn write_option<T>(value: &Option<T>, out: &mut Vec<u8>, write: impl FnOnce(&T, &mut Vec<u8>)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(value, out);
    }
}

fn read_option<T>(bytes: &mut &[u8], read: impl FnOnce(&mut &[u8]) -> Result<T, DecodeError>) -> Result<Option<T>, DecodeError> {
    let (flag, rest) = bytes.split_first().ok_or(DecodeError)?;
    *bytes = rest;
    if *flag == 0 { Ok(None) } else { read(bytes).map(Some) }
}

fn write_bytes(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

fn read_bytes(bytes: &mut &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError)?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(DecodeError)?;
    *bytes = rest;
    Ok(value.to_vec())
}

fn read_text(bytes: &mut &[u8]) -> Result<Arc<str>, DecodeError> {
    String::from_utf8(read_bytes(bytes)?).map(Arc::from).map_err(|_| DecodeError)
}

fn write_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn read_i64(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    let (value, rest) = bytes.split_first_chunk::<8>().ok_or(DecodeError)?;
    *bytes = rest;
    Ok(i64::from_be_bytes(*value))
}

fn read_version(bytes: &mut &[u8]) -> Result<(), DecodeError> {
    let (version, rest) = bytes.split_first().ok_or(DecodeError)?;
    *bytes = rest;
    if *version == VERSION { Ok(()) } else { Err(DecodeError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let failed = Failed { attempts: 3, due_ms: 17, class: "plugin".into(), step: "Stage S".into(), cause: "down".into() };
        let entry = Entry {
            failed: Some(failed.clone()),
            group: Some(b"g".to_vec()),
            timestamp: -1,
            key: None,
            value: Some(Vec::new()),
            headers: vec![("a".into(), None), ("b".into(), Some(vec![0, 255]))],
        };
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes), Ok(entry));
        assert!((0..bytes.len()).all(|end| Entry::decode(&bytes[..end]).is_err()));
        let lock = Lock { count: 2, first: 6, since_ms: 1, last: 9, done: 7, dead_until: i64::MIN, head: Some((8, failed)) };
        assert_eq!(Lock::decode(&lock.encode()), Ok(lock));
        assert_eq!(read_record_key(&record_key("t", 5)), Ok(("t".into(), 5)));
        assert_eq!(read_lock_key(&lock_key("t", b"k")), Ok(("t".into(), b"k".to_vec())));
    }
}
