//! Records on one way through a task: which of them failed, and what becomes of those and of the ones behind them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use calzone_exec::policy::{Decision, Failure as RecordFailure, Gatekeeper};
use calzone_exec::{Place, RecordError};
use calzone_plan::error_policy::ChainFate;
use calzone_types::{Header, RecordBatch, RecordRef};

use super::desk::{Desk, REPLACEMENTS_MAX};
use super::entry::Failed;
use crate::query::Failure;

/// Which records these are.
pub struct Round {
    /// How often others were put in a record's place before.
    pub number: u32,
    /// What lies in the topic where others were put in a record's place, by offset.
    pub originals: HashMap<i64, Content>,
    /// Of records that waited: their last failure and their group. `None`: they come from their topic.
    pub waited: Option<Vec<(Option<Failed>, Option<Vec<u8>>)>>,
}

/// Records for another round.
pub type Next = Option<(RecordBatch, Round)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    /// It failed, and that was decided about.
    Gone,
    /// It waits behind another record of its group.
    Held,
    /// Another record takes its place, in the next round.
    Replaced,
}

/// Key, value and headers.
type Content = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<Header>);

pub struct Pass<'a> {
    desk: &'a mut Desk,
    pub topic: Arc<str>,
    records: &'a RecordBatch,
    round: Round,
    /// Of each record; made when it is first needed.
    groups: Option<Vec<Option<Vec<u8>>>>,
    /// Of each record; empty as long as all pass.
    fates: Vec<Fate>,
    /// Groups that are held, from which row on.
    held: HashMap<Vec<u8>, usize>,
    replacements: Vec<(usize, Content)>,
    /// Records that failed here first and are to be tried again in order, by row: they leave with those that wait behind them.
    locking: BTreeMap<usize, Failed>,
    /// How many errors were decided about.
    settled: usize,
    /// Why the work cannot go on.
    failure: Option<Failure>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(desk: &'a mut Desk, topic: &Arc<str>, records: &'a RecordBatch, round: Round) -> Result<Pass<'a>, Failure> {
        let mut pass = Pass {
            desk,
            topic: topic.clone(),
            records,
            round,
            groups: None,
            fates: Vec::new(),
            held: HashMap::new(),
            replacements: Vec::new(),
            locking: BTreeMap::new(),
            settled: 0,
            failure: None,
        };
        match &pass.round.waited {
            Some(waited) => pass.groups = Some(waited.iter().map(|(_, group)| group.clone()).collect()),
            None => pass.hold_locked()?,
        }
        Ok(pass)
    }

    /// Holds back records of groups that are locked already.
    fn hold_locked(&mut self) -> Result<(), Failure> {
        if !self.desk.waiting.as_ref().is_some_and(|waiting| waiting.any_locked(&self.topic)) {
            return Ok(());
        }
        self.need_groups()?;
        let (Some(groups), Some(waiting)) = (&self.groups, &self.desk.waiting) else { return Ok(()) };
        let locked = |group: &Option<Vec<u8>>| group.as_ref().is_some_and(|group| waiting.is_locked(&self.topic, group));
        let fates = groups.iter().map(|group| if locked(group) { Fate::Held } else { Fate::Passes });
        self.fates = fates.collect();
        Ok(())
    }

    /// The failures of records that must not be tried again now: to be settled before anything else.
    pub fn condemned(&mut self) -> Vec<RecordError> {
        self.desk.condemned_among(&self.topic, self.records)
    }

    /// The records that are to be processed.
    pub fn input(&self) -> Cow<'a, RecordBatch> {
        if self.fates.iter().all(|fate| *fate == Fate::Passes) {
            return Cow::Borrowed(self.records);
        }
        let mut input = RecordBatch::default();
        for (record, _) in self.records.iter().zip(&self.fates).filter(|(_, fate)| **fate == Fate::Passes) {
            input.push(record);
        }
        Cow::Owned(input)
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn last_offset(&self) -> Option<i64> {
        self.records.len().checked_sub(1).map(|last| self.records.get(last).offset)
    }

    /// The errors were taken away to be reported.
    pub fn reported(&mut self) {
        self.settled = 0;
    }

    /// What went wrong while deciding, if anything did.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Ends the pass: those that waited and went well are done; those that are held go where they wait.
    pub(super) fn finish(mut self) -> Result<Next, Failure> {
        self.check()?;
        let mut next = RecordBatch::default();
        let mut next_waited = Vec::new();
        let mut next_groups: HashSet<Vec<u8>> = HashSet::new();
        let mut originals = std::mem::take(&mut self.round.originals);
        let mut replacements: HashMap<usize, Content> = std::mem::take(&mut self.replacements).into_iter().collect();
        for row in 0..self.records.len() {
            let record = self.records.get(row);
            let group = self.groups.as_ref().and_then(|groups| groups[row].clone());
            match (self.fate(row), &self.round.waited) {
                (Fate::Passes, None) => {
                    // Nothing else can have happened to any of them.
                    if self.fates.is_empty() {
                        break;
                    }
                }
                (Fate::Gone, _) => {
                    let Some(failed) = self.locking.remove(&row) else { continue };
                    match &group {
                        // An earlier one of the group has its turn once more.
                        Some(group) if next_groups.contains(group) => next.push(record),
                        _ => self.desk.to_retry(&self.topic, record, Some(failed), group)?,
                    }
                }
                (Fate::Passes, Some(waited)) => {
                    self.desk.leave(&self.topic, record.offset, waited[row].0.as_ref(), group.as_deref())?;
                }
                // It stays where it waits.
                (Fate::Held, Some(_)) => {}
                (Fate::Held, None) => {
                    let is_locked = match (&group, &self.desk.waiting) {
                        (Some(group), Some(waiting)) => waiting.is_locked(&self.topic, group),
                        _ => false,
                    };
                    match is_locked {
                        true => self.desk.to_retry(&self.topic, record, None, group)?,
                        false => next.push(record),
                    }
                }
                (Fate::Replaced, waited) => {
                    let Some((key, value, headers)) = replacements.remove(&row) else { continue };
                    originals.entry(record.offset).or_insert_with(|| content(record));
                    next.push(RecordRef { key: key.as_deref(), value: value.as_deref(), headers: &headers, ..record });
                    next_groups.extend(group);
                    next_waited.extend(waited.as_ref().map(|waited| waited[row].clone()));
                }
            }
        }
        if next.is_empty() {
            return Ok(None);
        }
        let waited = self.round.waited.is_some().then_some(next_waited);
        Ok(Some((next, Round { number: self.round.number + 1, originals, waited })))
    }

    fn fate(&self, row: usize) -> Fate {
        self.fates.get(row).copied().unwrap_or(Fate::Passes)
    }

    fn set_fate(&mut self, row: usize, fate: Fate) {
        if self.fates.is_empty() {
            self.fates = vec![Fate::Passes; self.records.len()];
        }
        self.fates[row] = fate;
    }

    fn need_groups(&mut self) -> Result<(), Failure> {
        if self.groups.is_none() {
            self.groups = Some(self.desk.groups(&self.topic, self.records)?);
        }
        Ok(())
    }

    fn group(&self, row: usize) -> Option<Vec<u8>> {
        self.groups.as_ref().and_then(|groups| groups[row].clone())
    }

    /// The record's row: they lie in the order of their offsets.
    fn row_of(&self, offset: i64) -> Option<usize> {
        let (mut low, mut high) = (0, self.records.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.records.get(middle).offset.cmp(&offset) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// How the record failed before.
    fn failed_before(&self, row: usize) -> Option<Failed> {
        let waited = &self.round.waited.as_ref()?[row];
        let waiting = self.desk.waiting.as_ref()?;
        waiting.failed(&self.topic, self.records.get(row).offset, waited.0.as_ref(), waited.1.as_deref())
    }

    fn try_settle(&mut self, errors: &mut Vec<RecordError>) -> Result<(), Failure> {
        // Of each record the first error decides.
        let mut first: Vec<(usize, usize, usize)> = Vec::new();
        for (at, error) in errors.iter().enumerate().skip(self.settled) {
            let Some(decider) = self.desk.decider(error.class) else { continue };
            match self.row_of(error.offset) {
                Some(row) if self.fate(row) == Fate::Passes => first.push((row, at, decider)),
                Some(_) => {}
                // A result that was held back names a record of an earlier batch, which is not at hand any more.
                None => self.desk.settle_without_record(error)?,
            }
        }
        first.sort_by_key(|(row, at, _)| (*row, *at));
        first.dedup_by_key(|(row, ..)| *row);
        let decisions = self.decide(&first, errors);
        let mut untried = Vec::new();
        for ((row, at, decider), decision) in first.into_iter().zip(decisions) {
            self.need_groups()?;
            let behind = self.group(row).is_some_and(|group| self.held.get(&group).is_some_and(|from| *from < row));
            match behind {
                true => untried.push(row),
                false => self.apply(row, &errors[at], decider, decision)?,
            }
        }
        self.hold_behind();
        let untried: Vec<i64> = untried.into_iter().map(|row| self.records.get(row).offset).collect();
        if !untried.is_empty() {
            let mut at = 0;
            let settled = self.settled;
            errors.retain(|error| {
                at += 1;
                at <= settled || !untried.contains(&error.offset)
            });
        }
        self.settled = errors.len();
        Ok(())
    }

    /// One decision for each of the failures.
    fn decide(&mut self, first: &[(usize, usize, usize)], errors: &[RecordError]) -> Vec<Decision> {
        let mut decisions: Vec<Decision> = vec![Decision::DEAD_LETTER; first.len()];
        let attempts: Vec<u32> = first
            .iter()
            .map(|(row, ..)| self.failed_before(*row).map_or(0, |failed| failed.attempts).saturating_add(1))
            .collect();
        let mut deciders: Vec<usize> = first.iter().map(|(.., decider)| *decider).collect();
        deciders.sort_unstable();
        deciders.dedup();
        for decider in deciders {
            let of_decider: Vec<usize> = (0..first.len()).filter(|i| first[*i].2 == decider).collect();
            let failures: Vec<RecordFailure<'_>> = of_decider
                .iter()
                .map(|i| {
                    let (row, at, _) = first[*i];
                    let (error, record) = (&errors[at], self.records.get(row));
                    RecordFailure {
                        class: error.class,
                        step: &error.step,
                        cause: &error.message,
                        attempt: attempts[*i],
                        retriable: error.retriable && self.desk.waiting.is_some(),
                        topic: &self.topic,
                        partition: self.desk.partition,
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    }
                })
                .collect();
            let answers = self.desk.decider_at(decider).1.decide(&failures);
            // A policy that gives fewer decisions than it should makes dead letters of the rest: nothing is lost.
            of_decider.iter().zip(answers).for_each(|(i, decision)| decisions[*i] = decision);
        }
        decisions
    }

    fn apply(&mut self, row: usize, error: &RecordError, decider: usize, decision: Decision) -> Result<(), Failure> {
        let record = self.records.get(row);
        let policy = self.desk.decider_at(decider).0.name.clone();
        let before = self.failed_before(row);
        let failed = Failed {
            attempts: before.as_ref().map_or(0, |failed| failed.attempts).saturating_add(1),
            due_ms: self.desk.now_ms,
            class: error.class.as_str().into(),
            step: error.step.clone(),
            cause: error.message.as_str().into(),
        };
        let retriable = error.retriable && self.desk.waiting.is_some();
        let group = self.group(row);
        let waited = self.round.waited.as_ref().map(|waited| waited[row].clone());
        let in_order = waited.as_ref().is_some_and(|(_, group)| group.is_some());
        let decision = match decision {
            Decision::Retry { .. } | Decision::RetryInOrder { .. } if !retriable => Decision::DEAD_LETTER,
            Decision::Replace { .. } if !error.retriable || self.round.number >= REPLACEMENTS_MAX => Decision::DEAD_LETTER,
            // Without a key there is no order.
            Decision::RetryInOrder { after_ms } if group.is_none() => Decision::Retry { after_ms },
            // What waits in order keeps its place.
            Decision::Retry { after_ms } if in_order => Decision::RetryInOrder { after_ms },
            decision => decision,
        };
        let action = action_of(&decision);
        match decision {
            Decision::Stop => {
                self.desk.count(&policy, error.class.as_str(), action, &self.topic);
                return Err(stop(error));
            }
            Decision::Skip | Decision::DeadLetter { .. } => {
                if in_order && self.ends_chain(row, error, group.as_deref())? {
                    self.desk.count(&policy, error.class.as_str(), "stop", &self.topic);
                }
                if let Decision::DeadLetter { topic, cause } = decision {
                    let failed = match cause {
                        Some(more) => Failed { cause: format!("{}; {more}", failed.cause).into(), ..failed },
                        None => failed,
                    };
                    // What is buried is the record itself, not what was put in its place.
                    let original = self.round.originals.get(&record.offset);
                    let buried = match original {
                        Some((key, value, headers)) => {
                            RecordRef { key: key.as_deref(), value: value.as_deref(), headers, ..record }
                        }
                        None => record,
                    };
                    self.desk.dead_letter(&self.topic, buried, &failed, topic);
                }
                if let Some((failed, group)) = &waited {
                    self.desk.leave(&self.topic, record.offset, failed.as_ref(), group.as_deref())?;
                }
                self.set_fate(row, Fate::Gone);
            }
            Decision::Retry { after_ms } => {
                let failed = Failed { due_ms: self.desk.now_ms.saturating_add(after_ms), ..failed };
                if let Some((failed, group)) = &waited {
                    self.desk.leave(&self.topic, record.offset, failed.as_ref(), group.as_deref())?;
                }
                self.desk.to_retry(&self.topic, record, Some(failed), None)?;
                self.set_fate(row, Fate::Gone);
            }
            Decision::RetryInOrder { after_ms } => {
                let Some(group) = group else { return Ok(()) };
                let failed = Failed { due_ms: self.desk.now_ms.saturating_add(after_ms), ..failed };
                match (&waited, &mut self.desk.waiting) {
                    (Some(_), Some(waiting)) => waiting.fail(&self.topic, &group, record.offset, failed)?,
                    _ => {
                        self.locking.insert(row, failed);
                    }
                }
                self.held.insert(group, row);
                self.set_fate(row, Fate::Gone);
            }
            Decision::Replace { key, value, headers } => {
                self.replacements.push((row, (key, value, headers)));
                if let Some(group) = group {
                    self.held.insert(group, row);
                }
                self.set_fate(row, Fate::Replaced);
            }
        }
        self.desk.count(&policy, error.class.as_str(), action, &self.topic);
        Ok(())
    }

    /// The head of a chain is given up: so are those behind it, or the query stops, if the policy says so.
    fn ends_chain(&mut self, row: usize, error: &RecordError, group: Option<&[u8]>) -> Result<bool, Failure> {
        let Some(group) = group else { return Ok(false) };
        match self.desk.chain_fate() {
            ChainFate::Release => Ok(false),
            ChainFate::DeadLetterAll => {
                if let Some(waiting) = &mut self.desk.waiting {
                    waiting.bury_all(&self.topic, group)?;
                }
                self.held.insert(group.to_vec(), row);
                Ok(false)
            }
            ChainFate::Stop => Err(stop(error)),
        }
    }

    /// Holds back the records of held groups that lie behind the one that failed.
    fn hold_behind(&mut self) {
        let Some(from) = self.held.values().min().copied() else { return };
        let Some(groups) = self.groups.take() else { return };
        for (row, group) in groups.iter().enumerate().skip(from + 1) {
            let behind = group.as_ref().and_then(|group| self.held.get(group)).is_some_and(|from| *from < row);
            if behind && self.fate(row) == Fate::Passes {
                self.set_fate(row, Fate::Held);
            }
        }
        self.groups = Some(groups);
    }
}

impl Gatekeeper for Pass<'_> {
    fn settle(&mut self, errors: &mut Vec<RecordError>) {
        if self.failure.is_none()
            && let Err(failure) = self.try_settle(errors)
        {
            self.failure = Some(failure);
        }
    }

    fn holds_any(&self) -> bool {
        self.failure.is_some() || !self.fates.is_empty()
    }

    fn passes(&self, offset: i64) -> bool {
        self.failure.is_none() && self.row_of(offset).is_none_or(|row| self.fate(row) == Fate::Passes)
    }
}

fn content(record: RecordRef<'_>) -> Content {
    (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), record.headers.to_vec())
}

/// The word for statistics.
fn action_of(decision: &Decision) -> &'static str {
    match decision {
        Decision::Skip => "skip",
        Decision::Retry { .. } => "retry",
        Decision::RetryInOrder { .. } => "retry in order",
        Decision::DeadLetter { .. } => "dead letter",
        Decision::Replace { .. } => "replace",
        Decision::Stop => "stop",
    }
}

pub(super) fn stop(error: &RecordError) -> Failure {
    let place = Place { topic: error.topic.clone(), partition: error.partition, offset: error.offset };
    let message = format!("The error policy stopped the query before {place}: {} ({})", error.message, error.step);
    Failure::Stop { before: Some(Box::new(error.clone())), message }
}
