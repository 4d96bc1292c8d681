//! The topic in which servers tell each other where they are and what they keep.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use calzone_log::{Fetched, Log, LogError, Reader, StartOffset, TopicPartition, TopicSpec};
use calzone_types::{RecordBatch, RecordRef};

use super::{ANNOUNCE_INTERVAL, Announcement, Cluster, Share};
use crate::StatementError;
use crate::engine::Engine;
use crate::query::now_ms;

/// How often it is looked whether there is something to tell.
const STEP: Duration = Duration::from_millis(100);
/// Rest after the topic could not be read or written.
const RETRY: Duration = Duration::from_secs(1);
/// What is older is of no use to anybody.
const RETENTION_MS: &str = "600000";
/// How long the first reading may take before the server starts without knowing the others.
const FIRST_READING_TIME_MAX: Duration = Duration::from_secs(10);

/// The reading end of the topic.
pub(crate) struct Announcements {
    place: TopicPartition,
    reader: Box<dyn Reader>,
    fetched: Vec<Fetched>,
}

impl Announcements {
    /// Opens the topic, creating it where it is missing, and reads what is there.
    pub fn open(cluster: &Cluster, log: &dyn Log, replicas: i32) -> Result<Announcements, LogError> {
        if log.topic(&cluster.topic)?.is_none() {
            let config = [("cleanup.policy", "delete"), ("retention.ms", RETENTION_MS), ("segment.ms", RETENTION_MS)];
            let config = config.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            match log.create_topic(&TopicSpec { name: cluster.topic.clone(), partitions: 1, replicas, config }) {
                Ok(()) | Err(LogError::TopicExists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let place = TopicPartition::new(cluster.topic.as_str(), 0);
        let reader = log.reader(&[(place.clone(), StartOffset::Earliest)])?;
        let mut announcements = Announcements { place, reader, fetched: Vec::new() };
        let end = log.offsets(&cluster.topic)?.first().map_or(0, |offsets| offsets.latest);
        let deadline = Instant::now() + FIRST_READING_TIME_MAX;
        while announcements.reader.position(&announcements.place) < end && Instant::now() < deadline {
            announcements.read(cluster, Duration::from_millis(100), true)?;
        }
        Ok(announcements)
    }

    /// Takes in what comes within the timeout. `is_old`: it may have been written long ago.
    fn read(&mut self, cluster: &Cluster, timeout: Duration, is_old: bool) -> Result<(), LogError> {
        self.fetched.clear();
        self.reader.poll(&mut self.fetched, 1024, timeout)?;
        if self.fetched.is_empty() {
            return Ok(());
        }
        let now = now_ms();
        let mut members = cluster.members();
        for record in self.fetched.iter().flat_map(|fetched| fetched.records.iter()) {
            let Some(id) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else { continue };
            let announcement = match record.value.map(serde_json::from_slice::<Announcement>) {
                None => None,
                Some(Ok(announcement)) => Some(announcement),
                Some(Err(error)) => {
                    tracing::warn!(offset = record.offset, %error, "an announcement of a server cannot be read");
                    continue;
                }
            };
            // Clocks of servers may differ: what comes now is of now.
            let seen = if is_old { record.timestamp.min(now) } else { now };
            members.apply(id, announcement, record.offset, seen);
        }
        members.forget_silent(&cluster.own_id, now);
        drop(members);
        cluster.heard.notify_all();
        Ok(())
    }
}

/// Reads and writes announcements until the server stops, in a thread of its own.
pub(crate) fn follow(engine: Weak<Engine>, cluster: Arc<Cluster>, mut announcements: Announcements) -> std::io::Result<()> {
    std::thread::Builder::new().name("cluster".into()).spawn(move || {
        let mut last: Option<(Announcement, Instant)> = None;
        loop {
            let Some(engine) = engine.upgrade().filter(|engine| !engine.is_stopping()) else { return };
            let announcement = engine.announcement(&cluster);
            if last.as_ref().is_none_or(|(told, at)| *told != announcement || at.elapsed() >= ANNOUNCE_INTERVAL) {
                match engine.announce(&cluster, Some(&announcement)) {
                    Ok(()) => last = Some((announcement, Instant::now())),
                    Err(error) => {
                        tracing::warn!(%error, "the other servers could not be told what this one keeps; it will be tried again");
                        std::thread::sleep(RETRY);
                    }
                }
            }
            // The engine must be able to end while this waits.
            drop(engine);
            if let Err(error) = announcements.read(&cluster, STEP, false) {
                tracing::warn!(%error, "announcements of other servers cannot be read; it will be tried again");
                std::thread::sleep(RETRY);
            }
            cluster.members().forget_silent(&cluster.own_id, now_ms());
        }
    })?;
    Ok(())
}

impl Engine {
    /// What this server has to tell now.
    pub(super) fn announcement(&self, cluster: &Cluster) -> Announcement {
        let state = self.state.read().expect("no panic while holding the lock");
        let shares = state.queries.values().filter_map(|query| {
            let runner = query.runner.as_ref()?;
            let held = runner.held()?;
            let mut share = Share { table: held.table, standby: runner.standbys().into_keys().collect(), ..Share::default() };
            for place in held.inputs {
                share.inputs.entry(place.topic).or_default().insert(place.partition);
            }
            Some((query.id.clone(), share))
        });
        Announcement { address: cluster.address.clone(), queries: shares.collect() }
    }

    /// Tells the other servers; `None`: that this one leaves.
    pub(crate) fn announce(&self, cluster: &Cluster, announcement: Option<&Announcement>) -> Result<(), StatementError> {
        let value = announcement.map(|a| serde_json::to_vec(a).expect("announcements are plain data"));
        let mut records = RecordBatch::default();
        records.push(RecordRef {
            offset: 0,
            timestamp: now_ms(),
            partition: 0,
            key: Some(cluster.own_id.as_bytes()),
            value: value.as_deref(),
            headers: &[],
        });
        self.append_records(&cluster.topic, &records).map(|_| ())
    }

    /// Tells the other servers that this one leaves.
    pub(crate) fn leave_cluster(&self) {
        if let Some(cluster) = &self.cluster
            && !self.is_embedded()
            && let Err(error) = self.announce(cluster, None)
        {
            tracing::warn!(%error, "the other servers could not be told that this one leaves");
        }
    }
}
