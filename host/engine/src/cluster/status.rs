//! What `GET /clusterStatus` tells.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::{Announcement, HostLags};
use crate::engine::Engine;
use crate::query::now_ms;

/// A server of the cluster.
#[derive(Clone, Debug)]
pub struct HostStatus {
    /// `host:port`
    pub address: String,
    pub is_alive: bool,
    /// When that was found out, milliseconds since the epoch.
    pub updated_ms: i64,
    /// By query id.
    pub queries: BTreeMap<String, HostQuery>,
    pub lags: HostLags,
}

/// What of a query a server works on.
#[derive(Clone, Debug, Default)]
pub struct HostQuery {
    pub active_stores: Vec<String>,
    /// Topic and partition.
    pub active_partitions: Vec<(String, i32)>,
    pub standby_stores: Vec<String>,
    /// Changelog and partition.
    pub standby_partitions: Vec<(String, i32)>,
}

impl Engine {
    /// All servers that are known, this one first. `None` while heartbeats are off.
    pub fn cluster_status(&self) -> Option<Vec<HostStatus>> {
        let cluster = self.cluster.as_ref()?;
        cluster.settings.heartbeat.as_ref()?;
        let now = now_ms();
        let own_lags = if cluster.settings.lag_interval.is_some() { self.measure_lags() } else { HostLags::default() };
        let mut hosts = vec![HostStatus {
            address: cluster.address.clone(),
            is_alive: true,
            updated_ms: now,
            queries: self.host_queries(&self.announcement(cluster)),
            lags: own_lags,
        }];
        let others: Vec<_> = {
            let members = cluster.members();
            let others = members.iter().filter(|(id, member)| !cluster.is_this(id, member));
            others.map(|(id, member)| (cluster.is_alive(id, member, now), member.clone())).collect()
        };
        for (is_alive, member) in others {
            hosts.push(HostStatus {
                is_alive,
                updated_ms: cluster.checked_ms.load(Ordering::Relaxed),
                queries: self.host_queries(&member.announcement),
                lags: member.lags.unwrap_or_default(),
                address: member.announcement.address,
            });
        }
        Some(hosts)
    }

    fn host_queries(&self, announcement: &Announcement) -> BTreeMap<String, HostQuery> {
        let state = self.state.read().expect("no panic while holding the lock");
        let described = announcement.queries.iter().filter_map(|(id, share)| {
            let runner = state.queries.get(id)?.runner.as_ref()?;
            let stores: Vec<String> = runner.stores().iter().map(|store| store.name.to_string()).collect();
            let mut query = HostQuery::default();
            for (topic, partitions) in &share.inputs {
                query.active_partitions.extend(partitions.iter().map(|partition| (topic.to_string(), *partition)));
            }
            if !query.active_partitions.is_empty() {
                query.active_stores.clone_from(&stores);
            }
            if !share.standby.is_empty() {
                for topic in runner.changelogs() {
                    query.standby_partitions.extend(share.standby.iter().map(|partition| (topic.to_string(), *partition)));
                }
                query.standby_stores = stores;
            }
            Some((id.clone(), query))
        });
        described.collect()
    }
}
