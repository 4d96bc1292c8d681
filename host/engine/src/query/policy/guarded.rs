//! A query's thread under an error policy.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use calzone_exec::policy::{ClassSet, Gatekeeper};
use calzone_exec::{ErrorClass, Place, RecordError, StoreSpec, Task, TaskOutput, Topology};
use calzone_log::{Fetched, TopicPartition, Worker};
use calzone_plan::error_policy::QueryPolicy;
use calzone_types::{RecordBatch, RecordRef};

use super::desk::{Condemned, Desk, IsRead};
use super::pass::Pass;
use super::topics::{ensure_topic, ensure_topics};
use crate::options::BATCH_RECORDS_MAX;
use crate::query::runner::{Runner, Work};
use crate::query::{Failure, QueryStatistics, TaskEnvironment};

/// Records of a partition that may wait in its store to be tried again; the others stay in the retry topic meanwhile.
const WAITING_RECORDS_MAX: usize = 100_000;

/// The setting for that.
const WAITING_SETTING: &str = "calzone.error.retry.records.max";

/// How often it is looked whether what is due can be tried.
const STUCK_POLL: Duration = Duration::from_millis(100);

/// What a query's thread must know of its error policy.
pub struct Guard {
    policy: Arc<QueryPolicy>,
    /// Classes of errors that it decides about.
    handled: ClassSet,
    store: Option<StoreSpec>,
    waiting_max: usize,
    /// Number of partitions of the topics that dead letters go to.
    topics: BTreeMap<Arc<str>, i32>,
    /// After the log refused a record: commit after so many, to find which.
    span: Option<usize>,
    /// Where the query must stop, once all before it is committed.
    stop_before: Option<(RecordError, String)>,
    /// Records to be left out when the partition begins again at its last commit.
    condemned: BTreeMap<i32, BTreeMap<(Arc<str>, i64), Condemned>>,
    /// Groups whose heads shall be given up; `None`: all.
    releases: Vec<Option<Vec<u8>>>,
    /// Partitions whose retry topic is not read, because enough is here.
    full: BTreeSet<i32>,
    /// Something was due that could not be tried.
    stuck: bool,
    /// Failures since the last commit, which are reported with the next one: what is undone will fail again.
    unreported: RefCell<Vec<RecordError>>,
}

/// So many failures are not kept for long.
const UNREPORTED_MAX: usize = 10_000;

impl Guard {
    /// `None` for a query without an error policy.
    pub fn new(topology: &Topology, properties: &BTreeMap<String, String>) -> Option<Guard> {
        let policy = topology.error_policy()?.clone();
        let waiting_max = properties.get(WAITING_SETTING).and_then(|value| value.parse().ok()).unwrap_or(WAITING_RECORDS_MAX);
        Some(Guard {
            handled: ClassSet::of_policy(&policy),
            policy,
            store: topology.retry_store().cloned(),
            waiting_max: waiting_max.max(1),
            topics: BTreeMap::new(),
            span: None,
            stop_before: None,
            condemned: BTreeMap::new(),
            releases: Vec::new(),
            full: BTreeSet::new(),
            stuck: false,
            unreported: RefCell::default(),
        })
    }

    /// The topic whose records wait; `None` if none ever does.
    pub fn retry_topic(&self) -> Option<&str> {
        self.store.as_ref().map(|_| &*self.policy.retry_topic)
    }

    /// A group's head shall be given up.
    pub fn release(&mut self, group: Option<Vec<u8>>) {
        self.releases.push(group);
    }

    /// Keeps failures to be reported with the next commit.
    pub(in crate::query) fn keep_to_report(&self, errors: &mut Vec<RecordError>) {
        self.unreported.borrow_mut().append(errors);
    }

    /// Is it time to commit and report?
    pub(in crate::query) fn has_much_to_report(&self) -> bool {
        self.unreported.borrow().len() >= UNREPORTED_MAX
    }

    /// Nothing has come of what failed since the last commit: it is done again.
    pub(in crate::query) fn forget_failures(&self) {
        self.unreported.borrow_mut().clear();
    }

    /// The user wants the query to go on where it stopped.
    pub fn resume(&mut self) {
        self.stop_before = None;
    }
}

impl Runner {
    /// Makes the policy's topics where they are missing: before the query joins its group.
    pub(in crate::query) fn prepare_policy(&self) -> Result<(), Failure> {
        let Some(guard) = &self.guard else { return Ok(()) };
        Ok(ensure_topics(&*self.log, &guard.policy, self.source_partitions(guard)?)?)
    }

    /// The most partitions that a topic of the query has.
    fn source_partitions(&self, guard: &Guard) -> Result<i32, Failure> {
        let mut most = 1;
        for name in self.options.worker.topics.iter().filter(|name| guard.retry_topic() != Some(name.as_str())) {
            most = most.max(self.log.topic(name)?.map_or(1, |topic| topic.partitions));
        }
        Ok(most)
    }

    /// Makes the desks of partitions that have come, with what waited there when they were last committed.
    pub(in crate::query) fn open_desks(&mut self, work: &mut Work, partitions: BTreeSet<i32>) -> Result<(), Failure> {
        for partition in partitions {
            let Some(guard) = &self.guard else { return Ok(()) };
            let store = match &guard.store {
                Some(spec) => {
                    self.restore_changelog(spec, partition)?;
                    Some(self.home().open(&spec.name, partition)?)
                }
                None => None,
            };
            let mut environment = TaskEnvironment {
                bindings: self.bindings.clone(),
                stores: None,
                statistics: self.statistics.clone(),
                breaker: None,
                partition,
            };
            let names = (self.options.query_id.as_str(), self.options.worker.group.as_str());
            let mut desk = Desk::new(names, &guard.policy, store, partition, self.statistics.clone(), &mut environment)?;
            if let Some(guard) = &mut self.guard {
                desk.put_condemned(guard.condemned.remove(&partition).unwrap_or_default());
                if guard.full.remove(&partition) {
                    work.worker.resume(&[TopicPartition::new(guard.policy.retry_topic.clone(), partition)])?;
                }
            }
            work.desks.insert(partition, desk);
        }
        Ok(())
    }

    /// Processes records as they were fetched.
    pub(in crate::query) fn process_guarded(&mut self, work: &mut Work, fetched: &Fetched) -> Result<(), Failure> {
        let (tp, records) = (&*fetched.tp, &fetched.records);
        let Some(guard) = &self.guard else { return Ok(()) };
        if guard.retry_topic() == Some(&*tp.topic) {
            return self.take_in(work, fetched);
        }
        let stop = guard.stop_before.as_ref().filter(|(error, _)| is_among(error, tp, records)).cloned();
        let end = match &stop {
            Some((error, _)) => records.iter().take_while(|record| record.offset < error.offset).count(),
            None => records.len(),
        };
        let mut start = 0;
        while start < end {
            let span = self.guard.as_ref().and_then(|guard| guard.span);
            let next = span.map_or(end, |span| end.min(start + span));
            let piece = match (start, next == records.len()) {
                (0, true) => Cow::Borrowed(records),
                _ => Cow::Owned(slice(records, start, next)),
            };
            self.feed(work, tp, &piece)?;
            start = next;
            self.commit_span(work)?;
        }
        match stop {
            Some((error, message)) => {
                self.commit(work)?;
                self.report(vec![error]);
                Err(Failure::Stop { before: None, message })
            }
            None => Ok(()),
        }
    }

    fn feed(&self, work: &mut Work, tp: &TopicPartition, records: &RecordBatch) -> Result<(), Failure> {
        let partition = tp.partition;
        let early = || Failure::Retry(format!("records of {tp} came before their task was made"));
        let Work { desks, tasks, worker, output, fed, .. } = work;
        let desk = desks.get_mut(&partition).ok_or_else(early)?;
        let mut run = |pass: &mut Pass<'_>| self.run_pass(tasks, &mut **worker, output, fed, partition, pass);
        desk.process(&tp.topic, records, self.options.clock.now_ms(), &mut run)?;
        self.advance(work, tp, records);
        Ok(())
    }

    /// Sends records through every part that reads them.
    fn run_pass(
        &self,
        tasks: &mut BTreeMap<(usize, i32), Task>,
        worker: &mut dyn Worker,
        output: &mut TaskOutput,
        fed: &mut Fed,
        partition: i32,
        pass: &mut Pass<'_>,
    ) -> Result<(), Failure> {
        fed.note(pass, partition);
        output.errors.extend(pass.condemned());
        if !output.errors.is_empty() {
            pass.settle(&mut output.errors);
            pass.check()?;
            self.send(worker, output)?;
            pass.reported();
        }
        let topic = pass.topic.clone();
        for (index, part) in self.options.topology.parts().iter().enumerate() {
            if !part.inputs.contains(&topic) {
                continue;
            }
            let input = pass.input();
            let task = tasks.get_mut(&(index, partition)).ok_or_else(|| {
                Failure::Retry(format!("records of {topic} partition {partition} came before their task was made"))
            })?;
            let processed = task.process_guarded(&topic, &input, pass, output);
            self.check_interrupted()?;
            pass.check()?;
            processed?;
            pass.settle(&mut output.errors);
            pass.check()?;
            self.send(worker, output)?;
            pass.reported();
        }
        Ok(())
    }

    /// Takes in what has come through the retry topic.
    fn take_in(&self, work: &mut Work, fetched: &Fetched) -> Result<(), Failure> {
        let tp = &*fetched.tp;
        let desk = work
            .desks
            .get_mut(&tp.partition)
            .ok_or_else(|| Failure::Retry(format!("records of {tp} came before their partition was taken over")))?;
        for offset in desk.take_in(&fetched.records)? {
            work.output.errors.push(RecordError {
                class: ErrorClass::Deserialization,
                step: "Retry".into(),
                topic: tp.topic.clone(),
                partition: tp.partition,
                offset,
                message: "The record has no headers that say which record it is; it is left out.".into(),
                retriable: false,
            });
        }
        self.send(&mut *work.worker, &mut work.output)?;
        self.advance(work, tp, &fetched.records);
        Ok(())
    }

    /// Does what the policy has to do besides reading: releases groups, tries again what is due, sends what it decided.
    pub(in crate::query) fn run_policy(&mut self, work: &mut Work) -> Result<(), Failure> {
        if self.guard.is_none() || self.paused {
            return Ok(());
        }
        let releases = self.guard.as_mut().map(|guard| std::mem::take(&mut guard.releases)).unwrap_or_default();
        for group in releases {
            for desk in work.desks.values_mut() {
                if desk.release(group.as_deref())? > 0 {
                    work.dirty = true;
                }
            }
        }
        let partitions: Vec<i32> = work.desks.keys().copied().collect();
        let mut stuck = false;
        for partition in partitions {
            let mut budget = BATCH_RECORDS_MAX;
            while budget > 0 && self.try_due(work, partition, &mut budget)? {
                self.commit_span(work)?;
            }
            let is_due = |desk: &Desk| desk.next_due().is_some_and(|due| due <= self.options.clock.now_ms());
            stuck |= budget > 0 && work.desks.get(&partition).is_some_and(is_due);
        }
        if let Some(guard) = &mut self.guard {
            guard.stuck = stuck;
        }
        self.send_outboxes(work)?;
        self.balance(work)
    }

    /// Tries records of a partition again; false if none was due.
    fn try_due(&self, work: &mut Work, partition: i32, budget: &mut usize) -> Result<bool, Failure> {
        let now_ms = self.options.clock.now_ms();
        let Work { desks, tasks, worker, output, fed, .. } = work;
        let Some(desk) = desks.get_mut(&partition).filter(|desk| desk.next_due().is_some_and(|due| due <= now_ms)) else {
            return Ok(false);
        };
        let ours: BTreeSet<usize> = tasks.keys().filter(|(_, of)| *of == partition).map(|(part, _)| *part).collect();
        let is_read = |topic: &str| {
            let parts = self.options.topology.parts().iter().enumerate();
            let readers = || parts.clone().filter(|(_, part)| part.inputs.iter().any(|input| **input == *topic));
            match readers().all(|(index, _)| ours.contains(&index)) {
                _ if readers().next().is_none() => IsRead::Never,
                true => IsRead::Now,
                false => IsRead::Later,
            }
        };
        let limit = self.guard.as_ref().and_then(|guard| guard.span).unwrap_or(BATCH_RECORDS_MAX).min(*budget);
        let mut run = |pass: &mut Pass<'_>| self.run_pass(tasks, &mut **worker, output, fed, partition, pass);
        let done = desk.try_due(now_ms, limit, &is_read, &mut run)?;
        *budget = budget.saturating_sub(done);
        if done > 0 {
            self.note_dirty(work);
        }
        Ok(done > 0)
    }

    /// Sends dead letters and what else the policy has written.
    fn send_outboxes(&mut self, work: &mut Work) -> Result<(), Failure> {
        let Work { desks, worker, .. } = work;
        for desk in desks.values_mut() {
            for (topic, records) in desk.take_outbox() {
                let (topic, partitions) = self.policy_topic(topic)?;
                match records.iter().any(|record| record.partition >= partitions) {
                    false => worker.send(&topic, &records)?,
                    true => {
                        let mut placed = RecordBatch::default();
                        let anywhere = |record: RecordRef<'_>| record.partition >= partitions;
                        for record in records.iter() {
                            let partition = if anywhere(record) { RecordBatch::ANY_PARTITION } else { record.partition };
                            placed.push(RecordRef { partition, ..record });
                        }
                        worker.send(&topic, &placed)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A topic of the policy, with its number of partitions; the query's dead letter topic if it cannot be.
    fn policy_topic(&mut self, topic: Arc<str>) -> Result<(Arc<str>, i32), Failure> {
        let Some(guard) = &self.guard else { return Ok((topic, 1)) };
        if let Some(partitions) = guard.topics.get(&topic) {
            return Ok((topic, *partitions));
        }
        let (topic, partitions) = match ensure_topic(&*self.log, &topic, self.source_partitions(guard)?) {
            Ok(partitions) => (topic, partitions),
            Err(error) if error.is_retriable() || topic == guard.policy.dead_letter_topic => return Err(error.into()),
            Err(error) => {
                tracing::warn!(query = %self.options.query_id, %topic, %error, "dead letters go to the query's own topic instead");
                return self.policy_topic(guard.policy.dead_letter_topic.clone());
            }
        };
        if let Some(guard) = &mut self.guard {
            guard.topics.insert(topic.clone(), partitions);
        }
        Ok((topic, partitions))
    }

    /// Reads no more of the retry topic than there is room for.
    fn balance(&mut self, work: &mut Work) -> Result<(), Failure> {
        let Some(guard) = &mut self.guard else { return Ok(()) };
        let Some(topic) = guard.store.as_ref().map(|_| guard.policy.retry_topic.clone()) else { return Ok(()) };
        for (partition, desk) in &work.desks {
            let place = [TopicPartition::new(topic.clone(), *partition)];
            let count = desk.waiting_count();
            if count >= guard.waiting_max && guard.full.insert(*partition) {
                work.worker.pause(&place)?;
            } else if count <= guard.waiting_max / 2 && guard.full.remove(partition) {
                work.worker.resume(&place)?;
            }
        }
        Ok(())
    }

    /// All partitions are read again.
    pub(in crate::query) fn forget_full(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.full.clear();
        }
    }

    /// How long a poll may wait, so that nothing is tried again too late.
    pub(in crate::query) fn poll_timeout(&self, work: &Work, timeout: Duration) -> Duration {
        if self.paused {
            return timeout;
        }
        let due = work.desks.values().filter_map(Desk::next_due).min();
        match due {
            Some(due) => {
                let left = due.saturating_sub(self.options.clock.now_ms()).max(0) as u64;
                // What is due and was not tried waits for its partition.
                let shortest = if self.guard.as_ref().is_some_and(|guard| guard.stuck) { STUCK_POLL } else { Duration::ZERO };
                timeout.min(Duration::from_millis(left).max(shortest))
            }
            None => timeout,
        }
    }

    /// Errors of results that were held back until a commit.
    pub(in crate::query) fn settle_flushed(
        &self,
        desks: &mut BTreeMap<i32, Desk>,
        partition: i32,
        output: &TaskOutput,
    ) -> Result<(), Failure> {
        match desks.get_mut(&partition) {
            Some(desk) => output.errors.iter().try_for_each(|error| desk.settle_without_record(error)),
            None => Ok(()),
        }
    }

    /// Before a commit: what the policy has decided goes with it.
    pub(in crate::query) fn before_commit(&mut self, work: &mut Work) -> Result<(), Failure> {
        if self.guard.is_some() { self.send_outboxes(work) } else { Ok(()) }
    }

    /// After a commit: what was looked for is found, or lies further on.
    pub(in crate::query) fn after_commit(&self, work: &mut Work) {
        if let Some(guard) = &self.guard {
            let failures = std::mem::take(&mut *guard.unreported.borrow_mut());
            if !failures.is_empty() {
                self.report(failures);
            }
        }
        work.desks.values_mut().for_each(Desk::committed);
        work.fed = Fed::default();
    }

    /// While the record is looked for that the log refuses: commits, and goes on with twice as many if that went well.
    fn commit_span(&mut self, work: &mut Work) -> Result<(), Failure> {
        if self.guard.as_ref().is_none_or(|guard| guard.span.is_none()) {
            return Ok(());
        }
        self.commit(work)?;
        if let Some(guard) = &mut self.guard {
            guard.span = guard.span.map(|span| span * 2).filter(|span| *span < BATCH_RECORDS_MAX);
        }
        Ok(())
    }

    /// Undoes everything since the last commit if one record is to blame that the policy can decide about; then the work goes on
    /// without it, or stops right before it.
    ///
    /// # Errors
    /// The failure, if it cannot be helped that way.
    pub(in crate::query) fn undo(&mut self, work: &mut Work, failure: Failure) -> Result<(), Failure> {
        let Some(guard) = &mut self.guard else { return Err(failure) };
        match failure {
            Failure::Record { error, message } if guard.handled.contains(error.class) => {
                let Some(desk) = work.desks.get_mut(&error.partition) else { return Err(Failure::Fatal(error.message)) };
                if !desk.condemn(*error) {
                    // It was left out already: something else is wrong.
                    return Err(Failure::Fatal(message));
                }
            }
            Failure::Refused(message) if guard.handled.contains(ErrorClass::Production) && work.fed.records > 0 => {
                match (&work.fed.last, work.fed.records) {
                    (Some(place), records) if records == 1 || guard.span == Some(1) => {
                        let Some(desk) = work.desks.get_mut(&place.partition) else { return Err(Failure::Refused(message)) };
                        if desk.is_condemned(&place.topic, place.offset) {
                            let message = format!("Nothing can be made of {place}, not even a dead letter: {message}");
                            return Err(Failure::Stop { before: None, message });
                        }
                        desk.condemn(RecordError {
                            class: ErrorClass::Production,
                            step: "Sink".into(),
                            topic: place.topic.clone(),
                            partition: place.partition,
                            offset: place.offset,
                            message,
                            retriable: true,
                        });
                        guard.span = Some(1);
                    }
                    (_, records) => guard.span = Some((records / 2).clamp(1, BATCH_RECORDS_MAX)),
                }
            }
            Failure::Stop { before: Some(error), message } => {
                let tp = TopicPartition::new(error.topic.clone(), error.partition);
                let waited = work.assigned.get(&tp).is_none_or(|position| error.offset < position.next_offset);
                if waited {
                    self.report(vec![*error]);
                    return Err(Failure::Stop { before: None, message });
                }
                guard.stop_before = Some((*error, message));
            }
            failure => return Err(failure),
        }
        guard.forget_failures();
        for (partition, desk) in &mut work.desks {
            guard.condemned.insert(*partition, desk.take_condemned());
        }
        work.worker.abort()?;
        work.output.clear();
        work.dirty = false;
        work.fed = Fed::default();
        Ok(())
    }

    /// Notes that records were processed: their offsets go into the next commit.
    pub(in crate::query) fn advance(&self, work: &mut Work, tp: &TopicPartition, records: &RecordBatch) {
        if let Some(last) = records.len().checked_sub(1) {
            let last = records.get(last);
            if let Some(position) = work.assigned.get_mut(tp) {
                position.next_offset = last.offset + 1;
            }
            self.statistics.last_record_ms.store(last.timestamp, Ordering::Relaxed);
        }
        QueryStatistics::add(&self.statistics.records_in, records.len());
        QueryStatistics::add(&self.statistics.bytes_in, records.byte_len());
        self.note_dirty(work);
    }

    fn note_dirty(&self, work: &mut Work) {
        if !work.dirty {
            work.dirty = true;
            work.last_commit = self.options.clock.elapsed();
        }
    }
}

/// What was processed since the last commit.
#[derive(Debug, Default)]
pub struct Fed {
    records: usize,
    last: Option<Place>,
}

impl Fed {
    fn note(&mut self, pass: &Pass<'_>, partition: i32) {
        self.records += pass.len();
        self.last = pass.last_offset().map(|offset| Place { topic: pass.topic.clone(), partition, offset });
    }
}

fn is_among(error: &RecordError, tp: &TopicPartition, records: &RecordBatch) -> bool {
    error.topic == tp.topic
        && error.partition == tp.partition
        && records.iter().next().is_some_and(|first| first.offset <= error.offset)
        && records.len().checked_sub(1).is_some_and(|last| records.get(last).offset >= error.offset)
}

fn slice(records: &RecordBatch, start: usize, end: usize) -> RecordBatch {
    let mut piece = RecordBatch::default();
    (start..end).for_each(|row| piece.push(records.get(row)));
    piece
}
