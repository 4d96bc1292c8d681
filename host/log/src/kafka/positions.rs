//! How far the local database has the changes of each changelog partition.

use crate::error::Result;
use crate::topic::TopicPartition;
use calzone_state::{Keyspace, WriteBatch};

fn key(tp: &TopicPartition) -> Vec<u8> {
    let mut key = prefix(&tp.topic);
    key.extend_from_slice(&tp.partition.to_be_bytes());
    key
}

/// Topic names hold no NUL.
fn prefix(topic: &str) -> Vec<u8> {
    let mut key = topic.as_bytes().to_vec();
    key.push(0);
    key
}

pub(super) fn read(keyspace: &Keyspace, tp: &TopicPartition) -> Result<Option<i64>> {
    let value = keyspace.get(&key(tp))?;
    Ok(value.and_then(|value| value.first_chunk().map(|offset| i64::from_be_bytes(*offset))))
}

pub(super) fn put(keyspace: &Keyspace, batch: &mut WriteBatch, tp: &TopicPartition, next_offset: i64) {
    batch.put(keyspace, &key(tp), &next_offset.to_be_bytes());
}

pub(super) fn forget_topic(keyspace: &Keyspace, batch: &mut WriteBatch, topic: &str) -> Result<()> {
    for entry in keyspace.prefix(&prefix(topic)) {
        batch.delete(keyspace, &entry?.0);
    }
    Ok(())
}
