//! What tasks get from outside: stores, plugin instances.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use calzone_exec::policy::{ActionsPolicy, Decide};
use calzone_exec::{Environment, Stage, StageAnswer, StoreSpec, TaskStore};
use calzone_functions::{Aggregate, Binding, Scalar};
use calzone_plan::error_policy::{Decider, ErrorPolicy};
use calzone_plan::plan::{PluginUse, StageStep};
use calzone_plan::plugin_use_name;
use calzone_sandbox::Grants;
use calzone_state::{Database, MemoryStore, TransactionStore};
use calzone_types::{Batch, Header, SqlType, Value};

use super::policy::ATTEMPT;
use super::{Breaker, Guest, QueryStatistics};

/// Which revision of each plugin a query uses.
pub type Bindings = BTreeMap<PluginUse, PluginBinding>;

/// One function's or stage's code.
#[derive(Clone)]
pub struct PluginBinding {
    pub revision: i64,
    /// The place in the statement log of what put this revision in force; 0 for the first.
    pub since: i64,
    pub guest: Arc<dyn Guest>,
    pub grants: Grants,
}

/// Gives tasks of one query what they need.
pub struct TaskEnvironment {
    pub bindings: Arc<Bindings>,
    /// Where stores live; `None` keeps them in memory, for transient queries.
    pub stores: Option<StoreHome>,
    pub statistics: Arc<QueryStatistics>,
    /// Told of the guests' faults.
    pub breaker: Option<Arc<Breaker>>,
    /// Partition of the task that is being made.
    pub partition: i32,
}

/// Folder of a query's stores in the server's database.
#[derive(Clone)]
pub struct StoreHome {
    pub database: Database,
    pub query_id: String,
}

impl StoreHome {
    /// Keyspace that holds a store's partitions.
    pub fn keyspace_name(&self, store: &str) -> String {
        format!("store-{}-{store}", self.query_id)
    }

    /// A partition of a store, with what was committed.
    pub fn open(&self, store: &str, partition: i32) -> Result<TransactionStore, calzone_state::StateError> {
        let keyspace = self.database.keyspace(&self.keyspace_name(store))?;
        Ok(TransactionStore::new(keyspace, &partition_prefix(partition)))
    }
}

/// What a partition's keys begin with, inside the keyspace of its store.
pub fn partition_prefix(partition: i32) -> [u8; 4] {
    partition.to_be_bytes()
}

impl TaskEnvironment {
    /// For queries that keep nothing: stores are in memory.
    pub fn transient(bindings: Arc<Bindings>, statistics: Arc<QueryStatistics>) -> TaskEnvironment {
        TaskEnvironment { bindings, stores: None, statistics, breaker: None, partition: 0 }
    }

    /// The code, made to tell of its faults and to name itself in errors.
    fn watched(&self, code: &PluginBinding) -> Arc<dyn Guest> {
        code.guest.watched(code.revision, self.breaker.clone()).unwrap_or_else(|| code.guest.clone())
    }

    fn function(&self, plugin: &str, function: &str) -> Result<&PluginBinding, String> {
        self.bindings
            .iter()
            .find(|(used, _)| &*used.plugin == plugin && &*used.item == function)
            .map(|(_, code)| code)
            .ok_or_else(|| format!("no revision of plugin `{plugin}` was given for its function `{function}`"))
    }
}

impl Environment for TaskEnvironment {
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String> {
        let code = self.function(plugin, function)?;
        self.watched(code).scalar(function, binding, &code.grants)
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        let (_, code) = self
            .bindings
            .iter()
            .find(|(used, _)| used.name == step.name && used.plugin == step.plugin)
            .ok_or_else(|| format!("no revision of plugin `{}` was given for stage `{}`", step.plugin, step.name))?;
        let instance = self.watched(code).stage(step, &code.grants)?;
        let label = format!("{}@{}", step.plugin, code.revision);
        let header = step.revision_header.then(|| ("calzone.revision".into(), Some(label.into_bytes())));
        Ok(Box::new(PluginStage { instance, header, statistics: self.statistics.clone(), partition: self.partition }))
    }

    fn error_policy(&mut self, policy: &ErrorPolicy) -> Result<Box<dyn Decide>, String> {
        match (&policy.decider, ActionsPolicy::new(policy)) {
            (_, Some(actions)) => Ok(Box::new(actions)),
            (Decider::Actions { .. }, None) => Err(format!("error policy {} cannot decide", policy.name)),
            (Decider::Plugin { plugin, policy: item, config }, None) => {
                let name = plugin_use_name(&policy.name);
                let found = self.bindings.iter().find(|(used, _)| *used.name == *name);
                let (_, code) = found
                    .ok_or_else(|| format!("no revision of plugin `{plugin}` was given for error policy `{}`", policy.name))?;
                code.guest.error_policy(item, config)
            }
        }
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        _: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        let code = self.function(plugin, function)?;
        self.watched(code).aggregate(function, binding, init, &code.grants)
    }

    fn store(&mut self, spec: &StoreSpec, partition: i32) -> Result<Box<dyn TaskStore>, String> {
        match &self.stores {
            None => Ok(Box::new(MemoryStore::new())),
            Some(home) => Ok(Box::new(home.open(&spec.name, partition).map_err(|e| e.to_string())?)),
        }
    }
}

/// A plugin's stage that is watched and whose rows are marked.
struct PluginStage {
    instance: Box<dyn Stage>,
    /// Put on each row that leaves the stage.
    header: Option<Header>,
    statistics: Arc<QueryStatistics>,
    partition: i32,
}

impl Stage for PluginStage {
    fn process(&mut self, input: &Batch, store: &mut Option<Box<dyn TaskStore>>) -> StageAnswer {
        let started = Instant::now();
        let mut answer = self.instance.process(input, store);
        self.statistics.guest_time(self.partition, started.elapsed(), input.len(), answer.errors.len());
        if self.header.is_some() || is_tried_again(input) {
            for rows in &mut answer.outputs {
                rows.headers = Some(marked_headers(input, rows.headers.take(), &rows.source_rows, self.header.as_ref()));
            }
        }
        answer
    }
}

/// Do the headers of any row say which attempt it is?
fn is_tried_again(input: &Batch) -> bool {
    let is_attempt = |headers: &Arc<[Header]>| headers.last().is_some_and(|(name, _)| **name == *ATTEMPT);
    input.headers.as_ref().is_some_and(|rows| rows.iter().any(is_attempt))
}

/// The rows' headers with the mark of the stage; an older one of that name is replaced, so that a chain of stages shows its
/// last. Which attempt it was is of no interest any more.
fn marked_headers(
    input: &Batch,
    guest: Option<Vec<Arc<[Header]>>>,
    source_rows: &[u32],
    mark: Option<&Header>,
) -> Vec<Arc<[Header]>> {
    let none: Arc<[Header]> = Arc::new([]);
    let alone: Arc<[Header]> = mark.into_iter().cloned().collect();
    source_rows
        .iter()
        .enumerate()
        .map(|(out, &row)| {
            let present = match (&guest, &input.headers) {
                (Some(guest), _) => &guest[out],
                (None, Some(headers)) => &headers[row as usize],
                (None, None) => &none,
            };
            if present.is_empty() {
                return alone.clone();
            }
            let stays = |h: &&Header| *h.0 != *ATTEMPT && mark.is_none_or(|mark| h.0 != mark.0);
            present.iter().filter(stays).chain(mark).cloned().collect()
        })
        .collect()
}
