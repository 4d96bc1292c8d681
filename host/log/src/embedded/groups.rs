//! What groups have committed: a next offset and a text for each partition.

use crate::error::Result;
use calzone_state::{Keyspace, WriteBatch};

/// The key is length and bytes of the group, length and bytes of the topic, and the partition.
fn key(group: &str, topic: &str, partition: i32) -> Vec<u8> {
    let mut key = group_prefix(group);
    put_name(&mut key, topic);
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

fn group_prefix(group: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + 64);
    put_name(&mut key, group);
    key
}

fn put_name(key: &mut Vec<u8>, name: &str) {
    key.extend_from_slice(&(name.len() as u16).to_be_bytes());
    key.extend_from_slice(name.as_bytes());
}

pub(super) fn read(keyspace: &Keyspace, group: &str, topic: &str, partition: i32) -> Result<Option<(i64, String)>> {
    let Some(value) = keyspace.get(&key(group, topic, partition))? else { return Ok(None) };
    Ok(value
        .split_first_chunk()
        .map(|(offset, metadata)| (i64::from_be_bytes(*offset), String::from_utf8_lossy(metadata).into_owned())))
}

pub(super) fn write(
    keyspace: &Keyspace,
    batch: &mut WriteBatch,
    group: &str,
    topic: &str,
    partition: i32,
    offset: i64,
    metadata: &str,
) {
    let mut value = offset.to_be_bytes().to_vec();
    value.extend_from_slice(metadata.as_bytes());
    batch.put_owned(keyspace, &key(group, topic, partition), value);
}

pub(super) fn forget_group(keyspace: &Keyspace, batch: &mut WriteBatch, group: &str) -> Result<()> {
    for entry in keyspace.prefix(&group_prefix(group)) {
        batch.delete(keyspace, &entry?.0);
    }
    Ok(())
}

/// Offsets in a topic that is deleted mean nothing in a later one of its name.
pub(super) fn forget_topic(keyspace: &Keyspace, batch: &mut WriteBatch, topic: &str) -> Result<()> {
    let mut ending = Vec::new();
    put_name(&mut ending, topic);
    for entry in keyspace.range(&[], &[]) {
        let (key, _) = entry?;
        let group_bytes = key.first_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
        let rest = key.get(2 + group_bytes..).unwrap_or_default();
        if rest.len() == ending.len() + 4 && rest.starts_with(&ending) {
            batch.delete(keyspace, &key);
        }
    }
    Ok(())
}
