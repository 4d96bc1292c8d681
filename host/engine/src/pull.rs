//! Pull queries over tables: rows as they were at the last commit, from the stores of the query that keeps the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_exec::ExecError;
use calzone_plan::{PlanContext, PullPlan, PullQuery};
use calzone_sql::ast;
use calzone_state::{StateError, Store};
use calzone_types::Schema;

use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::{Bindings, Held, RESULT_STORE, RunnerHandle, StoreHome, now_ms};
use crate::submit::plan_error;
use crate::{Session, StatementError};

/// All rows of a pull query.
#[derive(Clone, Debug)]
pub struct PullRows {
    pub id: String,
    pub schema: Schema,
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
}

/// A pull query that is planned.
pub(crate) struct Pull<'a> {
    pub plan: Box<PullPlan>,
    pub text: &'a str,
    /// All settings in force.
    pub properties: BTreeMap<String, String>,
    /// The query that keeps the table's rows, and its thread on this server.
    pub keeper: String,
    pub runner: Option<Arc<RunnerHandle>>,
    bindings: Arc<Bindings>,
    /// The statement log was applied up to this offset.
    pub applied: i64,
}

impl Engine {
    pub(crate) fn pull(&self, query: &ast::Query, text: &str, session: &Session) -> Result<PullRows, StatementError> {
        let pull = self.plan_pull(query, text, session)?;
        let partitions: BTreeSet<i32> = (0..self.table_partitions(&pull)?).collect();
        let held = pull.runner.as_ref().and_then(|runner| runner.held()).map(|held: Held| held.table);
        let lacks_some = held.as_ref().is_some_and(|held| !held.is_superset(&partitions));
        let answer = match &self.cluster {
            Some(cluster) if !self.is_embedded() && (lacks_some || !cluster.is_alone()) => {
                self.pull_from_all(cluster, &pull, partitions, session)?
            }
            // What is here is all there is.
            _ => self.pull_here(&pull, partitions)?,
        };
        Ok(PullRows { id: format!("query_{}", now_ms()), schema: answer.schema, columns: answer.columns, rows: answer.rows })
    }

    pub(crate) fn plan_pull<'a>(&self, query: &ast::Query, text: &'a str, session: &Session) -> Result<Pull<'a>, StatementError> {
        let properties = self.options.effective(&session.properties);
        let state = self.state.read().expect("no panic while holding the lock");
        let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
        let topics = LogTopics { log: &*self.log };
        let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
        let plan = match calzone_plan::pull_query(&context, query).map_err(|e| plan_error(&e, text))? {
            PullQuery::Table(plan) => plan,
            PullQuery::Stream(_) => return Err(StatementError::internal("a stream was asked as a table")),
        };
        let name = &plan.source.name;
        let keeper = plan.source.created_by.as_ref().map(|id| id.to_string()).or_else(|| {
            state.queries.values().find(|q| q.sinks.is_empty() && q.plan.reads.iter().any(|r| r == name)).map(|q| q.id.clone())
        });
        let keeper = keeper.ok_or_else(|| StatementError::internal(format!("no query keeps the rows of {name}")))?;
        let runner = state.queries.get(&keeper).and_then(|q| q.runner.clone());
        let bindings = Arc::new(self.all_function_bindings(&state)?);
        let applied = state.next_offset;
        drop(state);
        Ok(Pull { plan, text, properties, keeper, runner, bindings, applied })
    }

    /// How many partitions the rows of the table lie in.
    pub(crate) fn table_partitions(&self, pull: &Pull<'_>) -> Result<i32, StatementError> {
        let counted = match pull.runner.as_ref().and_then(|runner| runner.table()) {
            Some(table) => table.partitions(&*self.log),
            None => self.log.topic(&pull.plan.source.topic).map(|topic| topic.map_or(0, |t| t.partitions)),
        };
        counted.map_err(|e| unreadable(&pull.plan, &e))
    }

    /// The rows of these partitions that lie on this server.
    pub(crate) fn pull_here(
        &self,
        pull: &Pull<'_>,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Result<calzone_exec::pull::PullRows, StatementError> {
        let home = StoreHome { database: self.database.clone(), query_id: pull.keeper.clone() };
        let open = |partition| Ok((partition, home.open(RESULT_STORE, partition)?.with_cache_bytes_max(0)));
        let stores: Vec<_> =
            partitions.into_iter().map(open).collect::<Result<_, StateError>>().map_err(|e| unreadable(&pull.plan, &e))?;
        let stores: Vec<(i32, &dyn Store)> = stores.iter().map(|(partition, store)| (*partition, store as &dyn Store)).collect();
        let mut environment = self.transient_environment(pull.bindings.clone());
        calzone_exec::pull::execute(&pull.plan, &stores, &mut environment).map_err(|error| match error {
            ExecError::State(error) => {
                if let (StateError::Corrupt { .. }, false, Some(runner)) = (&error, self.is_embedded(), &pull.runner) {
                    runner.report_damage(error.to_string());
                }
                unreadable(&pull.plan, &error)
            }
            error => StatementError::bad_statement(error.to_string(), pull.text),
        })
    }

    /// For each key that the query names its partition and whether that is certain; `None` if it reads more than single keys.
    #[allow(clippy::type_complexity)]
    pub(crate) fn wanted_partitions(
        &self,
        pull: &Pull<'_>,
        partitions: i32,
    ) -> Result<Option<Vec<Option<(i32, bool)>>>, StatementError> {
        let Some(table) = pull.runner.as_ref().and_then(|runner| runner.table()) else { return Ok(None) };
        let mut environment = self.transient_environment(pull.bindings.clone());
        let keys = calzone_exec::pull::wanted_keys(&pull.plan, &mut environment)
            .map_err(|e| StatementError::bad_statement(e.to_string(), pull.text))?;
        let types: Vec<_> = pull.plan.source.schema.key().map(|column| column.ty.clone()).collect();
        Ok(keys.map(|keys| keys.iter().map(|key| table.partition_of(&types, key, partitions)).collect()))
    }
}

fn unreadable(plan: &PullPlan, error: &dyn std::fmt::Display) -> StatementError {
    StatementError::internal(format!("the rows of {} cannot be read: {error}", plan.source.name))
}
