//! Figures for `/metrics`: what this server's queries and plugins have done since it started.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::answer::QueryState;
use crate::engine::Engine;
use crate::query::{Counted, RestoreProgress, WaitingRecords};

/// Figures of all queries on this server.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub queries: Vec<QueryMetrics>,
    /// Push queries that run now.
    pub push_queries: usize,
    pub endpoints: Vec<crate::endpoints::EndpointMetrics>,
}

/// Figures of one persistent query on this server; counters start at 0 with the query's runner.
#[derive(Clone, Debug)]
pub struct QueryMetrics {
    pub id: String,
    pub state: QueryState,
    /// Name of the stage and its plugin, if it is one.
    pub stage: Option<(String, String)>,
    pub records_in: u64,
    pub records_out: u64,
    pub bytes_in: u64,
    pub errors: u64,
    pub commits: u64,
    /// Time spent in guests, microseconds.
    pub guest_micros: u64,
    /// Milliseconds since the epoch; 0 before the first.
    pub last_record_ms: i64,
    pub policy: PolicyMetrics,
    /// By store and partition: what was or is being read again from changelogs.
    pub restores: BTreeMap<(Arc<str>, i32), RestoreProgress>,
    /// Partitions of other servers that are copied here, and by how many records each is behind.
    pub standbys: BTreeMap<i32, i64>,
}

/// Figures of a query's error policy on this server.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    /// How often what was decided.
    pub decisions: Vec<(Counted, u64)>,
    /// By partition; empty if nothing is ever tried again.
    pub waiting: BTreeMap<i32, WaitingRecords>,
}

impl Engine {
    /// Figures of this moment.
    pub fn metrics(&self) -> Metrics {
        let state = self.state.read().expect("no panic while holding the lock");
        let queries = state.queries.values().map(|query| {
            let stage = state.stages.values().find(|s| s.query_id == query.id).map(|s| (s.name.clone(), s.plugin.clone()));
            let mut metrics = QueryMetrics {
                id: query.id.clone(),
                state: query.state(),
                stage,
                records_in: 0,
                records_out: 0,
                bytes_in: 0,
                errors: 0,
                commits: 0,
                guest_micros: 0,
                last_record_ms: 0,
                policy: PolicyMetrics::default(),
                restores: BTreeMap::new(),
                standbys: BTreeMap::new(),
            };
            if let Some(runner) = &query.runner {
                let statistics = &runner.statistics;
                metrics.records_in = statistics.records_in.load(Relaxed);
                metrics.records_out = statistics.records_out.load(Relaxed);
                metrics.bytes_in = statistics.bytes_in.load(Relaxed);
                metrics.errors = statistics.errors.load(Relaxed);
                metrics.commits = statistics.commits.load(Relaxed);
                metrics.guest_micros = statistics.partitions().iter().map(|p| p.guest_micros).sum();
                metrics.last_record_ms = statistics.last_record_ms.load(Relaxed);
                metrics.restores = statistics.restores();
                metrics.standbys = runner.standbys();
                metrics.policy = PolicyMetrics { decisions: statistics.policy.decisions(), waiting: statistics.policy.waiting() };
            }
            metrics
        });
        Metrics {
            queries: queries.collect(),
            push_queries: self.push_queries.list().len(),
            endpoints: self.endpoints.table().metrics(),
        }
    }
}
