//! A member of a group: reads its partitions and commits what came of it.

use super::append::{self, Outbox};
use super::cursor::{Cursor, Cursors};
use super::groups;
use super::signal::{Signal, Wake, deadline};
use super::topics::Topic;
use super::{Shared, topics};
use crate::error::{LogError, Result};
use crate::topic::TopicPartition;
use crate::worker::{Assignment, CommitOutcome, Event, Reset, WakeHandle, Worker, WorkerOptions};
use calzone_state::{Durability, WriteBatch};
use calzone_types::RecordBatch;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct EmbeddedWorker {
    shared: Arc<Shared>,
    options: WorkerOptions,
    member: u64,
    signal: Arc<Signal>,
    topics: Vec<Arc<Topic>>,
    /// Where to begin in a partition without a committed offset.
    starts: HashMap<TopicPartition, i64>,
    cursors: Cursors,
    paused: HashSet<TopicPartition>,
    /// Announced as revoked; let go by the next poll.
    revoked: Vec<TopicPartition>,
    /// The group as it was seen last.
    version: Option<u64>,
    /// After an abort everything is assigned anew.
    rewind: bool,
    outbox: Outbox,
    sinks: HashMap<String, Arc<Topic>>,
    turn: u32,
}

impl EmbeddedWorker {
    pub(super) fn new(shared: Arc<Shared>, options: WorkerOptions) -> Result<EmbeddedWorker> {
        let signal = Arc::new(Signal::default());
        let topics: Vec<Arc<Topic>> = options.topics.iter().map(|name| shared.topics.get(name)).collect::<Result<_>>()?;
        let mut starts = HashMap::new();
        for topic in &topics {
            topic.add_waiter(&signal);
            for (index, offsets) in topic.offsets().into_iter().enumerate() {
                let start = match options.auto_offset_reset {
                    Reset::Earliest => offsets.earliest,
                    Reset::Latest => offsets.latest,
                };
                starts.insert(TopicPartition::new(topic.name.clone(), index as i32), start);
            }
        }
        let member = shared.memberships.join(&options.group, topics.clone(), signal.clone());
        Ok(EmbeddedWorker {
            shared,
            options,
            member,
            signal,
            topics,
            starts,
            cursors: Cursors::default(),
            paused: HashSet::new(),
            revoked: Vec::new(),
            version: None,
            rewind: false,
            outbox: Outbox::default(),
            sinks: HashMap::new(),
            turn: 0,
        })
    }

    /// Adds what has changed about our partitions; true if something has.
    fn membership_events(&mut self, out: &mut Vec<Event>) -> Result<bool> {
        if !self.revoked.is_empty() {
            let revoked = std::mem::take(&mut self.revoked);
            self.cursors.list.retain(|cursor| !revoked.contains(&cursor.tp));
            self.shared.memberships.release(&self.options.group, self.member, &revoked);
        }
        let mut happened = false;
        if std::mem::take(&mut self.rewind) && !self.cursors.list.is_empty() {
            let owned: Vec<TopicPartition> = self.cursors.list.drain(..).map(|cursor| (*cursor.tp).clone()).collect();
            self.assign(&owned, out)?;
            happened = true;
        }
        let version = self.shared.memberships.version();
        if self.version == Some(version) {
            return Ok(happened);
        }
        self.version = Some(version);
        let change = self.shared.memberships.changes(&self.options.group, self.member);
        if !change.lost.is_empty() {
            // The gains come when these are let go.
            self.version = None;
            self.revoked = change.lost.clone();
            out.push(Event::Revoked(change.lost));
            return Ok(true);
        }
        if !change.gained.is_empty() {
            self.assign(&change.gained, out)?;
            happened = true;
        }
        Ok(happened)
    }

    fn assign(&mut self, partitions: &[TopicPartition], out: &mut Vec<Event>) -> Result<()> {
        let shared = self.shared.clone();
        let mut assignments = Vec::with_capacity(partitions.len());
        let mut batch = shared.database.batch();
        for tp in partitions {
            let topic = self.topic(tp)?;
            let committed = groups::read(&shared.groups, &self.options.group, &tp.topic, tp.partition)?;
            let start = match &committed {
                Some((offset, _)) => *offset,
                None => {
                    let start = self.starts.get(tp).copied().unwrap_or(0);
                    // So that a restart before the first commit begins at the same place.
                    groups::write(&shared.groups, &mut batch, &self.options.group, &tp.topic, tp.partition, start, "");
                    start
                }
            };
            let cursor = Cursor::new(topic, tp.partition, start)?;
            let position = cursor.position();
            self.cursors.list.push(cursor);
            let (committed, metadata) = committed.map_or((None, String::new()), |(offset, text)| (Some(offset), text));
            assignments.push(Assignment { tp: tp.clone(), committed, position, metadata });
        }
        batch.commit(Durability::Buffered)?;
        out.push(Event::Assigned(assignments));
        Ok(())
    }

    fn topic(&self, tp: &TopicPartition) -> Result<Arc<topics::Topic>> {
        let found = self.topics.iter().find(|topic| topic.name == tp.topic);
        found.cloned().ok_or_else(|| LogError::TopicMissing { topic: tp.topic.to_string() })
    }
}

impl Worker for EmbeddedWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, timeout: Duration) -> Result<()> {
        let deadline = deadline(timeout);
        loop {
            let mut found = self.membership_events(out)?;
            if self.revoked.is_empty() {
                let paused = &self.paused;
                let give = |fetched| out.push(Event::Records(fetched));
                found |= self.cursors.fetch(&self.shared, max_records, |tp| !paused.contains(tp), give)?;
            }
            if found || self.signal.wait(deadline) != Wake::Data {
                return Ok(());
            }
        }
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        let sink = match self.sinks.get(topic) {
            Some(sink) if sink.check_exists().is_ok() => sink.clone(),
            _ => {
                let sink = self.shared.topics.get(topic)?;
                self.sinks.insert(topic.to_owned(), sink.clone());
                sink
            }
        };
        self.outbox.push(&sink, records, &mut self.turn, |_, _| {})
    }

    fn uncommitted_bytes(&self) -> usize {
        self.outbox.byte_len()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], mut state: WriteBatch) -> Result<CommitOutcome> {
        for (tp, offset, metadata) in offsets {
            if !self.cursors.list.iter().any(|cursor| *cursor.tp == *tp) {
                self.outbox.clear();
                return Ok(CommitOutcome::Fenced {
                    cause: format!("{tp} belongs to another worker of group '{}'", self.options.group),
                });
            }
            groups::write(&self.shared.groups, &mut state, &self.options.group, &tp.topic, tp.partition, *offset, metadata);
        }
        match append::write(&self.shared, std::mem::take(&mut self.outbox), state) {
            Ok(_) => Ok(CommitOutcome::Committed),
            Err(error) => {
                self.rewind = true;
                Err(error)
            }
        }
    }

    fn abort(&mut self) -> Result<()> {
        self.outbox.clear();
        self.rewind = true;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused.extend(partitions.iter().cloned());
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for tp in partitions {
            self.paused.remove(tp);
        }
        // What has arrived meanwhile was signalled while nobody wanted it.
        self.signal.notify_data();
        Ok(())
    }

    fn wake_handle(&self) -> WakeHandle {
        let signal = self.signal.clone();
        Arc::new(move || signal.wake())
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        self.shared.memberships.leave(&self.options.group, self.member);
    }
}
