//! A member of a consumer group, with the producer that commits what came of its input.

use super::fetch::{Fetcher, Unsupported};
use super::native::{Consumer, NativeError, Notice, OffsetSpec, Place, Rebalance};
use super::reader::failure_of;
use super::settings::ClientKind;
use super::transaction::{COMMIT_TIME_MAX, Output};
use super::{Shared, TOPIC_SETTLE_TIME_MAX, positions};
use crate::error::{LogError, Result};
use crate::reader::Fetched;
use crate::topic::TopicPartition;
use crate::worker::{Assignment, CommitOutcome, Event, Guarantee, Reset, WakeHandle, Worker, WorkerOptions};
use calzone_state::{Durability, WriteBatch};
use calzone_types::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one poll may wait for the committed offsets of new partitions; the next poll tries again.
const COMMITTED_TIME_MAX: Duration = Duration::from_secs(3);
const COMMIT_STEP: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct KafkaWorker {
    // Dropped in this order: an open transaction ends before others may take the partitions.
    output: Output,
    /// The member of the group; it reads records only where the fetcher cannot.
    consumer: Consumer,
    fetcher: Option<Fetcher>,
    shared: Arc<Shared>,
    options: WorkerOptions,
    owned: Vec<TopicPartition>,
    /// Where to begin in a partition without a committed offset.
    starts: BTreeMap<TopicPartition, i64>,
    paused: BTreeSet<TopicPartition>,
    /// Given to us by the coordinator; their committed offsets are not known yet.
    arriving: Option<Vec<TopicPartition>>,
    /// The revocation was announced; the next poll completes it.
    leaving: bool,
    /// After an abort everything begins again at what is committed.
    rewind: bool,
    made: Instant,
}

impl KafkaWorker {
    pub(super) fn new(shared: Arc<Shared>, options: WorkerOptions) -> Result<KafkaWorker> {
        let mut partitions = Vec::new();
        for topic in &options.topics {
            partitions.extend(shared.partitions(topic)?);
        }
        let spec = match options.auto_offset_reset {
            Reset::Earliest => OffsetSpec::Earliest,
            Reset::Latest => OffsetSpec::Latest,
        };
        let offsets = shared.offsets(&partitions, spec)?;
        let starts = partitions.into_iter().zip(offsets).collect();
        let output = Output::new(shared.clone(), &options)?;
        let mut settings = shared.client_settings(ClientKind::Consumer, &options.client_settings);
        settings.set("group.id", &options.group);
        settings.set_member(&options.transactional_id);
        // For committed offsets that no longer exist.
        settings.set("auto.offset.reset", if options.auto_offset_reset == Reset::Latest { "latest" } else { "earliest" });
        let mut consumer = Consumer::new(&settings)?;
        let fetcher = Fetcher::new(&shared, &settings, spec)?;
        if let Some(fetcher) = &fetcher {
            consumer.wake_by(fetcher.wake_handle());
        }
        consumer.subscribe(&options.topics).map_err(|error| error.while_doing(format!("joining group '{}'", options.group)))?;
        Ok(KafkaWorker {
            output,
            consumer,
            fetcher,
            shared,
            options,
            owned: Vec::new(),
            starts,
            paused: BTreeSet::new(),
            arriving: None,
            leaving: false,
            rewind: false,
            made: Instant::now(),
        })
    }

    fn failed(&self, error: NativeError, action: &str) -> LogError {
        error.while_doing(format!("{action} of group '{}'", self.options.group))
    }

    /// The error if another worker of our name has joined the group.
    fn taken_over(&self) -> Option<LogError> {
        self.consumer.fatal_error().filter(|error| error.code.is_fenced()).map(|error| self.failed(error, "being a member"))
    }

    /// Takes over the partitions that have arrived, if the group can say where they begin.
    fn take_over(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let Some(partitions) = self.arriving.take() else { return Ok(()) };
        if partitions.is_empty() {
            self.owned.clear();
            out.push(Event::Assigned(Vec::new()));
            return self.read_from(Vec::new());
        }
        let committed = match self.consumer.committed(&partitions, COMMITTED_TIME_MAX) {
            Ok(committed) => committed,
            Err(error) if error.is_retriable => {
                tracing::warn!(
                    group = self.options.group,
                    error = error.text,
                    "waiting for the committed offsets of new partitions"
                );
                self.arriving = Some(partitions);
                std::thread::sleep(RETRY_PAUSE);
                return Ok(());
            }
            Err(error) => return Err(self.failed(error, "asking for committed offsets")),
        };
        let mut assignments = Vec::with_capacity(committed.len());
        let mut begun = Vec::new();
        for place in committed {
            let committed = (place.offset >= 0).then_some(place.offset);
            let position = match committed {
                Some(offset) => offset,
                None => {
                    let start = self.start_of(&place.tp)?;
                    begun.push(Place::new(place.tp.clone(), start));
                    start
                }
            };
            assignments.push(Assignment { tp: place.tp, committed, position, metadata: place.metadata });
        }
        assignments.sort_by(|a, b| a.tp.cmp(&b.tp));
        self.owned = assignments.iter().map(|assignment| assignment.tp.clone()).collect();
        self.read_from(assignments.iter().map(|assignment| (assignment.tp.clone(), assignment.position)).collect())?;
        if !begun.is_empty() && self.options.auto_offset_reset == Reset::Latest {
            // So that a restart before the first commit begins at the same place.
            if let Err(error) = self.consumer.commit(begun, COMMITTED_TIME_MAX) {
                tracing::warn!(group = self.options.group, error = error.text, "the first offsets could not be committed");
            }
        }
        out.push(Event::Assigned(assignments));
        Ok(())
    }

    /// Completes a rebalance: records come from these places from now on, but for those that are paused.
    fn read_from(&mut self, places: Vec<(TopicPartition, i64)>) -> Result<()> {
        let paused: Vec<TopicPartition> =
            places.iter().map(|(tp, _)| tp).filter(|tp| self.paused.contains(*tp)).cloned().collect();
        let assigned = match &mut self.fetcher {
            Some(fetcher) => {
                fetcher.assign(places);
                fetcher.set_paused(&paused, true);
                self.consumer.assign(Vec::new())
            }
            None => self.consumer.assign(places.into_iter().map(|(tp, offset)| Place::new(tp, offset)).collect()),
        };
        assigned.map_err(|error| self.failed(error, "taking over partitions"))?;
        if self.fetcher.is_none() && !paused.is_empty() {
            self.consumer.pause(&paused).map_err(|error| self.failed(error, "pausing partitions"))?;
        }
        Ok(())
    }

    /// Lets go of all partitions.
    fn read_nothing(&mut self) -> Result<()> {
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.assign([]);
        }
        self.consumer.unassign().map_err(|error| self.failed(error, "letting go of partitions"))
    }

    /// Adds records, or notes what the group wants; gives what stands in the way of reading.
    fn read(&mut self, out: &mut Vec<Event>, max_records: usize, wait: Duration) -> Result<Option<LogError>> {
        let mut failure = None;
        let mut give = |fetched: Fetched| out.push(Event::Records(fetched));
        let mut notice = |notice| {
            if let Notice::Failed { tp, code, text } = notice {
                failure = failure.take().or_else(|| failure_of(tp.as_ref(), code, text));
            }
        };
        let polled = match &mut self.fetcher {
            // No partition is assigned to the consumer: what comes of it is about the group.
            Some(_) => self.consumer.poll(1, Duration::ZERO, &mut |_| {}, &mut notice),
            None => self.consumer.poll(max_records, wait, &mut give, &mut notice),
        };
        let fetched = match &mut self.fetcher {
            Some(fetcher) if polled.is_ok() && !self.consumer.has_rebalance() => {
                fetcher.poll(max_records, wait, &mut give, &mut notice)
            }
            _ => Ok(()),
        };
        polled.map_err(|error| self.failed(error, "reading"))?;
        if let Err(Unsupported(why)) = fetched {
            self.stop_fetching(&why)?;
        }
        Ok(failure)
    }

    /// Lets librdkafka read from here on.
    fn stop_fetching(&mut self, why: &str) -> Result<()> {
        let Some(fetcher) = self.fetcher.take() else { return Ok(()) };
        tracing::info!(group = self.options.group, why, "librdkafka reads the records from here on, which takes more time");
        self.read_from(fetcher.positions())
    }

    /// A partition that was added after the worker was made begins with its first record.
    fn start_of(&self, tp: &TopicPartition) -> Result<i64> {
        match self.starts.get(tp) {
            Some(start) => Ok(*start),
            None => Ok(self.shared.offsets(std::slice::from_ref(tp), OffsetSpec::Earliest)?.first().copied().unwrap_or(0)),
        }
    }

    /// Follows what the coordinator wished for during the last poll.
    fn follow(&mut self, rebalance: Rebalance, out: &mut Vec<Event>) -> Result<()> {
        match rebalance {
            Rebalance::Assign(partitions) => self.arriving = Some(partitions),
            Rebalance::Revoke { lost: false } if !self.owned.is_empty() => {
                self.arriving = None;
                self.leaving = true;
                out.push(Event::Revoked(self.owned.clone()));
            }
            Rebalance::Revoke { lost } => {
                self.arriving = None;
                let gone = std::mem::take(&mut self.owned);
                self.read_nothing()?;
                if lost && !gone.is_empty() {
                    self.output.abort()?;
                    out.push(Event::Lost(gone));
                }
            }
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        if std::mem::take(&mut self.leaving) {
            self.owned.clear();
            self.read_nothing()?;
        }
        Ok(())
    }

    /// At least once: records, then offsets.
    fn commit_in_steps(&mut self, places: &[Place]) -> Result<CommitOutcome> {
        let deadline = Instant::now() + COMMIT_TIME_MAX;
        match self.output.flush(deadline) {
            Ok(()) => {}
            Err(failure) if failure.blames_record() => return Err(failure),
            Err(failure) => return Ok(CommitOutcome::Aborted { cause: failure.to_string() }),
        }
        if places.is_empty() {
            return Ok(CommitOutcome::Committed);
        }
        loop {
            match self.consumer.commit(places.to_vec(), COMMIT_STEP) {
                Ok(()) => return Ok(CommitOutcome::Committed),
                Err(error) if error.code.is_stale_member() => return Ok(CommitOutcome::Aborted { cause: error.text }),
                Err(error) if error.is_retriable && Instant::now() < deadline => std::thread::sleep(RETRY_PAUSE),
                Err(error) if error.is_retriable => return Ok(CommitOutcome::Aborted { cause: error.text }),
                Err(error) => return Err(self.failed(error, "committing offsets")),
            }
        }
    }
}

impl Worker for KafkaWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let before = out.len();
        loop {
            match self.output.revive() {
                Ok(false) => {}
                Ok(true) => self.rewind = true,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(group = self.options.group, %error, "waiting for the cluster");
                    std::thread::sleep(RETRY_PAUSE);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            self.leave()?;
            if std::mem::take(&mut self.rewind) && self.arriving.is_none() && !self.owned.is_empty() {
                self.arriving = Some(self.owned.clone());
            }
            self.take_over(out)?;
            let wait = match out.len() > before {
                true => Duration::ZERO,
                false => deadline.saturating_duration_since(Instant::now()),
            };
            let failure = self.read(out, max_records, wait)?;
            let mut rebalanced = false;
            while !self.leaving
                && let Some(rebalance) = self.consumer.next_rebalance()
            {
                rebalanced = true;
                self.follow(rebalance, out)?;
            }
            if out.len() > before {
                return Ok(());
            }
            match failure {
                // Not every broker knows a new topic at once.
                Some(LogError::TopicMissing { .. }) if self.made.elapsed() < TOPIC_SETTLE_TIME_MAX => {}
                Some(failure) => return Err(self.taken_over().unwrap_or(failure)),
                None => {}
            }
            // Nothing came and there is time left: a wake-up, unless partitions are on their way.
            if Instant::now() >= deadline || !(rebalanced || self.arriving.is_some()) {
                return Ok(());
            }
        }
    }

    fn recycle(&mut self, records: RecordBatch) {
        match &mut self.fetcher {
            Some(fetcher) => fetcher.recycle(records),
            None => self.consumer.recycle(records),
        }
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.output.send(topic, records)
    }

    fn flush(&mut self) -> Result<()> {
        match self.options.guarantee {
            Guarantee::AtLeastOnce => self.output.flush(Instant::now() + COMMIT_TIME_MAX),
            Guarantee::ExactlyOnce => Ok(()),
        }
    }

    fn uncommitted_bytes(&self) -> usize {
        self.output.uncommitted_bytes()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], mut state: WriteBatch) -> Result<CommitOutcome> {
        if let Some((tp, _, _)) = offsets.iter().find(|(tp, _, _)| !self.owned.contains(tp)) {
            let cause = format!("{tp} belongs to another worker of group '{}'", self.options.group);
            self.abort()?;
            return Ok(CommitOutcome::Aborted { cause });
        }
        let place = |(tp, offset, metadata): &(TopicPartition, i64, String)| Place {
            metadata: metadata.clone(),
            ..Place::new(tp.clone(), *offset)
        };
        let places: Vec<Place> = offsets.iter().map(place).collect();
        let outcome = match self.options.guarantee {
            Guarantee::ExactlyOnce => self.output.commit(places, &self.consumer.group_proof()),
            Guarantee::AtLeastOnce => self.commit_in_steps(&places),
        };
        if !matches!(outcome, Ok(CommitOutcome::Committed)) {
            self.rewind = true;
            return outcome;
        }
        for (tp, end) in self.output.take_changelog_ends() {
            positions::put(&self.shared.positions, &mut state, &tp, end);
        }
        // The changelog has it all: a power cut may put the stores back, never forward.
        state.commit(Durability::Buffered)?;
        Ok(CommitOutcome::Committed)
    }

    fn abort(&mut self) -> Result<()> {
        self.rewind = true;
        self.output.abort()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused.extend(partitions.iter().cloned());
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.set_paused(partitions, true);
            return Ok(());
        }
        let ours: Vec<TopicPartition> = partitions.iter().filter(|tp| self.owned.contains(tp)).cloned().collect();
        self.consumer.pause(&ours).map_err(|error| self.failed(error, "pausing partitions"))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for tp in partitions {
            self.paused.remove(tp);
        }
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.set_paused(partitions, false);
            return Ok(());
        }
        let ours: Vec<TopicPartition> = partitions.iter().filter(|tp| self.owned.contains(tp)).cloned().collect();
        self.consumer.resume(&ours).map_err(|error| self.failed(error, "resuming partitions"))
    }

    fn wake_handle(&self) -> WakeHandle {
        let consumer = self.consumer.wake_handle();
        let Some(fetcher) = self.fetcher.as_ref().map(Fetcher::wake_handle) else { return consumer };
        Arc::new(move || {
            consumer();
            fetcher();
        })
    }
}
