//! The one way into the embedded log.

use super::Shared;
use super::block::{Block, BlockBuilder};
use super::topics::{Topic, block_key};
use crate::error::{LogError, Result};
use crate::partitioner::partition_for_key;
use calzone_state::WriteBatch;
use calzone_types::{RecordBatch, RecordRef};
use hashbrown::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

/// The largest record that is taken, key, value and headers together.
const RECORD_BYTES_MAX: usize = 32 << 20;

/// Records on their way into the log, in blocks for each partition, compressed as they fill.
#[derive(Default)]
pub(super) struct Outbox {
    lanes: Vec<Lane>,
    by_partition: HashMap<(u32, i32), usize, foldhash::fast::RandomState>,
    bytes: usize,
}

/// What goes to one partition.
struct Lane {
    topic: Arc<Topic>,
    partition: i32,
    full: Vec<Block>,
    open: BlockBuilder,
    records: i64,
}

impl Outbox {
    /// Adds all records or, if one of them cannot be taken, none. `turn` spreads records without a key.
    /// `placed` gets the lane of each record and its number there.
    pub(super) fn push(
        &mut self,
        topic: &Arc<Topic>,
        records: &RecordBatch,
        turn: &mut u32,
        mut placed: impl FnMut(usize, i64),
    ) -> Result<()> {
        topic.check_exists()?;
        for record in records.iter() {
            check(topic, record)?;
        }
        let partitions = topic.partitions.len() as i32;
        let mut last = (i32::MIN, 0);
        for record in records.iter() {
            let partition = match (record.partition, record.placing_key()) {
                (0.., _) => record.partition,
                (_, None) => {
                    *turn = turn.wrapping_add(1);
                    (*turn % partitions as u32) as i32
                }
                (_, key) => partition_for_key(key, partitions),
            };
            if last.0 != partition {
                last = (partition, self.lane(topic, partition));
            }
            let lane = &mut self.lanes[last.1];
            placed(last.1, lane.records);
            let before = lane.open.byte_len();
            lane.open.push(record);
            lane.records += 1;
            self.bytes += lane.open.byte_len() - before;
            if lane.open.is_full() {
                let unpacked = lane.open.byte_len();
                let block = lane.open.finish();
                self.bytes = self.bytes.saturating_sub(unpacked) + block.bytes.len();
                lane.full.push(block);
            }
        }
        Ok(())
    }

    fn lane(&mut self, topic: &Arc<Topic>, partition: i32) -> usize {
        let lanes = &mut self.lanes;
        *self.by_partition.entry((topic.id, partition)).or_insert_with(|| {
            let (full, open) = (Vec::new(), BlockBuilder::default());
            lanes.push(Lane { topic: topic.clone(), partition, full, open, records: 0 });
            lanes.len() - 1
        })
    }

    /// The partition of each lane.
    pub(super) fn lane_partitions(&self) -> Vec<i32> {
        self.lanes.iter().map(|lane| lane.partition).collect()
    }

    /// Bytes held, compressed where a block is full.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Outbox::default();
    }
}

/// What one record may be.
fn check(topic: &Topic, record: RecordRef<'_>) -> Result<()> {
    if record.partition >= 0 {
        topic.partition(record.partition)?;
    }
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers;
    if bytes > RECORD_BYTES_MAX {
        let detail = format!("it has {bytes} bytes, the embedded log takes {RECORD_BYTES_MAX}");
        return Err(LogError::RecordTooLarge { topic: topic.name.to_string(), detail });
    }
    Ok(())
}

pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, ()> {
    shared.append.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the outbox and the batch as one, returns when they are as durable as configured and visible to readers.
/// Gives the offset of the first record of each lane.
pub(super) fn write(shared: &Shared, mut outbox: Outbox, mut batch: WriteBatch) -> Result<Vec<i64>> {
    if outbox.lanes.is_empty() && batch.is_empty() {
        return Ok(Vec::new());
    }
    for lane in &mut outbox.lanes {
        if lane.open.records() > 0 {
            lane.full.push(lane.open.finish());
        }
    }
    let guard = lock(shared);
    let mut bases = Vec::with_capacity(outbox.lanes.len());
    for lane in &mut outbox.lanes {
        lane.topic.check_exists()?;
        let mut offset = lane.topic.partition(lane.partition)?.next();
        bases.push(offset);
        for block in lane.full.drain(..) {
            batch.put_owned(&shared.blocks, &block_key(lane.topic.id, lane.partition, offset), block.bytes);
            offset += i64::from(block.records);
        }
    }
    batch.commit(calzone_state::Durability::Buffered)?;
    // Only now, so that a write that failed leaves no hole in the offsets.
    for (lane, base) in outbox.lanes.iter().zip(&bases) {
        lane.topic.partition(lane.partition)?.set_next(base + lane.records);
    }
    drop(guard);
    if shared.durability == calzone_state::Durability::Synced {
        shared.database.sync()?;
    }
    for (lane, base) in outbox.lanes.iter().zip(&bases) {
        lane.topic.partition(lane.partition)?.show_until(base + lane.records);
    }
    // A topic's lanes mostly follow each other: its readers are woken once.
    let mut notified: Option<u32> = None;
    for lane in &outbox.lanes {
        if notified != Some(lane.topic.id) {
            lane.topic.notify();
            notified = Some(lane.topic.id);
        }
    }
    Ok(bases)
}
