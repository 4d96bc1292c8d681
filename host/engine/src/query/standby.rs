//! Copies of stores whose partitions belong to other servers: they follow the changelogs, so that this server can take over, or
//! answer pull queries meanwhile, without reading everything again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use calzone_exec::Changelog;
use calzone_log::{Fetched, Reader, StartOffset, TopicPartition};
use calzone_state::{Durability, Store, TransactionStore};

use super::Failure;
use super::runner::{Runner, Work};
use crate::options::BATCH_RECORDS_MAX;

/// How often it is looked which partitions are to be copied.
const CHOOSE_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is asked where the changelogs end.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
/// Rest after the changelogs could not be read.
const RETRY: Duration = Duration::from_secs(5);

/// Says which partitions a server shall copy now.
pub type ChooseStandbys = Arc<dyn Fn() -> BTreeSet<i32> + Send + Sync>;

/// The copies that a query keeps on this server.
#[derive(Default)]
pub(super) struct Standbys {
    partitions: BTreeSet<i32>,
    reader: Option<Box<dyn Reader>>,
    /// By changelog partition.
    stores: BTreeMap<TopicPartition, TransactionStore>,
    fetched: Vec<Fetched>,
    chosen: Option<Instant>,
    measured: Option<Instant>,
}

impl Standbys {
    pub fn is_active(&self) -> bool {
        self.reader.is_some()
    }

    /// Leaves these partitions to somebody else, who goes on where the copies end.
    pub fn leave(&mut self, partitions: &BTreeSet<i32>) {
        if !self.partitions.is_disjoint(partitions) {
            // The others are taken up again at the next look.
            *self = Standbys::default();
        }
    }
}

impl Runner {
    /// Copies what has been written since, a batch at most. A failure is waited out: the query itself goes on.
    pub(super) fn follow_standbys(&self, work: &mut Work) {
        let Some(choose) = &self.options.standbys else { return };
        if let Err(failure) = self.try_follow(choose, work) {
            tracing::warn!(query = %self.options.query_id, message = failure.message(), "standby copies are interrupted");
            work.standbys = Standbys { chosen: Some(Instant::now() + RETRY), ..Standbys::default() };
            self.show_standbys(BTreeMap::new());
        }
    }

    fn try_follow(&self, choose: &ChooseStandbys, work: &mut Work) -> Result<(), Failure> {
        let standbys = &mut work.standbys;
        let is_due = |at: Option<Instant>, interval| at.is_none_or(|at| Instant::now().saturating_duration_since(at) >= interval);
        if is_due(standbys.chosen, CHOOSE_INTERVAL) {
            let mut wanted = choose();
            wanted.retain(|partition| !work.assigned.keys().any(|place| place.partition == *partition));
            if wanted != standbys.partitions {
                *standbys = self.open_standbys(wanted)?;
            }
            standbys.chosen = Some(Instant::now());
        }
        let Some(reader) = &mut standbys.reader else { return Ok(()) };
        standbys.fetched.clear();
        reader.poll(&mut standbys.fetched, 16 * BATCH_RECORDS_MAX, Duration::ZERO)?;
        if !standbys.fetched.is_empty() {
            let mut batch = self.database.batch();
            for part in &standbys.fetched {
                let Some(store) = standbys.stores.get_mut(&*part.tp) else { continue };
                for record in part.records.iter() {
                    match (record.key, record.value) {
                        (Some(key), Some(value)) => store.put(key, value)?,
                        (Some(key), None) => store.delete(key)?,
                        (None, _) => {}
                    }
                }
                store.drain_into(&mut batch, &mut |_, _| {});
                self.log.put_changelog_position(&mut batch, &part.tp, reader.position(&part.tp))?;
            }
            batch.commit(Durability::Buffered)?;
        }
        if is_due(standbys.measured, MEASURE_INTERVAL) {
            let mut lags: BTreeMap<i32, i64> = BTreeMap::new();
            for (place, end) in reader.end_offsets()? {
                let lag = lags.entry(place.partition).or_insert(0);
                *lag = (end - reader.position(&place)).max(*lag);
            }
            standbys.measured = Some(Instant::now());
            self.show_standbys(lags);
        }
        Ok(())
    }

    /// Begins with these partitions where the local copies end.
    fn open_standbys(&self, partitions: BTreeSet<i32>) -> Result<Standbys, Failure> {
        self.show_standbys(BTreeMap::new());
        let (mut stores, mut starts) = (BTreeMap::new(), Vec::new());
        for spec in self.options.topology.stores() {
            let Changelog::Internal(topic) = &spec.changelog else { continue };
            if partitions.is_empty() {
                continue;
            }
            let ends = self.log.offsets(topic)?;
            for partition in &partitions {
                let Some(end) = usize::try_from(*partition).ok().and_then(|p| ends.get(p)) else { continue };
                let place = TopicPartition::new(topic.clone(), *partition);
                let start = self.log.changelog_position(&place)?.unwrap_or(end.earliest).max(end.earliest);
                starts.push((place.clone(), StartOffset::At(start)));
                stores.insert(place, self.home().open(&spec.name, *partition)?.with_cache_bytes_max(0));
            }
        }
        let reader = if starts.is_empty() { None } else { Some(self.log.reader(&starts)?) };
        if reader.is_some() {
            tracing::info!(query = %self.options.query_id, ?partitions, "copying the stores of partitions of other servers");
        }
        Ok(Standbys { partitions, reader, stores, ..Standbys::default() })
    }
}
