//! Reads without a group.

use super::Shared;
use super::cursor::{Cursor, Cursors};
use super::signal::{Signal, Wake, deadline};
use crate::error::Result;
use crate::reader::{Fetched, Reader, StartOffset};
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    cursors: Cursors,
    signal: Arc<Signal>,
}

impl EmbeddedReader {
    pub(super) fn new(shared: Arc<Shared>, starts: &[(TopicPartition, StartOffset)]) -> Result<EmbeddedReader> {
        let signal = Arc::new(Signal::default());
        let mut cursors = Cursors::default();
        let mut known: Vec<Arc<str>> = Vec::new();
        for (tp, start) in starts {
            let topic = shared.topics.get(&tp.topic)?;
            if !known.contains(&tp.topic) {
                topic.add_waiter(&signal);
                known.push(tp.topic.clone());
            }
            let position = match start {
                StartOffset::Earliest => 0,
                StartOffset::Latest => i64::MAX,
                StartOffset::At(offset) => *offset,
            };
            cursors.list.push(Cursor::new(topic, tp.partition, position)?);
        }
        Ok(EmbeddedReader { shared, cursors, signal })
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, out: &mut Vec<Fetched>, max_records: usize, timeout: Duration) -> Result<()> {
        let deadline = deadline(timeout);
        loop {
            if self.cursors.fetch(&self.shared, max_records, |_| true, |fetched| out.push(fetched))? {
                return Ok(());
            }
            if self.signal.wait(deadline) != Wake::Data {
                return Ok(());
            }
        }
    }

    fn position(&self, tp: &TopicPartition) -> i64 {
        self.cursors.list.iter().find(|cursor| *cursor.tp == *tp).map_or(0, Cursor::position)
    }

    fn end_offsets(&self) -> Result<Vec<(TopicPartition, i64)>> {
        self.cursors.list.iter().map(|cursor| Ok(((*cursor.tp).clone(), cursor.end()?))).collect()
    }

    fn wake_handle(&self) -> WakeHandle {
        let signal = self.signal.clone();
        Arc::new(move || signal.wake())
    }
}
