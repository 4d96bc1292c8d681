//! What a worker sends, until it is committed or dropped.

use super::Shared;
use super::appender::{check_timestamp, delivery_failure, sending_failed};
use super::native::{Code, Delivery, GroupProof, NativeError, Place, Producer, Topic};
use super::settings::{ClientKind, ClientSettings};
use crate::error::{LogError, Result};
use crate::partitioner::partition_for_key;
use crate::topic::TopicPartition;
use crate::worker::{CommitOutcome, Guarantee, WorkerOptions};
use calzone_types::RecordBatch;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a commit tries before it is given up: longer than a broker's restart, shorter than the group's patience.
pub(super) const COMMIT_TIME_MAX: Duration = Duration::from_secs(60);
const INIT_TIME_MAX: Duration = Duration::from_secs(30);
const REVIVE_TIME_MAX: Duration = Duration::from_secs(5);
const ABORT_TIME_MAX: Duration = Duration::from_secs(10);
/// Calls that may have to be repeated are made for so long at a time, since delivery reports must be taken between.
const STEP: Duration = Duration::from_secs(1);
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);

pub(super) struct Output {
    /// Made when there is something to send, unless it must end transactions that an earlier worker left open: a client
    /// has threads of its own, and many queries write seldom.
    producer: Option<Producer>,
    shared: Arc<Shared>,
    settings: ClientSettings,
    transactional: bool,
    /// Why the producer can do no more. The next one settles what became of its transaction.
    broken: Option<String>,
    /// A transaction has begun.
    open: bool,
    uncommitted_bytes: usize,
    topics: HashMap<String, (Topic, u64)>,
    partition_counts: HashMap<String, i32>,
    changelogs: Vec<String>,
    reports: Reports,
}

/// What delivery reports said since the last commit.
#[derive(Default)]
struct Reports {
    failure: Option<LogError>,
    /// By changelog number and partition: the offset after the last delivered record.
    changelog_ends: BTreeMap<(u64, i32), i64>,
}

impl Reports {
    fn note(&mut self, delivery: Delivery) {
        if delivery.code.is_ok() {
            if delivery.tag > 0 && delivery.offset >= 0 {
                let end = self.changelog_ends.entry((delivery.tag, delivery.partition)).or_insert(0);
                *end = (delivery.offset + 1).max(*end);
            }
        } else if self.failure.is_none() && delivery.code != Code::PURGE_QUEUE && delivery.code != Code::PURGE_INFLIGHT {
            self.failure = Some(delivery_failure(&delivery));
        }
    }
}

/// What an error of a transactional call asks for.
enum Verdict {
    Again(NativeError),
    Abort(String),
    Fenced(String),
    Failed(NativeError),
}

fn judge(error: NativeError) -> Verdict {
    match error {
        error if error.is_fatal && error.code.is_fenced() => Verdict::Fenced(error.text),
        error if error.is_fatal => Verdict::Failed(error),
        error if error.requires_abort || error.code.is_stale_member() => Verdict::Abort(error.text),
        error if error.code.is_fenced() => Verdict::Fenced(error.text),
        error if error.is_retriable => Verdict::Again(error),
        error => Verdict::Failed(error),
    }
}

impl Output {
    pub(super) fn new(shared: Arc<Shared>, options: &WorkerOptions) -> Result<Output> {
        let mut settings = shared.client_settings(ClientKind::Producer, &options.client_settings);
        let transactional = options.guarantee == Guarantee::ExactlyOnce;
        if transactional {
            settings.set_transactional(&options.transactional_id);
        }
        // Only changelog records must be reported when they arrive.
        settings.set("delivery.report.only.error", if options.changelog_topics.is_empty() { "true" } else { "false" });
        let producer = match transactional {
            true => Some(connect(&settings, transactional, INIT_TIME_MAX)?),
            false => {
                Producer::check(&settings)?;
                None
            }
        };
        Ok(Output {
            producer,
            shared,
            settings,
            transactional,
            broken: None,
            open: false,
            uncommitted_bytes: 0,
            topics: HashMap::new(),
            partition_counts: HashMap::new(),
            changelogs: options.changelog_topics.clone(),
            reports: Reports::default(),
        })
    }

    /// Replaces a producer that can do no more, as after its broker lost a transaction; true if it did. What the old
    /// one had not committed is dropped, so the input must begin again at what is committed.
    ///
    /// # Errors
    /// `Retriable` while the cluster does not answer; `Fenced` if somebody else works under our name.
    pub(super) fn revive(&mut self) -> Result<bool> {
        if self.broken.is_none() {
            match self.producer.as_ref().and_then(|producer| producer.client().fatal_error()) {
                Some(error) if error.code.is_fenced() => return Err(error.while_doing("producing to Kafka")),
                Some(error) => self.broken = Some(error.text),
                None => return Ok(false),
            }
        }
        let fresh = connect(&self.settings, self.transactional, REVIVE_TIME_MAX)?;
        let cause = self.broken.take();
        tracing::warn!(cause, "the producer was replaced; work goes on at the last commit");
        // Handles are freed with the producer they belong to.
        self.topics.clear();
        self.producer = Some(fresh);
        self.open = false;
        self.forget();
        Ok(true)
    }

    pub(super) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    pub(super) fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        for record in records.iter() {
            check_timestamp(record.timestamp, topic)?;
        }
        self.begin()?;
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => connect(&self.settings, self.transactional, INIT_TIME_MAX)?,
        };
        let outcome = self.send_by(&producer, topic, records);
        self.producer = Some(producer);
        outcome
    }

    fn send_by(&mut self, producer: &Producer, topic: &str, records: &RecordBatch) -> Result<()> {
        let (handle, tag) = match self.topics.get(topic) {
            Some(known) => *known,
            None => {
                let handle = producer.topic(topic).map_err(|error| sending_failed(error, topic))?;
                let tag = self.changelogs.iter().position(|changelog| changelog == topic).map_or(0, |index| index as u64 + 1);
                self.topics.insert(topic.to_owned(), (handle, tag));
                (handle, tag)
            }
        };
        let deadline = Instant::now() + COMMIT_TIME_MAX;
        for mut record in records.iter() {
            if record.partition < RecordBatch::ANY_PARTITION {
                record.partition = partition_for_key(record.placing_key(), self.partition_count(topic)?);
            }
            loop {
                match producer.send(handle, record, tag) {
                    Ok(()) => break,
                    Err(error) if error.code == Code::QUEUE_FULL && Instant::now() < deadline => {
                        let reports = &mut self.reports;
                        producer.deliveries(QUEUE_FULL_WAIT, &mut |delivery| reports.note(delivery));
                    }
                    Err(error) => return Err(sending_failed(error, topic)),
                }
            }
        }
        self.uncommitted_bytes += records.byte_len();
        Ok(())
    }

    /// Asked once per topic: Kafka's own placing of keys knows nothing of the windows in them.
    fn partition_count(&mut self, topic: &str) -> Result<i32> {
        if let Some(count) = self.partition_counts.get(topic) {
            return Ok(*count);
        }
        let count = self.shared.partitions(topic)?.len() as i32;
        self.partition_counts.insert(topic.to_owned(), count);
        Ok(count)
    }

    fn begin(&mut self) -> Result<()> {
        if let Some(cause) = &self.broken {
            return Err(LogError::Retriable { action: String::from("producing to Kafka"), cause: cause.clone() });
        }
        if self.transactional && !self.open {
            if let Some(producer) = &self.producer {
                producer.begin().map_err(|error| error.while_doing("beginning a transaction"))?;
                self.open = true;
            }
        }
        Ok(())
    }

    fn take_reports(&mut self) {
        let reports = &mut self.reports;
        if let Some(producer) = &self.producer {
            producer.deliveries(Duration::ZERO, &mut |delivery| reports.note(delivery));
        }
    }

    /// Waits until all that was sent has arrived.
    ///
    /// # Errors
    /// The first record that did not.
    pub(super) fn flush(&mut self, deadline: Instant) -> Result<()> {
        let all_reported = !self.changelogs.is_empty();
        let reports = &mut self.reports;
        let Some(producer) = &self.producer else { return Ok(()) };
        let flushed = producer.flush(deadline, all_reported, &mut |delivery| reports.note(delivery));
        if let Some(failure) = self.reports.failure.take() {
            return Err(failure);
        }
        match flushed {
            true => Ok(()),
            false => Err(LogError::Retriable {
                action: String::from("flushing records to Kafka"),
                cause: format!("{} are not acknowledged after {} s", producer.pending(), COMMIT_TIME_MAX.as_secs()),
            }),
        }
    }

    /// Commits what was sent and these offsets in one transaction.
    pub(super) fn commit(&mut self, places: Vec<Place>, proof: &GroupProof) -> Result<CommitOutcome> {
        if !self.open && places.is_empty() {
            return Ok(CommitOutcome::Committed);
        }
        self.begin()?;
        let deadline = Instant::now() + COMMIT_TIME_MAX;
        // Offsets first: meanwhile the last records are on their way.
        if !places.is_empty() {
            match self.repeat(deadline, |producer| producer.send_offsets(places.clone(), proof, STEP)) {
                Ok(()) => {}
                Err(verdict) => return self.give_up("adding offsets to a transaction", verdict),
            }
        }
        if let Err(failure) = self.flush(deadline) {
            self.abort()?;
            return match failure.blames_record() {
                true => Err(failure),
                false => Ok(CommitOutcome::Aborted { cause: failure.to_string() }),
            };
        }
        match self.repeat(deadline, |producer| producer.commit_transaction(STEP)) {
            Ok(()) => {
                self.open = false;
                Ok(CommitOutcome::Committed)
            }
            Err(verdict) => self.give_up("committing a transaction", verdict),
        }
    }

    /// Makes a call until it succeeds, cannot succeed, or the deadline has passed.
    fn repeat(
        &mut self,
        deadline: Instant,
        call: impl Fn(&Producer) -> std::result::Result<(), NativeError>,
    ) -> std::result::Result<(), Verdict> {
        loop {
            let Some(Err(error)) = self.producer.as_ref().map(&call) else { return Ok(()) };
            self.take_reports();
            match judge(error) {
                Verdict::Again(_) if Instant::now() < deadline => {}
                verdict => return Err(verdict),
            }
        }
    }

    fn give_up(&mut self, action: &str, verdict: Verdict) -> Result<CommitOutcome> {
        match verdict {
            Verdict::Fenced(cause) => Ok(CommitOutcome::Fenced { cause }),
            Verdict::Abort(cause) => {
                let failure = self.reports.failure.take().filter(LogError::blames_record);
                self.abort()?;
                match failure {
                    Some(failure) => Err(failure),
                    None => Ok(CommitOutcome::Aborted { cause }),
                }
            }
            // Whether it was committed is settled by the next producer of this name.
            Verdict::Again(error) => Ok(self.break_off(format!("no answer for {} s: {}", COMMIT_TIME_MAX.as_secs(), error.text))),
            Verdict::Failed(error) if error.is_fatal => Ok(self.break_off(error.text)),
            Verdict::Failed(error) => {
                let failure = error.while_doing(action);
                self.abort()?;
                Err(failure)
            }
        }
    }

    /// Drops what was sent. Without transactions what was sent has been sent: it arrives.
    pub(super) fn abort(&mut self) -> Result<()> {
        let deadline = Instant::now() + ABORT_TIME_MAX;
        if self.open {
            let all_reported = !self.changelogs.is_empty();
            let reports = &mut self.reports;
            if let Some(producer) = &self.producer {
                producer.purge_queue();
                producer.flush(deadline, all_reported, &mut |delivery| reports.note(delivery));
            }
            let outcome = self.repeat(deadline, |producer| producer.abort_transaction(STEP));
            match outcome {
                Ok(()) => {}
                Err(Verdict::Fenced(cause)) => {
                    return Err(LogError::Fenced { action: String::from("aborting a transaction"), cause });
                }
                // The next producer of this name aborts it.
                Err(Verdict::Abort(cause)) => self.broken = Some(cause),
                Err(Verdict::Again(error) | Verdict::Failed(error)) => self.broken = Some(error.text),
            }
            self.open = false;
        } else {
            self.take_reports();
        }
        self.forget();
        Ok(())
    }

    /// After a commit or an abort.
    fn forget(&mut self) {
        self.reports = Reports::default();
        self.uncommitted_bytes = 0;
    }

    /// How far the changelogs were written, once that is committed.
    pub(super) fn take_changelog_ends(&mut self) -> Vec<(TopicPartition, i64)> {
        let ends = std::mem::take(&mut self.reports.changelog_ends);
        self.forget();
        let name = |tag: u64| self.changelogs.get(tag as usize - 1);
        ends.into_iter()
            .filter_map(|((tag, partition), end)| Some((TopicPartition::new(name(tag)?.as_str(), partition), end)))
            .collect()
    }

    fn break_off(&mut self, cause: String) -> CommitOutcome {
        self.open = false;
        self.forget();
        self.broken = Some(cause.clone());
        CommitOutcome::Aborted { cause }
    }
}

/// A producer that is ready, after ending whatever an earlier one of its name left open.
fn connect(settings: &ClientSettings, transactional: bool, timeout: Duration) -> Result<Producer> {
    let producer = Producer::new(settings)?;
    if transactional {
        producer
            .init_transactions(timeout)
            .map_err(|error| error.while_doing("taking over the transactions of an earlier worker"))?;
    }
    Ok(producer)
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.open {
            // Readers of the sinks would otherwise wait for the transaction to time out.
            if let Err(error) = self.abort() {
                tracing::debug!(%error, "a transaction was left open");
            }
        } else if let Some(producer) = &self.producer
            && producer.pending() > 0
        {
            let deadline = Instant::now() + ABORT_TIME_MAX;
            producer.flush(deadline, !self.changelogs.is_empty(), &mut |_| {});
        }
    }
}
