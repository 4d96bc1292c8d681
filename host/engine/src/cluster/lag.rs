//! How far stores are behind their changelogs, as servers tell each other.

use std::collections::BTreeMap;

use calzone_exec::Changelog;
use calzone_log::TopicPartition;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::query::now_ms;

/// The lags of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostLags {
    /// By `query#store`.
    pub state_store_lags: BTreeMap<String, StoreLags>,
    /// Milliseconds since the epoch; 0 before the first report.
    pub update_time_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreLags {
    pub lag_by_partition: BTreeMap<i32, StoreLag>,
}

/// Offsets of a changelog partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreLag {
    /// Up to which the store has the changes.
    pub current_offset_position: i64,
    pub end_offset_position: i64,
    pub offset_lag: i64,
}

impl Engine {
    /// How far the stores on this server are behind their changelogs. The embedded log has none.
    pub(super) fn measure_lags(&self) -> HostLags {
        let mut lags = HostLags { update_time_ms: now_ms(), ..HostLags::default() };
        let runners: Vec<_> = {
            let state = self.state.read().expect("no panic while holding the lock");
            state.queries.values().filter_map(|q| Some((q.id.clone(), q.runner.clone()?))).collect()
        };
        for (query, runner) in runners {
            let Some(held) = runner.held() else { continue };
            let partitions = held.inputs.iter().map(|place| place.partition).chain(runner.standbys().into_keys());
            let partitions: Vec<i32> = partitions.collect();
            for spec in runner.stores() {
                let Changelog::Internal(topic) = &spec.changelog else { continue };
                let Ok(ends) = self.log.offsets(topic) else { continue };
                let mut store = StoreLags::default();
                for partition in &partitions {
                    let Some(end) = usize::try_from(*partition).ok().and_then(|p| ends.get(p)) else { continue };
                    let place = TopicPartition::new(topic.clone(), *partition);
                    let Ok(position) = self.log.changelog_position(&place) else { continue };
                    // Behind the last change may lie the markers of transactions, which are no changes.
                    let position = position.unwrap_or(0);
                    let is_owner = held.inputs.iter().any(|input| input.partition == *partition);
                    let current_offset_position = if is_owner { end.latest } else { position.min(end.latest) };
                    let offset_lag = end.latest - current_offset_position;
                    let lag = StoreLag { current_offset_position, end_offset_position: end.latest, offset_lag };
                    store.lag_by_partition.insert(*partition, lag);
                }
                lags.state_store_lags.insert(format!("{query}#{}", spec.name), store);
            }
        }
        lags
    }
}
