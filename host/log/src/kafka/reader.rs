//! Reads without a group.

use super::Shared;
use super::native::{Code, Consumer, Notice, OffsetSpec, Place, error_for};
use super::settings::ClientKind;
use crate::error::{LogError, Result};
use crate::reader::{Fetched, Reader, StartOffset};
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    consumer: Consumer,
    partitions: Vec<TopicPartition>,
    positions: BTreeMap<TopicPartition, i64>,
}

impl KafkaReader {
    pub(super) fn new(shared: Arc<Shared>, starts: &[(TopicPartition, StartOffset)]) -> Result<KafkaReader> {
        let mut positions = BTreeMap::new();
        // Resolved now, so that "latest" means now and not when the first fetch happens to arrive.
        for (wanted, spec) in [(StartOffset::Earliest, OffsetSpec::Earliest), (StartOffset::Latest, OffsetSpec::Latest)] {
            let asked: Vec<TopicPartition> =
                starts.iter().filter(|(_, start)| *start == wanted).map(|(tp, _)| tp.clone()).collect();
            let offsets = shared.offsets(&asked, spec)?;
            positions.extend(asked.into_iter().zip(offsets));
        }
        for (tp, start) in starts {
            if let StartOffset::At(offset) = start {
                positions.insert(tp.clone(), *offset);
            }
        }
        let mut settings = shared.client_settings(ClientKind::Consumer, &BTreeMap::new());
        // Needed by name only: nothing joins or commits.
        settings.set("group.id", "calzone-reader");
        settings.set("auto.offset.reset", "earliest");
        // Ends of partitions carry the position past offsets without a record.
        settings.set("enable.partition.eof", "true");
        let consumer = Consumer::new(&settings)?;
        let places = positions.iter().map(|(tp, offset)| Place::new(tp.clone(), *offset)).collect();
        consumer.assign(places).map_err(|error| error.while_doing("assigning partitions to a reader"))?;
        let partitions = starts.iter().map(|(tp, _)| tp.clone()).collect();
        Ok(KafkaReader { shared, consumer, partitions, positions })
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, out: &mut Vec<Fetched>, max_records: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let before = out.len();
        let mut failure = None;
        let mut moved = false;
        let positions = &mut self.positions;
        let mut give = |fetched: Fetched| {
            if let Some(last) = fetched.records.len().checked_sub(1) {
                positions.insert((*fetched.tp).clone(), fetched.records.get(last).offset + 1);
            }
            out.push(fetched);
        };
        let mut ends = Vec::new();
        let mut notice = |notice| match notice {
            Notice::End { tp, next } => {
                moved = true;
                ends.push((tp, next));
            }
            Notice::Failed { tp, code, text } => failure = failure.take().or_else(|| failure_of(tp.as_ref(), code, text)),
        };
        let polled = self.consumer.poll(max_records, deadline.saturating_duration_since(Instant::now()), &mut give, &mut notice);
        for (tp, next) in ends {
            let position = self.positions.entry(tp).or_insert(0);
            *position = next.max(*position);
        }
        polled.map_err(|error| error.while_doing("reading from Kafka"))?;
        // Records first; the failure comes back with the next poll if it lasts.
        match failure {
            Some(failure) if out.len() == before && !moved => Err(failure),
            _ => Ok(()),
        }
    }

    fn position(&self, tp: &TopicPartition) -> i64 {
        self.positions.get(tp).copied().unwrap_or(0)
    }

    fn end_offsets(&self) -> Result<Vec<(TopicPartition, i64)>> {
        let ends = self.shared.offsets(&self.partitions, OffsetSpec::Latest)?;
        Ok(self.partitions.iter().cloned().zip(ends).collect())
    }

    fn wake_handle(&self) -> WakeHandle {
        self.consumer.wake_handle()
    }
}

/// What a consumer's complaint means; `None` for what librdkafka mends by itself, as it has logged already.
pub(super) fn failure_of(tp: Option<&TopicPartition>, code: Code, text: String) -> Option<LogError> {
    let action = match tp {
        Some(tp) => format!("reading {tp}"),
        None => String::from("reading from Kafka"),
    };
    match error_for(code, action, text, tp.map(|tp| &*tp.topic)) {
        LogError::Retriable { .. } => None,
        error => Some(error),
    }
}
