//! Reads without a group.

use super::Shared;
use super::fetch::{Fetcher, Unsupported};
use super::native::{Code, Consumer, NativeError, Notice, OffsetSpec, Place, error_for};
use super::settings::{ClientKind, ClientSettings};
use crate::error::{LogError, Result};
use crate::reader::{Fetched, Reader, StartOffset};
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct KafkaReader {
    shared: Arc<Shared>,
    settings: ClientSettings,
    partitions: Vec<TopicPartition>,
    source: Source,
    /// Ends a poll of the source that is in use.
    wake: Arc<Mutex<WakeHandle>>,
}

/// What reads.
enum Source {
    Fetcher(Box<Fetcher>),
    /// Where the fetcher cannot; with the offsets after what was given out.
    Consumer(Consumer, BTreeMap<TopicPartition, i64>),
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
        let partitions = starts.iter().map(|(tp, _)| tp.clone()).collect();
        let source = match Fetcher::new(&shared, &settings, OffsetSpec::Earliest)? {
            Some(mut fetcher) => {
                fetcher.assign(positions);
                Source::Fetcher(Box::new(fetcher))
            }
            None => read_by_consumer(&settings, positions)?,
        };
        let wake = Arc::new(Mutex::new(source.wake_handle()));
        Ok(KafkaReader { shared, settings, partitions, source, wake })
    }
}

fn read_by_consumer(settings: &ClientSettings, positions: BTreeMap<TopicPartition, i64>) -> Result<Source> {
    let consumer = Consumer::new(settings)?;
    let places = positions.iter().map(|(tp, offset)| Place::new(tp.clone(), *offset)).collect();
    consumer.assign(places).map_err(|error| error.while_doing("assigning partitions to a reader"))?;
    Ok(Source::Consumer(consumer, positions))
}

impl Source {
    fn wake_handle(&self) -> WakeHandle {
        match self {
            Source::Fetcher(fetcher) => fetcher.wake_handle(),
            Source::Consumer(consumer, _) => consumer.wake_handle(),
        }
    }

    /// Adds records; true if the position has moved without any.
    fn poll(
        &mut self,
        out: &mut Vec<Fetched>,
        max_records: usize,
        timeout: Duration,
        failed: &mut dyn FnMut(LogError),
    ) -> std::result::Result<bool, PollError> {
        let mut ends = Vec::new();
        let mut notice = |notice| match notice {
            Notice::End { tp, next } => ends.push((tp, next)),
            Notice::Failed { tp, code, text } => {
                if let Some(failure) = failure_of(tp.as_ref(), code, text) {
                    failed(failure);
                }
            }
        };
        match self {
            Source::Fetcher(fetcher) => fetcher.poll(max_records, timeout, &mut |fetched| out.push(fetched), &mut notice)?,
            Source::Consumer(consumer, positions) => {
                let mut give = |fetched: Fetched| {
                    if let Some(last) = fetched.records.len().checked_sub(1) {
                        positions.insert((*fetched.tp).clone(), fetched.records.get(last).offset + 1);
                    }
                    out.push(fetched);
                };
                consumer.poll(max_records, timeout, &mut give, &mut notice)?;
                for (tp, next) in &ends {
                    let position = positions.entry(tp.clone()).or_insert(0);
                    *position = (*next).max(*position);
                }
            }
        }
        Ok(!ends.is_empty())
    }
}

enum PollError {
    Native(NativeError),
    Unsupported(Unsupported),
}

impl From<NativeError> for PollError {
    fn from(error: NativeError) -> PollError {
        PollError::Native(error)
    }
}

impl From<Unsupported> for PollError {
    fn from(error: Unsupported) -> PollError {
        PollError::Unsupported(error)
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, out: &mut Vec<Fetched>, max_records: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let before = out.len();
        let mut failure = None;
        let mut failed = |found| failure = failure.take().or(Some(found));
        let polled = self.source.poll(out, max_records, deadline.saturating_duration_since(Instant::now()), &mut failed);
        let moved = match polled {
            Ok(moved) => moved,
            Err(PollError::Native(error)) => return Err(error.while_doing("reading from Kafka")),
            Err(PollError::Unsupported(Unsupported(why))) => {
                tracing::info!(why, "librdkafka reads the records from here on, which takes more time");
                if let Source::Fetcher(fetcher) = &self.source {
                    self.source = read_by_consumer(&self.settings, fetcher.positions().into_iter().collect())?;
                    *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = self.source.wake_handle();
                }
                return Ok(());
            }
        };
        // Records first; the failure comes back with the next poll if it lasts.
        match failure {
            Some(failure) if out.len() == before && !moved => Err(failure),
            _ => Ok(()),
        }
    }

    fn position(&self, tp: &TopicPartition) -> i64 {
        match &self.source {
            Source::Fetcher(fetcher) => fetcher.position(tp),
            Source::Consumer(_, positions) => positions.get(tp).copied(),
        }
        .unwrap_or(0)
    }

    fn end_offsets(&self) -> Result<Vec<(TopicPartition, i64)>> {
        let ends = self.shared.offsets(&self.partitions, OffsetSpec::Latest)?;
        Ok(self.partitions.iter().cloned().zip(ends).collect())
    }

    fn wake_handle(&self) -> WakeHandle {
        let wake = self.wake.clone();
        Arc::new(move || {
            let wake = wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
            wake();
        })
    }
}

/// What a consumer's complaint means; `None` for what is mended by itself, as was logged already.
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
