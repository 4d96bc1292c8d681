//! One partition: what has arrived of it, and how far its records were given out.

use super::packed::unpack;
use super::records::{BatchHeader, Codec, RecordCursor, Unreadable};
use crate::topic::TopicPartition;
use calzone_types::RecordBatch;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Where a partition's records come from, and how far.
pub(super) struct Lane {
    pub(super) tp: Arc<TopicPartition>,
    /// The offset after the last record that was given out.
    pub(super) next: i64,
    /// Where the next request begins.
    pub(super) fetched_to: i64,
    pub(super) paused: bool,
    /// The broker that leads it, once that is known.
    pub(super) leader: Option<i32>,
    /// After an error it is not asked for before this.
    pub(super) rests_until: Option<Instant>,
    chunks: VecDeque<Chunk>,
}

/// Whole batches of one response.
struct Chunk {
    response: Arc<Vec<u8>>,
    /// What is left of them in the response.
    left: Range<usize>,
    /// Aborted transactions that have not begun yet: producer and first offset, by offset.
    aborted: VecDeque<(i64, i64)>,
    /// Producers whose aborted transaction goes on.
    aborting: Vec<i64>,
    current: Option<Current>,
}

/// The batch whose records are being given out.
struct Current {
    cursor: RecordCursor,
    body: Body,
}

enum Body {
    InResponse(Range<usize>),
    Unpacked(Vec<u8>),
}

impl Lane {
    pub(super) fn new(tp: Arc<TopicPartition>, offset: i64) -> Lane {
        let chunks = VecDeque::new();
        Lane { tp, next: offset, fetched_to: offset, paused: false, leader: None, rests_until: None, chunks }
    }

    pub(super) fn has_records(&self) -> bool {
        !self.paused && !self.chunks.is_empty()
    }

    /// Bytes of batches that were not opened yet.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.left.len()).sum()
    }

    /// Is everything given out that has arrived?
    pub(super) fn is_drained(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Begins again at another place.
    pub(super) fn seek(&mut self, offset: i64) {
        (self.next, self.fetched_to) = (offset, offset);
        self.chunks.clear();
    }

    /// Takes what has arrived; what is only a part of a batch is asked for again.
    pub(super) fn add(
        &mut self,
        response: &Arc<Vec<u8>>,
        records: Range<usize>,
        mut aborted: Vec<(i64, i64)>,
    ) -> Result<(), Unreadable> {
        let mut end = records.start;
        while let Some(header) = BatchHeader::read(&response[end..records.end])? {
            header.codec()?;
            end += header.length;
            self.fetched_to = self.fetched_to.max(header.last_offset() + 1);
        }
        if end > records.start {
            aborted.sort_by_key(|(_, first)| *first);
            let left = records.start..end;
            self.chunks.push_back(Chunk {
                response: response.clone(),
                left,
                aborted: aborted.into(),
                aborting: Vec::new(),
                current: None,
            });
        }
        Ok(())
    }

    /// Copies at most `wanted` records; gives the memory of responses back that are done with.
    pub(super) fn take(&mut self, wanted: usize, out: &mut RecordBatch, spare: &mut Vec<Vec<u8>>) -> Result<usize, Unreadable> {
        let mut taken = 0;
        while taken < wanted
            && let Some(chunk) = self.chunks.front_mut()
        {
            match &mut chunk.current {
                Some(current) => {
                    let body = match &current.body {
                        Body::InResponse(place) => &chunk.response[place.clone()],
                        Body::Unpacked(bytes) => bytes,
                    };
                    taken += current.cursor.copy(body, self.tp.partition, self.next, wanted - taken, out)?;
                    if current.cursor.is_done() {
                        self.next = self.next.max(current.cursor.last_offset() + 1);
                        chunk.current = None;
                    }
                }
                None if !chunk.left.is_empty() => {
                    if let Some(past) = chunk.open_next(spare)? {
                        self.next = self.next.max(past + 1);
                    }
                }
                None => {
                    if let Some(chunk) = self.chunks.pop_front()
                        && let Some(bytes) = Arc::into_inner(chunk.response)
                    {
                        spare.push(bytes);
                    }
                }
            }
        }
        if taken > 0 {
            self.next = self.next.max(out.get(out.len() - 1).offset + 1);
        }
        Ok(taken)
    }
}

impl Chunk {
    /// Opens the next batch; gives its last offset if none of its records count.
    fn open_next(&mut self, spare: &mut Vec<Vec<u8>>) -> Result<Option<i64>, Unreadable> {
        const MISSING: Unreadable = Unreadable::Broken("a batch that was there before");
        let start = self.left.start;
        let header = BatchHeader::read(&self.response[self.left.clone()])?.ok_or(MISSING)?;
        self.left.start += header.length;
        let place = start + header.body().start..start + header.body().end;
        while let Some((producer, first)) = self.aborted.front()
            && *first <= header.last_offset()
        {
            self.aborting.push(*producer);
            self.aborted.pop_front();
        }
        let is_aborted = self.aborting.contains(&header.producer_id);
        if header.is_control() {
            if is_aborted && header.aborts(&self.response[place]) {
                self.aborting.retain(|producer| *producer != header.producer_id);
            }
            return Ok(Some(header.last_offset()));
        }
        if header.is_transactional() && is_aborted {
            return Ok(Some(header.last_offset()));
        }
        let body = match header.codec()? {
            Codec::None => Body::InResponse(place),
            codec => {
                let mut bytes = spare.pop().unwrap_or_default();
                unpack(codec, &self.response[place], &mut bytes)?;
                Body::Unpacked(bytes)
            }
        };
        self.current = Some(Current { cursor: RecordCursor::new(header), body });
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::batch;
    use super::*;

    fn records(count: i64) -> Vec<(Option<Vec<u8>>, Option<Vec<u8>>, i64, Vec<(String, Option<Vec<u8>>)>)> {
        (0..count).map(|n| (None, Some(vec![n as u8]), 1000 + n, Vec::new())).collect()
    }

    /// What a producer's mark at the end of a transaction looks like.
    fn mark(base: i64, producer: i64, commits: bool) -> Vec<u8> {
        let key = vec![0, 0, 0, u8::from(commits)];
        batch(base, 0x30, producer, &[(Some(key), Some(vec![0; 6]), 1000, Vec::new())])
    }

    fn take_all(lane: &mut Lane, step: usize) -> Vec<i64> {
        let (mut found, mut spare) = (Vec::new(), Vec::new());
        while lane.has_records() {
            let mut out = RecordBatch::default();
            lane.take(step, &mut out, &mut spare).unwrap();
            found.extend(out.iter().map(|record| record.offset));
        }
        found
    }

    #[test]
    fn aborted_transactions_are_left_out_and_those_beside_them_are_not() {
        // Two producers in turns: 7 aborts what 9 commits, then 7 commits.
        let mut bytes = Vec::new();
        bytes.extend(batch(10, 0x10, 7, &records(2)));
        bytes.extend(batch(12, 0x10, 9, &records(2)));
        bytes.extend(batch(14, 0x10, 7, &records(1)));
        bytes.extend(mark(15, 7, false));
        bytes.extend(mark(16, 9, true));
        bytes.extend(batch(17, 0x10, 7, &records(2)));
        bytes.extend(mark(19, 7, true));
        // Not of a transaction at all.
        bytes.extend(batch(20, 0, 7, &records(1)));
        let response = Arc::new(bytes);
        for step in [1, 2, 100] {
            let mut lane = Lane::new(Arc::new(TopicPartition::new("t", 0)), 10);
            lane.add(&response, 0..response.len(), vec![(7, 10)]).unwrap();
            assert_eq!(lane.fetched_to, 21);
            assert_eq!(take_all(&mut lane, step), [12, 13, 17, 18, 20]);
            assert_eq!(lane.next, 21);
        }
    }

    #[test]
    fn a_fetch_in_the_middle_of_a_batch_begins_there_and_a_cut_one_is_asked_for_again() {
        let mut bytes = batch(0, 0, -1, &records(5));
        bytes.extend(batch(5, 0, -1, &records(5)));
        let response = Arc::new(bytes);
        let mut lane = Lane::new(Arc::new(TopicPartition::new("t", 0)), 3);
        lane.add(&response, 0..response.len() - 1, Vec::new()).unwrap();
        assert_eq!((lane.fetched_to, take_all(&mut lane, 100)), (5, vec![3, 4]));
        lane.add(&response, 0..response.len(), Vec::new()).unwrap();
        assert_eq!((lane.fetched_to, take_all(&mut lane, 2)), (10, vec![5, 6, 7, 8, 9]));
        lane.seek(1);
        assert!(!lane.has_records());
        assert_eq!((lane.next, lane.fetched_to), (1, 1));
    }
}
