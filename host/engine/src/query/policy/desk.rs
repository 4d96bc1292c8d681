//! What one partition's records need of the query's error policy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calzone_exec::policy::{Decide, Decision, Failure as RecordFailure};
use calzone_exec::{Environment, ErrorClass, ExecError, Grouping, RecordError};
use calzone_plan::error_policy::{ChainFate, ErrorPolicy, QueryPolicy};
use calzone_state::TransactionStore;
use calzone_types::{RecordBatch, RecordRef};

use super::entry::{Entry, Failed};
use super::headers::{self, Author, Origin, Retried};
use super::pass::{Pass, Round, stop};
use super::waiting::{Due, Waiting};
use crate::query::{Failure, QueryStatistics};

/// So often a policy may put other records in a record's place.
pub(super) const REPLACEMENTS_MAX: u32 = 3;

/// What becomes of the records of one partition that fail.
pub struct Desk {
    pub(super) policy: Arc<QueryPolicy>,
    pub(super) partition: i32,
    author: Author,
    /// A policy of the query, and who decides for it.
    deciders: Vec<(Arc<ErrorPolicy>, Box<dyn Decide>)>,
    grouping: Option<Grouping>,
    /// If the policy may try records again.
    pub(super) waiting: Option<Waiting>,
    /// Records on their way to the topics of the policy.
    outbox: Vec<(Arc<str>, RecordBatch)>,
    /// Records that stopped the work when they were tried last, by topic and offset.
    condemned: BTreeMap<(Arc<str>, i64), Condemned>,
    statistics: Arc<QueryStatistics>,
    /// Milliseconds since the epoch.
    pub(super) now_ms: i64,
}

/// A record that made everything since the last commit undone. It is left out now, and its failure decided about.
pub struct Condemned {
    pub error: RecordError,
    /// It was decided about since the last commit.
    pub decided: bool,
}

/// Can records of a topic be processed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsRead {
    Now,
    /// Once the partition is taken over.
    Later,
    /// The query was replaced by one that does not read it.
    Never,
}

/// Processes records that are let in by the pass, and settles it.
pub type Run<'a> = dyn FnMut(&mut Pass<'_>) -> Result<(), Failure> + 'a;

impl Desk {
    pub fn new(
        (query_id, consumer_group): (&str, &str),
        policy: &Arc<QueryPolicy>,
        store: Option<TransactionStore>,
        partition: i32,
        statistics: Arc<QueryStatistics>,
        environment: &mut dyn Environment,
    ) -> Result<Desk, ExecError> {
        let policies = std::iter::once(&policy.policy).chain(&policy.others);
        let deciders = policies
            .map(|policy| Ok((policy.clone(), environment.error_policy(policy).map_err(ExecError::Plan)?)))
            .collect::<Result<_, ExecError>>()?;
        let grouping = policy.lock_by.as_ref().map(|lock_by| Grouping::new(lock_by, environment)).transpose()?;
        let waiting = store.map(Waiting::open).transpose()?;
        let author = Author { query: query_id.into(), group: consumer_group.into(), policy: policy.policy.name.clone() };
        let desk = Desk {
            policy: policy.clone(),
            partition,
            author,
            deciders,
            grouping,
            waiting,
            outbox: Vec::new(),
            condemned: BTreeMap::new(),
            statistics,
            now_ms: 0,
        };
        desk.show();
        Ok(desk)
    }

    /// Processes records of a topic as they were fetched.
    pub fn process(&mut self, topic: &Arc<str>, records: &RecordBatch, now_ms: i64, run: &mut Run<'_>) -> Result<(), Failure> {
        self.now_ms = now_ms;
        self.rounds(topic, records, None, run)
    }

    /// Tries records again that are due, at most about so many; gives how many have a fate now.
    pub fn try_due(
        &mut self,
        now_ms: i64,
        limit: usize,
        is_read: &dyn Fn(&str) -> IsRead,
        run: &mut Run<'_>,
    ) -> Result<usize, Failure> {
        self.now_ms = now_ms;
        let mut done = self.bury(limit)?;
        let Some(waiting) = &self.waiting else { return Ok(0) };
        let due = waiting.due(now_ms, limit)?;
        let mut topics: BTreeMap<Arc<str>, BTreeMap<i64, Entry>> = BTreeMap::new();
        for Due { topic, offset, entry } in due {
            topics.entry(topic).or_default().insert(offset, entry);
        }
        for (topic, entries) in topics {
            match is_read(&topic) {
                IsRead::Now => done += entries.len(),
                IsRead::Later => continue,
                IsRead::Never => {
                    done += entries.len();
                    let cause = format!("The query does not read {topic} any more.");
                    for (offset, entry) in &entries {
                        self.give_up(&topic, *offset, entry, &cause)?;
                    }
                    continue;
                }
            }
            let mut records = RecordBatch::default();
            for (offset, entry) in &entries {
                let record = entry.record(self.partition, *offset);
                let waiting = self.waiting.as_ref();
                let failed = waiting.and_then(|w| w.failed(&topic, *offset, entry.failed.as_ref(), entry.group.as_deref()));
                match &failed {
                    Some(failed) => {
                        let headers = headers::with_attempt(&entry.headers, failed);
                        records.push(RecordRef { headers: &headers, ..record });
                    }
                    None => records.push(record),
                }
            }
            let waited = entries.into_values().map(|entry| (entry.failed, entry.group)).collect();
            self.rounds(&topic, &records, Some(waited), run)?;
        }
        self.show();
        Ok(done)
    }

    /// Processes the records, and what policies put in their place, until all have their fate.
    fn rounds(
        &mut self,
        topic: &Arc<str>,
        records: &RecordBatch,
        waited: Option<Vec<(Option<Failed>, Option<Vec<u8>>)>>,
        run: &mut Run<'_>,
    ) -> Result<(), Failure> {
        let mut pass = Pass::new(self, topic, records, Round { number: 0, originals: HashMap::new(), waited })?;
        run(&mut pass)?;
        let mut next = pass.finish()?;
        while let Some((records, round)) = next {
            let mut pass = Pass::new(self, topic, &records, round)?;
            run(&mut pass)?;
            next = pass.finish()?;
        }
        Ok(())
    }

    /// Takes in what has come through the retry topic; gives the offsets of records that are none of ours.
    pub fn take_in(&mut self, records: &RecordBatch) -> Result<Vec<i64>, ExecError> {
        let (mut foreign, mut settled) = (Vec::new(), Vec::new());
        let Some(waiting) = &mut self.waiting else { return Ok(foreign) };
        for record in records.iter() {
            match headers::parse_retry(record) {
                Some(Retried { topic, offset, entry, lock }) => {
                    if !waiting.take_in(&topic, offset, &entry, lock)? {
                        settled.extend(entry.group.map(|group| (topic, offset, group)));
                    }
                }
                None => foreign.push(record.offset),
            }
        }
        // Nobody else takes back that they wait.
        for (topic, offset, group) in settled {
            self.redirect(&topic, offset, &group, false);
        }
        self.show();
        Ok(foreign)
    }

    /// Gives up the head of the group of this name, or of every group; the records behind it go on.
    pub fn release(&mut self, group: Option<&[u8]>) -> Result<usize, Failure> {
        let Some(waiting) = &mut self.waiting else { return Ok(0) };
        let mut released = 0;
        for (topic, group) in waiting.locked(group) {
            released += usize::from(waiting.bury_head(&topic, &group)?);
        }
        Ok(released)
    }

    /// Makes dead letters of the records that are given up.
    fn bury(&mut self, limit: usize) -> Result<usize, Failure> {
        let Some(waiting) = &self.waiting else { return Ok(0) };
        let buried = waiting.buried(limit)?;
        let count = buried.len();
        for Due { topic, offset, entry } in buried {
            let cause = match &entry.failed {
                Some(failed) => failed.cause.to_string(),
                None => "A record before it in its group became a dead letter.".to_owned(),
            };
            self.give_up(&topic, offset, &entry, &cause)?;
        }
        Ok(count)
    }

    fn give_up(&mut self, topic: &Arc<str>, offset: i64, entry: &Entry, cause: &str) -> Result<(), Failure> {
        let failed = entry.failed.clone().unwrap_or_else(|| Failed {
            attempts: 0,
            due_ms: 0,
            class: ErrorClass::Plugin.as_str().into(),
            step: "Retry".into(),
            cause: cause.into(),
        });
        let policy = self.policy.policy.name.clone();
        self.dead_letter(topic, entry.record(self.partition, offset), &failed, None);
        self.count(&policy, &failed.class, "dead letter", topic);
        self.leave(topic, offset, entry.failed.as_ref(), entry.group.as_deref())
    }

    /// A record that waited has its fate.
    pub(super) fn leave(
        &mut self,
        topic: &Arc<str>,
        offset: i64,
        failed: Option<&Failed>,
        group: Option<&[u8]>,
    ) -> Result<(), Failure> {
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        waiting.leave(topic, offset, group, failed.map_or(i64::MIN, |failed| failed.due_ms))?;
        if let Some(group) = group {
            self.redirect(topic, offset, group, false);
        }
        Ok(())
    }

    /// Sends a record to the retry topic, locking its group or behind others of it if it has one: records of a group in their
    /// order.
    pub(super) fn to_retry(
        &mut self,
        topic: &Arc<str>,
        record: RecordRef<'_>,
        failed: Option<Failed>,
        group: Option<Vec<u8>>,
    ) -> Result<(), Failure> {
        let Some(waiting) = &mut self.waiting else { return Ok(()) };
        let mut lock = None;
        if let Some(group) = &group {
            match &failed {
                Some(failed) if !waiting.is_locked(topic, group) => {
                    waiting.lock(topic, group, record.offset, failed.clone(), self.now_ms)?;
                }
                _ => waiting.follow(topic, group, record.offset)?,
            }
            lock = waiting.lock_id(topic, group);
            self.redirect(topic, record.offset, group, true);
        }
        let entry = Entry {
            failed,
            group,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
        };
        let headers = headers::retry(&entry, topic, self.partition, record.offset, lock);
        let target = self.policy.retry_topic.clone();
        self.put(&target, RecordRef { offset: 0, partition: self.partition, headers: &headers, ..record });
        Ok(())
    }

    /// Tells those who follow the locks that a record waits, or waits no longer.
    fn redirect(&mut self, topic: &str, offset: i64, group: &[u8], waits: bool) {
        let id = headers::record_id(topic, self.partition, offset);
        let (target, header) = (self.policy.redirect_topic.clone(), [headers::text(headers::RECORD_ID, &id)]);
        let record = RecordRef {
            offset: 0,
            timestamp: self.now_ms,
            partition: self.partition,
            key: Some(group),
            value: waits.then_some(id.as_bytes()),
            headers: &header,
        };
        self.put(&target, record);
    }

    pub(super) fn dead_letter(&mut self, topic: &str, record: RecordRef<'_>, failed: &Failed, target: Option<Arc<str>>) {
        let target = target.unwrap_or_else(|| self.policy.dead_letter_topic.clone());
        let origin = Origin { topic, partition: self.partition, offset: record.offset, timestamp: record.timestamp };
        let style = self.policy.policy.settings.header_style;
        let headers = headers::dead_letter(record.headers, style, &self.author, origin, failed);
        self.put(&target, RecordRef { offset: 0, partition: self.partition, headers: &headers, ..record });
    }

    fn put(&mut self, topic: &Arc<str>, record: RecordRef<'_>) {
        match self.outbox.iter_mut().find(|(target, _)| target == topic) {
            Some((_, batch)) => batch.push(record),
            None => {
                let mut batch = RecordBatch::default();
                batch.push(record);
                self.outbox.push((topic.clone(), batch));
            }
        }
    }

    /// What is to be sent to the policy's topics, in the commit that the records' offsets are in.
    pub fn take_outbox(&mut self) -> Vec<(Arc<str>, RecordBatch)> {
        std::mem::take(&mut self.outbox)
    }

    /// Who decides about errors of this class, if anybody does.
    pub(super) fn decider(&mut self, class: ErrorClass) -> Option<usize> {
        self.deciders.iter().position(|(policy, _)| policy.is_for(class.as_str()))
    }

    pub(super) fn decider_at(&mut self, at: usize) -> (&Arc<ErrorPolicy>, &mut dyn Decide) {
        let (policy, decide) = &mut self.deciders[at];
        (policy, decide.as_mut())
    }

    /// Decides about an error of a record that is not at hand any more: all that can be done is to stop.
    pub fn settle_without_record(&mut self, error: &RecordError) -> Result<(), Failure> {
        let Some(decider) = self.decider(error.class) else { return Ok(()) };
        let failure = RecordFailure {
            class: error.class,
            step: &error.step,
            cause: &error.message,
            attempt: 1,
            retriable: false,
            topic: &error.topic,
            partition: error.partition,
            offset: error.offset,
            timestamp: 0,
            key: None,
            value: None,
            headers: &[],
        };
        let (policy, decide) = self.decider_at(decider);
        let name = policy.name.clone();
        let stops = decide.decide(&[failure]).pop() == Some(Decision::Stop);
        self.count(&name, error.class.as_str(), if stops { "stop" } else { "skip" }, &error.topic);
        if stops { Err(stop(error)) } else { Ok(()) }
    }

    /// The group of each record.
    pub(super) fn groups(&mut self, topic: &str, records: &RecordBatch) -> Result<Vec<Option<Vec<u8>>>, ExecError> {
        match &mut self.grouping {
            Some(grouping) if grouping.topic() == topic => grouping.groups(records),
            _ => Ok(records.iter().map(|record| record.key.map(<[u8]>::to_vec)).collect()),
        }
    }

    pub(super) fn chain_fate(&self) -> ChainFate {
        self.policy.policy.settings.chain
    }

    /// Leaves a record out from now on, whose failure made everything since the last commit undone.
    /// False if it is left out already.
    pub fn condemn(&mut self, error: RecordError) -> bool {
        let place = (error.topic.clone(), error.offset);
        self.condemned.insert(place, Condemned { error, decided: false }).is_none()
    }

    /// Was it condemned and decided about since the last commit?
    pub fn is_condemned(&self, topic: &str, offset: i64) -> bool {
        self.condemned.iter().any(|((t, o), condemned)| **t == *topic && *o == offset && condemned.decided)
    }

    /// The failures of condemned records among these.
    pub(super) fn condemned_among(&mut self, topic: &Arc<str>, records: &RecordBatch) -> Vec<RecordError> {
        if self.condemned.is_empty() {
            return Vec::new();
        }
        let mut errors = Vec::new();
        for record in records.iter() {
            if let Some(condemned) = self.condemned.get_mut(&(topic.clone(), record.offset)) {
                condemned.decided = true;
                errors.push(condemned.error.clone());
            }
        }
        errors
    }

    /// What was condemned but not decided about before the work was undone: for the desk that takes this one's place.
    pub fn take_condemned(&mut self) -> BTreeMap<(Arc<str>, i64), Condemned> {
        let mut condemned = std::mem::take(&mut self.condemned);
        condemned.values_mut().for_each(|condemned| condemned.decided = false);
        condemned
    }

    pub fn put_condemned(&mut self, condemned: BTreeMap<(Arc<str>, i64), Condemned>) {
        self.condemned = condemned;
    }

    /// Everything so far is committed.
    pub fn committed(&mut self) {
        self.condemned.retain(|_, condemned| !condemned.decided);
    }

    /// When the next record is to be tried again, milliseconds since the epoch.
    pub fn next_due(&self) -> Option<i64> {
        self.waiting.as_ref().and_then(Waiting::next_due)
    }

    pub fn waiting_count(&self) -> usize {
        self.waiting.as_ref().map_or(0, Waiting::count)
    }

    /// The store, for the commit.
    pub fn store_mut(&mut self) -> Option<&mut TransactionStore> {
        self.waiting.as_mut().map(Waiting::store_mut)
    }

    pub(super) fn count(&self, policy: &Arc<str>, class: &str, action: &'static str, topic: &str) {
        self.statistics.policy.count(policy, class, action, topic);
    }

    fn show(&self) {
        if let Some(waiting) = &self.waiting {
            self.statistics.policy.show(self.partition, waiting.count(), waiting.locks());
        }
    }
}
