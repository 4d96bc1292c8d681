//! Reading one partition from one place on.

use super::Shared;
use super::block::{decode, record_count};
use super::topics::{Topic, base_offset, block_key};
use crate::error::{LogError, Result};
use crate::reader::Fetched;
use crate::topic::TopicPartition;
use calzone_state::Slice;
use calzone_types::RecordBatch;
use std::sync::Arc;

/// A poll gives out no more than about this many bytes of keys and values, however many records were asked for.
const POLL_BYTES_MAX: usize = 8 << 20;
/// Blocks with fewer records are joined, so that a topic written record by record is not read so.
const JOIN_RECORDS_MAX: usize = 512;

pub(super) struct Cursor {
    pub(super) tp: Arc<TopicPartition>,
    topic: Arc<Topic>,
    position: i64,
    /// A block that was not given out to its end, and the next row.
    partial: Option<(RecordBatch, usize)>,
    /// Whether a block begins at `position`.
    aligned: bool,
}

/// What is left of a poll's limits.
pub(super) struct Budget {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Budget {
    pub(super) fn new(records: usize) -> Budget {
        Budget { records: records.max(1), bytes: POLL_BYTES_MAX }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    fn take(&mut self, records: &RecordBatch) {
        self.records = self.records.saturating_sub(records.len());
        self.bytes = self.bytes.saturating_sub(records.byte_len());
    }
}

impl Cursor {
    /// A position outside of what the partition holds is moved to its nearest end.
    pub(super) fn new(topic: Arc<Topic>, partition: i32, position: i64) -> Result<Cursor> {
        let held = topic.partition(partition)?;
        let end = held.visible();
        let position = position.clamp(held.earliest().min(end), end);
        let tp = Arc::new(TopicPartition::new(topic.name.clone(), partition));
        Ok(Cursor { tp, topic, position, partial: None, aligned: false })
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    pub(super) fn end(&self) -> Result<i64> {
        Ok(self.topic.partition(self.tp.partition)?.visible())
    }

    /// Adds what is there, within the budget. Waits for nothing.
    pub(super) fn fetch(&mut self, shared: &Shared, budget: &mut Budget, mut give: impl FnMut(Fetched)) -> Result<()> {
        let end = self.end()?;
        if self.position >= end || budget.is_spent() {
            return self.topic.check_exists();
        }
        if let Some((block, row)) = self.partial.take() {
            self.give_part(block, row, budget, &mut give);
            if budget.is_spent() || self.position >= end {
                return Ok(());
            }
        }
        self.skip_removed()?;
        let from = match self.aligned {
            true => self.position,
            false => self.block_start(shared)?,
        };
        let (id, partition) = (self.topic.id, self.tp.partition);
        let mut joined = RecordBatch::default();
        for entry in shared.blocks.range(&block_key(id, partition, from), &block_key(id, partition, end)) {
            let (base, block) = match self.read_block(entry) {
                Ok(read) => read,
                Err(error) => {
                    // What lies before the fault has been passed already.
                    give_joined(&self.tp, &mut joined, budget, &mut give);
                    return Err(error);
                }
            };
            let (records, next) = (block.len(), base + block.len() as i64);
            if base > self.position {
                // What came before was removed meanwhile.
                self.advance(base);
            }
            if base < self.position || records > budget.records.saturating_sub(joined.len()) {
                give_joined(&self.tp, &mut joined, budget, &mut give);
                self.give_part(block, (self.position - base) as usize, budget, &mut give);
            } else if records < JOIN_RECORDS_MAX {
                joined.reserve(records, block.byte_len());
                block.iter().for_each(|record| joined.push(record));
                self.advance(next);
            } else {
                give_joined(&self.tp, &mut joined, budget, &mut give);
                budget.take(&block);
                self.advance(next);
                give(Fetched { tp: self.tp.clone(), records: block });
            }
            if joined.len() >= budget.records || joined.byte_len() >= budget.bytes {
                give_joined(&self.tp, &mut joined, budget, &mut give);
            }
            if budget.is_spent() {
                return Ok(());
            }
        }
        give_joined(&self.tp, &mut joined, budget, &mut give);
        Ok(())
    }

    /// Records can grow too old before they are read.
    fn skip_removed(&mut self) -> Result<()> {
        let earliest = self.topic.partition(self.tp.partition)?.earliest();
        if self.position < earliest {
            tracing::warn!(partition = %self.tp, from = self.position, to = earliest, "unread records were removed by the topic's retention time");
            self.advance(earliest);
        }
        Ok(())
    }

    /// The block that holds `position`, and its first offset.
    fn read_block(&self, entry: calzone_state::Result<(Slice, Slice)>) -> Result<(i64, RecordBatch)> {
        let (key, bytes) = entry?;
        let base = base_offset(&key).unwrap_or(0);
        let next = base + record_count(&bytes).map_or(0, i64::from);
        let begin = self.topic.partition(self.tp.partition)?.earliest();
        if base > self.position.max(begin) || next <= self.position {
            // A deleted topic's blocks disappear under its readers.
            self.topic.check_exists()?;
            return Err(self.corrupt(format!("expected offset {}, found a block of {base} to {next}", self.position)));
        }
        let block = decode(&bytes, base, self.tp.partition).map_err(|detail| self.corrupt(detail))?;
        Ok((base, block))
    }

    fn advance(&mut self, next: i64) {
        self.position = next;
        self.aligned = true;
    }

    /// Gives out rows from `row` on, and keeps what does not fit.
    fn give_part(&mut self, block: RecordBatch, row: usize, budget: &mut Budget, give: &mut impl FnMut(Fetched)) {
        let end = block.len().min(row + budget.records);
        let mut records = RecordBatch::default();
        (row..end).for_each(|row| records.push(block.get(row)));
        budget.take(&records);
        self.position += records.len() as i64;
        self.aligned = end == block.len();
        if end < block.len() {
            self.partial = Some((block, end));
        }
        if !records.is_empty() {
            give(Fetched { tp: self.tp.clone(), records });
        }
    }

    /// The first offset of the block that holds `position`.
    fn block_start(&self, shared: &Shared) -> Result<i64> {
        let (id, partition) = (self.topic.id, self.tp.partition);
        let until = block_key(id, partition, self.position + 1);
        let last = shared.blocks.range(&block_key(id, partition, 0), &until).next_back();
        match last {
            Some(entry) => Ok(base_offset(&entry?.0).unwrap_or(0)),
            None => Ok(self.position),
        }
    }

    fn corrupt(&self, detail: String) -> LogError {
        let (topic, partition) = (self.tp.topic.to_string(), self.tp.partition);
        LogError::Corrupt { topic, partition, offset: self.position, detail }
    }
}

fn give_joined(tp: &Arc<TopicPartition>, joined: &mut RecordBatch, budget: &mut Budget, give: &mut impl FnMut(Fetched)) {
    if !joined.is_empty() {
        budget.take(joined);
        give(Fetched { tp: tp.clone(), records: std::mem::take(joined) });
    }
}

/// Several cursors, read in turns so that none starves.
#[derive(Default)]
pub(super) struct Cursors {
    pub(super) list: Vec<Cursor>,
    first: usize,
}

impl Cursors {
    /// Adds what is there from all cursors that `wanted` accepts; true if there was something.
    pub(super) fn fetch(
        &mut self,
        shared: &Shared,
        max_records: usize,
        wanted: impl Fn(&TopicPartition) -> bool,
        mut give: impl FnMut(Fetched),
    ) -> Result<bool> {
        let count = self.list.len();
        if count == 0 {
            return Ok(false);
        }
        let mut budget = Budget::new(max_records);
        let start = self.first % count;
        let mut found = false;
        for step in 0..count {
            let cursor = &mut self.list[(start + step) % count];
            if wanted(&cursor.tp) {
                cursor.fetch(shared, &mut budget, |fetched| {
                    found = true;
                    give(fetched);
                })?;
            }
            if budget.is_spent() {
                // Whoever comes next begins the next round.
                self.first = start + step + 1;
                return Ok(found);
            }
        }
        self.first = start;
        Ok(found)
    }
}
