//! Pull queries over tables: rows as they were at the last commit, from the stores of the query that keeps the table.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_plan::{PlanContext, PullPlan, PullQuery};
use calzone_sql::ast;
use calzone_state::{Store, TransactionStore};
use calzone_types::Schema;

use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::{RESULT_STORE, StoreHome, now_ms};
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

impl Engine {
    pub(crate) fn pull(&self, query: &ast::Query, text: &str, session: &Session) -> Result<PullRows, StatementError> {
        let properties = self.options.effective(&session.properties);
        let (plan, bindings, keeper) = {
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
                state
                    .queries
                    .values()
                    .find(|q| q.sinks.is_empty() && q.plan.reads.iter().any(|r| r == name))
                    .map(|q| q.id.clone())
            });
            (plan, self.all_function_bindings(&state)?, keeper)
        };
        let keeper =
            keeper.ok_or_else(|| StatementError::internal(format!("no query keeps the rows of {}", plan.source.name)))?;
        let stores = self.result_stores(&plan, &keeper)?;
        let stores: Vec<(i32, &dyn Store)> = stores.iter().map(|(partition, store)| (*partition, store as &dyn Store)).collect();
        let mut environment = self.transient_environment(Arc::new(bindings));
        let answer = calzone_exec::pull::execute(&plan, &stores, &mut environment)
            .map_err(|e| StatementError::bad_statement(e.to_string(), text))?;
        Ok(PullRows { id: format!("query_{}", now_ms()), schema: answer.schema, columns: answer.columns, rows: answer.rows })
    }

    /// The stores of all partitions that this server keeps up to date. Of others it may have rows from before they moved to
    /// another server.
    fn result_stores(&self, plan: &PullPlan, keeper: &str) -> Result<Vec<(i32, TransactionStore)>, StatementError> {
        let failed =
            |e: &dyn std::fmt::Display| StatementError::internal(format!("the rows of {} cannot be read: {e}", plan.source.name));
        let home = StoreHome { database: self.database.clone(), query_id: keeper.to_owned() };
        let partitions = self.log.topic(&plan.source.topic).map_err(|e| failed(&e))?.map_or(0, |t| t.partitions);
        let runner =
            self.state.read().expect("no panic while holding the lock").queries.get(keeper).and_then(|q| q.runner.clone());
        let kept = runner.and_then(|runner| runner.kept_partitions());
        (0..partitions)
            .filter(|partition| self.is_embedded() || kept.as_ref().is_none_or(|kept| kept.contains(partition)))
            .map(|partition| Ok((partition, home.open(RESULT_STORE, partition).map_err(|e| failed(&e))?.with_cache_bytes_max(0))))
            .collect()
    }
}
