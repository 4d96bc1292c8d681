//! A member of a group on the simulated cluster: rebalances, transactions, and all that can happen between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use calzone_log::{
    Assignment, CommitOutcome, Event, Fetched, Guarantee, LogError, Result, TopicPartition, WakeHandle, Worker, WorkerOptions,
};
use calzone_state::{Durability, WriteBatch};
use calzone_types::RecordBatch;

use crate::cluster::{Joined, TransactionState, is_too_large, too_large};
use crate::kafka::{SimulatedLog, lock};
use crate::link::{CommitFault, retriable};

pub struct SimulatedWorker {
    log: SimulatedLog,
    options: WorkerOptions,
    member: u64,
    epoch: u64,
    /// Next offset to fetch of each partition that is ours.
    owned: BTreeMap<TopicPartition, i64>,
    paused: BTreeSet<TopicPartition>,
    arriving: Option<Vec<TopicPartition>>,
    leaving: bool,
    rewind: bool,
    /// Nobody knows what became of the last transaction: the next one needs a new producer.
    broken: bool,
    /// At least once: sent, and still on its way.
    queued: Vec<(String, RecordBatch)>,
    /// A record was refused after it was sent: the commit tells.
    refused: Option<LogError>,
    changelog_ends: BTreeMap<TopicPartition, i64>,
    uncommitted_bytes: usize,
}

impl SimulatedWorker {
    pub fn new(log: SimulatedLog, options: WorkerOptions) -> Result<SimulatedWorker> {
        let (member, epoch) = {
            let mut cluster = lock(&log.cluster);
            let mut topics = Vec::new();
            for topic in &options.topics {
                topics.push((topic.clone(), cluster.partition_count(topic)?));
            }
            let epoch = cluster.init_transactions(&options.transactional_id);
            let now = cluster.now_ms;
            let group = cluster.groups.entry(options.group.clone()).or_default();
            (group.join(&options.transactional_id, topics, now), epoch)
        };
        Ok(SimulatedWorker {
            log,
            options,
            member,
            epoch,
            owned: BTreeMap::new(),
            paused: BTreeSet::new(),
            arriving: None,
            leaving: false,
            rewind: false,
            broken: false,
            queued: Vec::new(),
            refused: None,
            changelog_ends: BTreeMap::new(),
            uncommitted_bytes: 0,
        })
    }

    fn fenced(&self, action: &str) -> LogError {
        LogError::Fenced { action: action.into(), cause: "another worker has this name".into() }
    }

    /// Follows the group: gives up partitions, takes over others.
    fn follow_group(&mut self, out: &mut Vec<Event>) -> Result<()> {
        let shared = self.log.cluster.clone();
        let mut cluster = lock(&shared);
        let now = cluster.now_ms;
        let group = cluster.groups.entry(self.options.group.clone()).or_default();
        group.heartbeat(self.member, now);
        if std::mem::take(&mut self.leaving) {
            self.owned.clear();
            group.rejoin(self.member);
        }
        if std::mem::take(&mut self.rewind) && !self.owned.is_empty() {
            self.arriving = Some(self.owned.keys().cloned().collect());
        }
        match group.ask(self.member, &self.options.transactional_id) {
            Joined::Settled => {}
            Joined::Waiting => return Ok(()),
            Joined::GiveUp if self.owned.is_empty() => {
                self.arriving = None;
                group.rejoin(self.member);
                return Ok(());
            }
            Joined::GiveUp => {
                self.arriving = None;
                self.leaving = true;
                out.push(Event::Revoked(self.owned.keys().cloned().collect()));
                return Ok(());
            }
            Joined::Take(partitions) => self.arriving = Some(partitions),
            Joined::Unknown => {
                let topics = &self.options.topics;
                let gone = std::mem::take(&mut self.owned);
                self.arriving = None;
                let counted: Result<Vec<(String, i32)>> =
                    topics.iter().map(|t| Ok((t.clone(), cluster.partition_count(t)?))).collect();
                let counted = counted?;
                let group = cluster.groups.entry(self.options.group.clone()).or_default();
                self.member = group.join(&self.options.transactional_id, counted, now);
                drop(cluster);
                self.drop_output();
                if !gone.is_empty() {
                    out.push(Event::Lost(gone.into_keys().collect()));
                }
                return Ok(());
            }
            Joined::Fenced => return Err(self.fenced("being a member")),
        }
        let Some(arriving) = self.arriving.take() else { return Ok(()) };
        if arriving.iter().any(|tp| cluster.has_unstable_offset(&self.options.group, tp)) {
            self.arriving = Some(arriving);
            return Ok(());
        }
        let offsets = cluster.groups.get(&self.options.group).map(|group| &group.offsets);
        let assignments: Vec<Assignment> = arriving
            .into_iter()
            .map(|tp| {
                let found = offsets.and_then(|offsets| offsets.get(&tp));
                let (committed, metadata) = found.map_or((None, String::new()), |(at, text)| (Some(*at), text.clone()));
                Assignment { tp, committed, position: committed.unwrap_or(0), metadata }
            })
            .collect();
        self.owned = assignments.iter().map(|a| (a.tp.clone(), a.position)).collect();
        out.push(Event::Assigned(assignments));
        Ok(())
    }

    /// What was sent and not committed is dropped, as far as it can be.
    fn drop_output(&mut self) {
        let mut cluster = lock(&self.log.cluster);
        match self.options.guarantee {
            Guarantee::ExactlyOnce => {
                cluster.end_transaction(&self.options.transactional_id, self.epoch, TransactionState::Aborted);
            }
            // Some of it has left already; the order stays.
            Guarantee::AtLeastOnce => {
                for (topic, records) in self.queued.drain(..) {
                    if self.log.link.chance(|random| random.percent(50)) {
                        break;
                    }
                    let _ = cluster.append(&topic, &records, None);
                }
            }
        }
        self.queued.clear();
        self.refused = None;
        self.changelog_ends.clear();
        self.uncommitted_bytes = 0;
    }

    fn note_ends(&mut self, topic: &str, places: &[(i32, i64)]) {
        if self.options.changelog_topics.iter().any(|changelog| changelog == topic) {
            for (partition, offset) in places {
                self.changelog_ends.insert(TopicPartition::new(topic, *partition), offset + 1);
            }
        }
    }

    fn owns_all(&self, offsets: &[(TopicPartition, i64, String)]) -> bool {
        let cluster = lock(&self.log.cluster);
        let group = cluster.groups.get(&self.options.group);
        let owns = |tp: &TopicPartition| self.owned.contains_key(tp) && group.is_some_and(|group| group.owns(self.member, tp));
        offsets.iter().all(|(tp, _, _)| owns(tp))
    }

    fn aborted(&mut self, cause: &str) -> CommitOutcome {
        self.drop_output();
        self.rewind = true;
        CommitOutcome::Aborted { cause: cause.into() }
    }

    /// One transaction; `Err` and outcomes other than `Committed` leave the stores as they were.
    fn commit_transaction(&mut self, offsets: &[(TopicPartition, i64, String)]) -> Result<CommitOutcome> {
        let link = self.log.link.clone();
        link.crashes(CommitFault::CrashBefore)?;
        let id = self.options.transactional_id.clone();
        {
            let shared = self.log.cluster.clone();
            let mut cluster = lock(&shared);
            let Some(transaction) = cluster.transaction(&id, self.epoch) else {
                return Ok(CommitOutcome::Fenced { cause: "another producer has this name".into() });
            };
            cluster.add_offsets(transaction, &self.options.group, offsets);
        }
        link.crashes(CommitFault::CrashOpen)?;
        if link.strikes(CommitFault::Abort) {
            return Ok(self.aborted("the coordinator aborts"));
        }
        lock(&self.log.cluster).end_transaction(&id, self.epoch, TransactionState::Committed);
        if link.strikes(CommitFault::AnswerLost) {
            self.broken = true;
            self.rewind = true;
            self.changelog_ends.clear();
            return Ok(CommitOutcome::Aborted { cause: "no answer".into() });
        }
        Ok(CommitOutcome::Committed)
    }

    /// Records, then offsets.
    fn commit_in_steps(&mut self, offsets: &[(TopicPartition, i64, String)]) -> Result<CommitOutcome> {
        let link = self.log.link.clone();
        link.crashes(CommitFault::CrashBefore)?;
        for (topic, records) in std::mem::take(&mut self.queued) {
            let places = lock(&self.log.cluster).append(&topic, &records, None)?;
            self.note_ends(&topic, &places);
        }
        link.crashes(CommitFault::CrashOpen)?;
        if link.strikes(CommitFault::Abort) {
            return Ok(self.aborted("the group has moved on"));
        }
        let mut cluster = lock(&self.log.cluster);
        let group = cluster.groups.entry(self.options.group.clone()).or_default();
        group.offsets.extend(offsets.iter().map(|(tp, offset, text)| (tp.clone(), (*offset, text.clone()))));
        drop(cluster);
        if link.strikes(CommitFault::AnswerLost) {
            return Ok(self.aborted("no answer"));
        }
        Ok(CommitOutcome::Committed)
    }
}

impl Worker for SimulatedWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, _: Duration) -> Result<()> {
        self.log.link.check()?;
        if std::mem::take(&mut self.broken) {
            self.epoch = lock(&self.log.cluster).init_transactions(&self.options.transactional_id);
            self.rewind = true;
        }
        self.follow_group(out)?;
        if self.leaving || self.arriving.is_some() {
            return Ok(());
        }
        let cluster = lock(&self.log.cluster);
        for (tp, position) in &mut self.owned {
            let (now, most) = self.log.link.chance(|random| (random.percent(70), random.between(1, 30)));
            if !now || self.paused.contains(tp) {
                continue;
            }
            let (records, next) = cluster.fetch(tp, *position, (most as usize).min(max_records));
            *position = next;
            if !records.is_empty() {
                out.push(Event::Records(Fetched { tp: Arc::new(tp.clone()), records }));
            }
        }
        Ok(())
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.log.link.check()?;
        if self.log.link.strikes(CommitFault::SendFails) {
            return Err(retriable("sending records"));
        }
        if records.iter().any(|record| is_too_large(&record)) {
            if self.log.link.chance(|random| random.percent(50)) {
                return Err(too_large(topic));
            }
            self.refused = Some(too_large(topic));
        }
        let mut taken = RecordBatch::default();
        records.iter().filter(|record| !is_too_large(record)).for_each(|record| taken.push(record));
        let records = &taken;
        self.uncommitted_bytes += records.byte_len();
        let shared = self.log.cluster.clone();
        let mut cluster = lock(&shared);
        let transaction = match self.options.guarantee {
            Guarantee::ExactlyOnce => {
                let open = cluster.transaction(&self.options.transactional_id, self.epoch);
                Some(open.ok_or_else(|| self.fenced("sending records"))?)
            }
            Guarantee::AtLeastOnce => None,
        };
        if transaction.is_none() && self.log.link.chance(|random| random.percent(50)) {
            self.queued.push((topic.to_owned(), records.clone()));
            return Ok(());
        }
        let sent = std::mem::take(&mut self.queued).into_iter().chain([(topic.to_owned(), records.clone())]);
        for (topic, records) in sent.collect::<Vec<_>>() {
            let places = cluster.append(&topic, &records, transaction)?;
            self.note_ends(&topic, &places);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.log.link.check()?;
        if self.options.guarantee == Guarantee::ExactlyOnce {
            return Ok(());
        }
        for (topic, records) in std::mem::take(&mut self.queued) {
            let places = lock(&self.log.cluster).append(&topic, &records, None)?;
            self.note_ends(&topic, &places);
        }
        self.refused.take().map_or(Ok(()), Err)
    }

    fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], mut state: WriteBatch) -> Result<CommitOutcome> {
        self.log.link.check()?;
        if !self.owns_all(offsets) {
            return Ok(self.aborted("partitions belong to another worker"));
        }
        if let Some(refused) = self.refused.take() {
            self.drop_output();
            self.rewind = true;
            return Err(refused);
        }
        let outcome = match self.options.guarantee {
            Guarantee::ExactlyOnce => self.commit_transaction(offsets)?,
            Guarantee::AtLeastOnce => self.commit_in_steps(offsets)?,
        };
        if outcome != CommitOutcome::Committed {
            return Ok(outcome);
        }
        self.log.link.crashes(CommitFault::CrashBetween)?;
        for (tp, end) in std::mem::take(&mut self.changelog_ends) {
            self.log.put_position(&mut state, &tp, end);
        }
        state.commit(Durability::Buffered)?;
        self.uncommitted_bytes = 0;
        self.log.link.crashes(CommitFault::CrashAfter)?;
        Ok(CommitOutcome::Committed)
    }

    fn abort(&mut self) -> Result<()> {
        self.log.link.check()?;
        self.drop_output();
        self.rewind = true;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused.extend(partitions.iter().cloned());
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        partitions.iter().for_each(|tp| {
            self.paused.remove(tp);
        });
        Ok(())
    }

    fn wake_handle(&self) -> WakeHandle {
        Arc::new(|| {})
    }
}

impl Drop for SimulatedWorker {
    fn drop(&mut self) {
        // The dead do not say goodbye.
        if !self.log.link.has_crashed() {
            self.drop_output();
            let mut cluster = lock(&self.log.cluster);
            if let Some(group) = cluster.groups.get_mut(&self.options.group) {
                group.leave(self.member);
            }
        }
    }
}
