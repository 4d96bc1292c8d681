//! Stores brought up to what their changelogs have, before the first record.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use calzone_exec::{Changelog, StoreSpec, Task};
use calzone_log::{Fetched, LogKind, StartOffset, TopicPartition};
use calzone_state::{Durability, Store, WriteBatch};
use calzone_types::RecordBatch;

use super::Failure;
use super::runner::{Position, Runner, drain_stores};
use crate::options::BATCH_RECORDS_MAX;

/// A changelog that gives nothing for this long is given up, and tried again.
const RESTORE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a long restore is told in the log.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

impl Runner {
    /// Keeps, with the stores that copy a source's topic, how much of it they have.
    pub(super) fn keep_source_positions(
        &self,
        part: usize,
        partition: i32,
        assigned: &BTreeMap<TopicPartition, Position>,
        batch: &mut WriteBatch,
    ) -> Result<(), Failure> {
        for spec in self.options.topology.stores().iter().filter(|s| s.part == part) {
            let Changelog::Topic(topic) = &spec.changelog else { continue };
            let place = TopicPartition::new(topic.clone(), partition);
            if let Some(position) = assigned.get(&place) {
                self.log.put_changelog_position(batch, &self.position_name(spec, &place), position.next_offset)?;
            }
        }
        Ok(())
    }

    /// Throws the query's stores away, as they are damaged: they are restored from Kafka when the work begins anew.
    pub(super) fn discard_stores(&self) -> Result<(), Failure> {
        let mut batch = self.database.batch();
        for spec in self.options.topology.stores() {
            let topic = match &spec.changelog {
                Changelog::Internal(topic) | Changelog::Topic(topic) => topic,
            };
            for partition in 0..self.log.topic(topic)?.map_or(0, |topic| topic.partitions) {
                let place = TopicPartition::new(topic.clone(), partition);
                let name = match &spec.changelog {
                    Changelog::Internal(_) => place,
                    Changelog::Topic(_) => self.position_name(spec, &place),
                };
                self.log.put_changelog_position(&mut batch, &name, 0)?;
            }
        }
        // Positions first: a crash in between restores too much, never too little.
        batch.commit(Durability::Synced)?;
        for spec in self.options.topology.stores() {
            self.database.drop_keyspace(&self.home().keyspace_name(&spec.name))?;
        }
        tracing::warn!(query = %self.options.query_id, "stores are damaged; they are restored from Kafka");
        Ok(())
    }

    /// Makes a task, on Kafka with its stores brought up to what the cluster has. The embedded log keeps stores and
    /// offsets in one place, so there is nothing to bring.
    pub(super) fn restored_task(
        &self,
        part: usize,
        partition: i32,
        assigned: &BTreeMap<TopicPartition, Position>,
    ) -> Result<Task, Failure> {
        if self.log.kind() == LogKind::Embedded {
            return self.make_task(part, partition);
        }
        let specs: Vec<StoreSpec> = self.options.topology.stores().iter().filter(|s| s.part == part).cloned().collect();
        for spec in &specs {
            self.restore_changelog(spec, partition)?;
        }
        let mut task = self.make_task(part, partition)?;
        for spec in &specs {
            if let Changelog::Topic(topic) = &spec.changelog {
                let place = TopicPartition::new(topic.clone(), partition);
                // Records after the committed offset are still to be processed.
                let until = assigned.get(&place).map(|p| p.next_offset);
                let position = self.position_name(spec, &place);
                self.replay(spec, &place, &position, until, &mut |records, batch| {
                    task.restore(&spec.name, records)?;
                    drain_stores(&mut task, batch, &mut |_, _, _| {});
                    Ok(())
                })?;
            }
        }
        Ok(task)
    }

    /// Brings a store up to what its changelog on Kafka has.
    pub(super) fn restore_changelog(&self, spec: &StoreSpec, partition: i32) -> Result<(), Failure> {
        let Changelog::Internal(topic) = &spec.changelog else { return Ok(()) };
        if self.log.kind() == LogKind::Embedded {
            return Ok(());
        }
        let place = TopicPartition::new(topic.clone(), partition);
        // The store knows how long keys lie in the keyspace.
        let mut store = self.home().open(&spec.name, partition)?.with_cache_bytes_max(0);
        self.replay(spec, &place, &place, None, &mut |records, batch| {
            for record in records.iter() {
                match (record.key, record.value) {
                    (Some(key), Some(value)) => store.put(key, value)?,
                    (Some(key), None) => store.delete(key)?,
                    (None, _) => {}
                }
            }
            store.drain_into(batch, &mut |_, _| {});
            Ok(())
        })
    }

    /// Under which name a store's position in its source's topic is kept: the topic may feed the stores of several queries.
    fn position_name(&self, spec: &StoreSpec, place: &TopicPartition) -> TopicPartition {
        TopicPartition::new(format!("{}/{}/{}", self.options.query_id, spec.name, place.topic), place.partition)
    }

    /// Feeds the records of a changelog that the local store has not seen to `take`, and keeps how far it came.
    fn replay(
        &self,
        spec: &StoreSpec,
        place: &TopicPartition,
        position_name: &TopicPartition,
        until: Option<i64>,
        take: &mut dyn FnMut(&RecordBatch, &mut WriteBatch) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let ends = self.log.offsets(&place.topic)?;
        let Some(end) = ends.get(place.partition as usize) else { return Ok(()) };
        let until = until.unwrap_or(end.latest).min(end.latest);
        let start = self.log.changelog_position(position_name)?.unwrap_or(end.earliest).max(end.earliest);
        if start >= until {
            return Ok(());
        }
        let started = Instant::now();
        let (query, store) = (&self.options.query_id, &spec.name);
        tracing::info!(%query, %store, partition = place.partition, from = start, until, "restoring a store");
        self.statistics.restoring(store, place.partition, 0, until - start);
        let mut told = Instant::now();
        let mut reader = self.log.reader(&[(place.clone(), StartOffset::At(start))])?;
        let (mut restored, mut progress) = (0, Instant::now());
        while reader.position(place) < until {
            if self.shared.stopping.load(Ordering::Acquire) {
                return Err(Failure::Retry("the query was stopped while its stores were restored".into()));
            }
            let mut fetched: Vec<Fetched> = Vec::new();
            reader.poll(&mut fetched, 16 * BATCH_RECORDS_MAX, Duration::from_millis(200))?;
            let mut batch = self.database.batch();
            let mut count = 0;
            for part in &fetched {
                count += part.records.len();
                take(&part.records, &mut batch)?;
            }
            restored += count;
            self.log.put_changelog_position(&mut batch, position_name, reader.position(place))?;
            batch.commit(Durability::Buffered)?;
            let remaining = until - reader.position(place);
            self.statistics.restoring(store, place.partition, count, remaining);
            if told.elapsed() >= TELL_INTERVAL {
                told = Instant::now();
                tracing::info!(%query, %store, partition = place.partition, restored, remaining, "still restoring");
            }
            if !fetched.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > RESTORE_TIMEOUT {
                let why = format!("restoring store `{}` from {place} stopped making progress", spec.name);
                return Err(Failure::Retry(why));
            }
        }
        tracing::info!(%query, %store, partition = place.partition, records = restored,
            millis = started.elapsed().as_millis() as u64, "store restored");
        Ok(())
    }
}
