//! Records out of a log, without a group.

use crate::error::Result;
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use calzone_types::RecordBatch;
use std::sync::Arc;
use std::time::Duration;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOffset {
    /// The first record there is.
    Earliest,
    /// The first record after now.
    Latest,
    /// This record, or the next that still exists.
    At(i64),
}

/// Records of one partition, in the order of their offsets.
#[derive(Debug)]
pub struct Fetched {
    pub tp: Arc<TopicPartition>,
    pub records: RecordBatch,
}

pub trait Reader: Send {
    /// Adds what is there, at most `max_records`; waits for the first record up to the timeout.
    fn poll(&mut self, out: &mut Vec<Fetched>, max_records: usize, timeout: Duration) -> Result<()>;

    /// The offset after the last record given out, past offsets that hold no record (transaction markers, aborted
    /// records); 0 for a partition that is not read here.
    fn position(&self, tp: &TopicPartition) -> i64;

    /// Where each partition ends now: reading is complete when [`Reader::position`] has reached it.
    fn end_offsets(&self) -> Result<Vec<(TopicPartition, i64)>>;

    /// Ends a waiting `poll` from another thread.
    fn wake_handle(&self) -> WakeHandle;
}
