//! Appends without a group.

use super::Shared;
use super::append::{self, Outbox};
use crate::error::Result;
use crate::log::Appender;
use calzone_types::RecordBatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub(super) struct EmbeddedAppender {
    shared: Arc<Shared>,
    turn: AtomicU32,
}

impl EmbeddedAppender {
    pub(super) fn new(shared: Arc<Shared>) -> EmbeddedAppender {
        EmbeddedAppender { shared, turn: AtomicU32::new(0) }
    }
}

impl Appender for EmbeddedAppender {
    fn append(&self, topic: &str, records: &RecordBatch) -> Result<Vec<(i32, i64)>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let topic = self.shared.topics.get(topic)?;
        let mut outbox = Outbox::default();
        let mut places = Vec::with_capacity(records.len());
        let mut turn = self.turn.fetch_add(records.len() as u32, Ordering::Relaxed);
        outbox.push(&topic, records, &mut turn, |lane, number| places.push((lane, number)))?;
        let lanes = outbox.lane_partitions();
        let bases = append::write(&self.shared, outbox, self.shared.database.batch())?;
        Ok(places.into_iter().map(|(lane, number)| (lanes[lane], bases[lane] + number)).collect())
    }
}
