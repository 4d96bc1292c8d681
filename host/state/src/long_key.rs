//! Keys that are too long for the storage engine.
//!
//! The engine holds keys of at most 65,535 bytes, but what a query groups or joins by is as long as the record that
//! brings it. Of a longer key the keyspace has the first bytes and a digest; the rest stands before the value. The
//! first bytes keep such a key in its place among the others, so that ranges stay ranges.

use crate::error::Result;
use crate::keyspace::Slice;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::VecDeque;

/// A key up to this length, without its store's prefix, lies in the keyspace as it is. A longer one lies there with
/// this many of its bytes and its digest, which leaves room for the prefix.
pub(crate) const HEAD_BYTES: usize = 64_000;

/// Bytes of the number before the rest of the key.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Appends the key as it lies in the keyspace.
pub(crate) fn push(key: &[u8], stored: &mut Vec<u8>) {
    match key.get(..HEAD_BYTES) {
        Some(head) if key.len() > HEAD_BYTES => {
            stored.extend_from_slice(head);
            stored.extend_from_slice(&Sha256::digest(key));
        }
        _ => stored.extend_from_slice(key),
    }
}

/// The value as it lies in the keyspace: after the rest of a long key.
pub(crate) fn pack<'a>(key: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(rest) = rest(key) else { return Cow::Borrowed(value) };
    let mut packed = Vec::with_capacity(LENGTH_BYTES + rest.len() + value.len());
    packed.extend_from_slice(&(rest.len() as u32).to_le_bytes());
    packed.extend_from_slice(rest);
    packed.extend_from_slice(value);
    Cow::Owned(packed)
}

/// The value that [`pack`] made of this key's value.
pub(crate) fn unpack<'a>(key: &[u8], packed: &'a [u8]) -> &'a [u8] {
    match rest(key) {
        Some(rest) => packed.get(LENGTH_BYTES + rest.len()..).unwrap_or_default(),
        None => packed,
    }
}

/// What of the key does not lie in the keyspace's key.
fn rest(key: &[u8]) -> Option<&[u8]> {
    key.get(HEAD_BYTES..).filter(|rest| !rest.is_empty())
}

/// Bounds among stored keys that hold every key from `from` on and below `to`, and, with a long bound, some more.
pub(crate) fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> (&'a [u8], Cow<'a, [u8]>) {
    let from = from.get(..HEAD_BYTES).unwrap_or(from);
    match rest(to) {
        // Digests of keys with the same first bytes say nothing about their order.
        Some(_) => (from, Cow::Owned(crate::store::prefix_end(&to[..HEAD_BYTES]))),
        None => (from, Cow::Borrowed(to)),
    }
}

/// Entries of a scan with whole keys, each still after the store's prefix, and values as they were put.
pub(crate) fn whole(
    entries: impl Iterator<Item = Result<(Slice, Slice)>>,
    prefix_len: usize,
    reverse: bool,
) -> impl Iterator<Item = Result<(Slice, Slice)>> {
    let head_end = prefix_len + HEAD_BYTES;
    let mut entries = entries.peekable();
    let mut ready = VecDeque::new();
    std::iter::from_fn(move || {
        if let Some(entry) = ready.pop_front() {
            return Some(Ok(entry));
        }
        let (stored, value) = match entries.next()? {
            Ok(entry) if entry.0.len() > head_end => entry,
            short_or_error => return Some(short_or_error),
        };
        let mut group = vec![join(&stored[..head_end], &value)];
        let same_head = |entry: &Result<(Slice, Slice)>| matches!(entry, Ok((other, _)) if other.len() > head_end && other[..head_end] == stored[..head_end]);
        while let Some(entry) = entries.next_if(same_head) {
            match entry {
                Ok((_, value)) => group.push(join(&stored[..head_end], &value)),
                Err(error) => return Some(Err(error)),
            }
        }
        group.sort_unstable();
        if reverse {
            group.reverse();
        }
        ready.extend(group);
        ready.pop_front().map(Ok)
    })
}

/// The whole key, and the value without the rest of the key.
fn join(head: &[u8], packed: &[u8]) -> (Slice, Slice) {
    let length = packed.first_chunk::<LENGTH_BYTES>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let (rest, value) = packed.get(LENGTH_BYTES..).unwrap_or_default().split_at_checked(length).unwrap_or_default();
    (Slice::from([head, rest].concat()), Slice::from(value.to_vec()))
}
