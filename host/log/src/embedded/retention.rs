//! What a topic need not keep: records older than its retention time, and those that were asked to go.
//!
//! Age counts from when a record was appended, not from its timestamp: history that is loaded today stays as long as what
//! happens today. So that appends cost nothing, each [`maintain`] notes how far a partition reaches; what lies before a
//! note is at least as old as the note. Whole blocks are removed, never the last one, whose end says where the
//! partition goes on.

use super::topics::{Topic, base_offset, block_key};
use super::{Shared, append};
use crate::error::Result;
use calzone_state::{Durability, WriteBatch};
use std::sync::Arc;

/// Notes per retention time: how exactly it is kept.
const NOTES: i64 = 64;
/// The distance of two notes, milliseconds.
const NOTE_DISTANCE_MIN_MS: i64 = 1_000;
const NOTE_DISTANCE_MAX_MS: i64 = 3_600_000;
/// Deletions that are committed at a time.
const DELETE_BATCH_BLOCKS: usize = 4_096;

/// What a topic's configuration says about how long it keeps records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// `None`: for ever.
    pub(super) time_ms: Option<i64>,
}

impl Retention {
    /// Reads `cleanup.policy` and `retention.ms` (-1: for ever) out of a topic's configuration. Compacted topics keep everything.
    pub(super) fn of<'a>(config: impl IntoIterator<Item = (&'a str, &'a str)>, default_ms: Option<i64>) -> Retention {
        let (mut deletes, mut time_ms) = (true, default_ms);
        for (name, value) in config {
            match name {
                "cleanup.policy" => deletes = value.split(',').any(|policy| policy.trim() == "delete"),
                "retention.ms" => time_ms = value.trim().parse().ok().filter(|ms| *ms >= 0),
                _ => {}
            }
        }
        Retention { time_ms: time_ms.filter(|_| deletes) }
    }
}

/// Removes what is too old now, in all topics.
pub(super) fn maintain(shared: &Shared, now_ms: i64) -> Result<()> {
    for topic in shared.topics.all() {
        let Some(time_ms) = topic.retention.time_ms else { continue };
        for partition in 0..topic.partitions.len() as i32 {
            expire(shared, &topic, partition, time_ms, now_ms)?;
        }
    }
    Ok(())
}

fn expire(shared: &Shared, topic: &Arc<Topic>, partition: i32, time_ms: i64, now_ms: i64) -> Result<()> {
    let notes = &shared.ages;
    let first = block_key(topic.id, partition, 0);
    let end = topic.partition(partition)?.visible();
    let mut batch = shared.database.batch();
    let last = notes.range(&first, &block_key(topic.id, partition, i64::MAX)).next_back().transpose()?;
    let due = match &last {
        Some((key, value)) => {
            let distance = (time_ms / NOTES).clamp(NOTE_DISTANCE_MIN_MS, NOTE_DISTANCE_MAX_MS);
            noted(value) != end && now_ms - base_offset(key).unwrap_or(0) >= distance
        }
        None => end > 0,
    };
    if due {
        batch.put(notes, &block_key(topic.id, partition, now_ms.max(0)), &end.to_be_bytes());
    }
    let cutoff = now_ms.saturating_sub(time_ms).saturating_add(1).max(0);
    let mut reached = None;
    for entry in notes.range(&first, &block_key(topic.id, partition, cutoff)) {
        let (key, value) = entry?;
        reached = Some(noted(&value));
        batch.delete(notes, &key);
    }
    if !batch.is_empty() {
        // A lost note only makes records stay longer.
        batch.commit_to_free(Durability::Buffered)?;
    }
    match reached {
        Some(offset) => trim(shared, topic, partition, offset),
        None => Ok(()),
    }
}

fn noted(value: &[u8]) -> i64 {
    value.first_chunk().map_or(0, |offset| i64::from_be_bytes(*offset))
}

/// Removes the blocks that lie wholly before `offset`.
pub(super) fn trim(shared: &Shared, topic: &Arc<Topic>, partition: i32, offset: i64) -> Result<()> {
    let place = topic.partition(partition)?;
    let offset = offset.min(place.visible());
    if offset <= place.earliest() {
        return Ok(());
    }
    // A deleted topic's blocks go another way.
    topic.check_exists()?;
    let from = block_key(topic.id, partition, place.earliest());
    let (mut batch, mut first): (WriteBatch, Option<Vec<u8>>) = (shared.database.batch(), None);
    for key in shared.blocks.range_keys(&from, &block_key(topic.id, partition, i64::MAX)) {
        let key = key?;
        let base = base_offset(&key).unwrap_or(0);
        // The block before this one ends where this one begins.
        if let Some(before) = first.replace(key.to_vec()) {
            if base > offset {
                first = Some(before);
                break;
            }
            batch.delete(&shared.blocks, &before);
        }
        if base >= offset {
            break;
        }
        if batch.len() >= DELETE_BATCH_BLOCKS {
            remove(shared, topic, partition, std::mem::replace(&mut batch, shared.database.batch()), first.as_deref())?;
        }
    }
    remove(shared, topic, partition, batch, first.as_deref())
}

/// Readers are told of the new beginning before blocks vanish.
fn remove(shared: &Shared, topic: &Topic, partition: i32, batch: WriteBatch, first: Option<&[u8]>) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    if let Some(base) = first.and_then(base_offset) {
        topic.partition(partition)?.begin_at(base);
    }
    let guard = append::lock(shared);
    batch.commit_to_free(Durability::Buffered)?;
    drop(guard);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_configuration_says_how_long() {
        let of = |config: &[(&'static str, &'static str)]| Retention::of(config.iter().copied(), Some(7)).time_ms;
        assert_eq!(of(&[]), Some(7));
        assert_eq!(of(&[("cleanup.policy", "compact")]), None);
        assert_eq!(of(&[("cleanup.policy", "compact,delete"), ("retention.ms", "9")]), Some(9));
        assert_eq!(of(&[("retention.ms", "-1")]), None);
    }
}
