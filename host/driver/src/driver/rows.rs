//! SELECT: rows for a client, of push queries and pull queries.

use std::collections::BTreeMap;

use calzone_exec::pull;
use calzone_formats::json::write_api_cell;
use calzone_plan::plan::{Output, StepKind};
use calzone_plan::{PullPlan, PullQuery, QueryPlan, Step};
use calzone_sql::ast::{Emit, Query};
use calzone_state::Store;
use calzone_types::{Batch, Schema};
use serde_json::Value as Json;

use super::query::Engine;
use super::stores::Stores;
use super::{Driver, DriverError, Record, Session};

/// The answer to a SELECT.
#[derive(Clone, Debug)]
pub struct ClientRows {
    pub query_id: String,
    pub schema: Schema,
    pub rows: Vec<ClientRow>,
    /// The query's own last word, if it has one.
    pub final_message: Option<&'static str>,
}

/// A row of an answer.
#[derive(Clone, Debug)]
pub struct ClientRow {
    pub columns: Vec<Json>,
    pub tombstone: bool,
}

/// A push query that was started before its records came.
pub struct PendingQuery {
    plan: QueryPlan,
    /// How many records each topic held that the query will not see.
    skip: BTreeMap<String, usize>,
    id: String,
    ends: bool,
    properties: BTreeMap<String, String>,
}

impl Driver {
    /// Plans a push query, or a pull query on a stream; None if it is a pull query on a table, which has no beginning.
    pub fn open_query(&self, query: &Query, session: &Session, text: &str) -> Result<Option<PendingQuery>, DriverError> {
        let properties = self.settings(session);
        let context = self.context(&properties);
        let fail = |error| DriverError::planning(&error, text);
        let (plan, ends) = match query.emit {
            Some(_) => (calzone_plan::push_query(&context, query, "transient").map_err(fail)?, false),
            None => match calzone_plan::pull_query(&context, query).map_err(fail)? {
                PullQuery::Stream(plan) => (*plan, true),
                PullQuery::Table(_) => return Ok(None),
            },
        };
        let latest = properties.get("auto.offset.reset").is_some_and(|reset| reset.eq_ignore_ascii_case("latest"));
        let mut skip = BTreeMap::new();
        if latest && !ends {
            for name in self.topics.names() {
                skip.insert(name.to_owned(), self.topics.records(name).len());
            }
        }
        let shared = latest && query.emit == Some(Emit::Changes) && self.is_shared(&plan);
        let source = plan.reads.first().map_or("QUERY", |name| name);
        let id = if shared { format!("SCALABLE_PUSH_QUERY_{source}_1") } else { format!("transient_{source}_1") };
        Ok(Some(PendingQuery { plan, skip, id, ends, properties }))
    }

    /// May the query follow the rows of a persistent query as they are made: does it only filter and project one source
    /// that such a query makes?
    fn is_shared(&self, plan: &QueryPlan) -> bool {
        fn simple(step: &Step) -> bool {
            match &step.kind {
                StepKind::Source(_) => true,
                StepKind::Filter { input, .. } | StepKind::Project { input, .. } => simple(input),
                _ => false,
            }
        }
        let made = plan.reads.first().and_then(|name| self.catalog.sources.get(&**name)).is_some_and(|s| s.created_by.is_some());
        made && plan.reads.len() == 1 && simple(&plan.root)
    }

    /// Runs a push query, or a pull query on a stream, over what its topics hold by now.
    pub fn run_query(&self, pending: PendingQuery) -> Result<ClientRows, DriverError> {
        let PendingQuery { plan, skip, id, ends, properties } = pending;
        let Output::Client { schema, columns } = &plan.output else {
            return Err(DriverError::statement("A query for a client was planned with a sink."));
        };
        let engine = Engine::new(&id, &plan, &properties, &self.plugins, Stores::default());
        let mut engine = engine.map_err(|error| DriverError::statement(error.to_string()))?;
        let limit = plan.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut arrived: Vec<(u64, &str, &Record)> = Vec::new();
        for name in self.topics.names().filter(|name| engine.reads(name)) {
            let Some(topic) = self.topics.get(name) else { continue };
            let skipped = skip.get(name).copied().unwrap_or(0);
            arrived.extend(topic.records.iter().zip(&topic.arrivals).skip(skipped).map(|(record, at)| (*at, name, record)));
        }
        arrived.sort_by_key(|(at, _, _)| *at);
        let mut rows = Vec::new();
        for (_, topic, record) in arrived {
            if rows.len() >= limit {
                break;
            }
            let outcome = engine.process(topic, std::slice::from_ref(record)).map_err(DriverError::run)?;
            outcome.rows.iter().for_each(|batch| append_rows(batch, schema, columns, &mut rows));
        }
        let full = rows.len() >= limit;
        rows.truncate(limit);
        let final_message = match (full, ends) {
            (true, _) => Some("Limit Reached"),
            (false, true) => Some("Query Completed"),
            (false, false) => None,
        };
        Ok(ClientRows { query_id: id, schema: schema.clone(), rows, final_message })
    }

    /// Answers a SELECT from what is there now.
    pub fn select(&self, query: &Query, session: &Session, text: &str) -> Result<ClientRows, DriverError> {
        if let Some(pending) = self.open_query(query, session, text)? {
            return self.run_query(pending);
        }
        let properties = self.settings(session);
        let planned = calzone_plan::pull_query(&self.context(&properties), query);
        match planned.map_err(|error| DriverError::planning(&error, text))? {
            PullQuery::Table(plan) => self.pull(&plan),
            PullQuery::Stream(_) => Err(DriverError::statement("A query on a stream has to be opened first.")),
        }
    }

    fn pull(&self, plan: &PullPlan) -> Result<ClientRows, DriverError> {
        let source = &plan.source;
        let keeps = |query: &&super::RunningQuery| match &source.created_by {
            Some(id) => query.id == **id,
            None => query.sink.is_none() && query.plan.reads.contains(&source.name),
        };
        let store = self
            .queries
            .iter()
            .find(keeps)
            .and_then(|query| query.result_store())
            .ok_or_else(|| DriverError::statement(format!("No query keeps the rows of {}.", source.name)))?;
        let mut environment = (self.plugins.environment)();
        let stores: [(i32, &dyn Store); 1] = [(0, store)];
        let found = pull::execute(plan, &stores, &mut *environment).map_err(DriverError::run)?;
        let row = |row: usize| {
            let cells = found.columns.iter().zip(found.schema.columns.iter());
            ClientRow { columns: cells.map(|(array, column)| cell(array.as_ref(), &column.ty, row)).collect(), tombstone: false }
        };
        let rows = (0..found.rows).map(row).collect();
        Ok(ClientRows { query_id: format!("query_{}", source.name), schema: found.schema.clone(), rows, final_message: None })
    }
}

fn append_rows(batch: &Batch, schema: &Schema, columns: &[usize], rows: &mut Vec<ClientRow>) {
    for row in 0..batch.len() {
        let cells = columns.iter().zip(schema.columns.iter());
        let columns = cells.map(|(position, column)| cell(batch.new.columns[*position].as_ref(), &column.ty, row)).collect();
        rows.push(ClientRow { columns, tombstone: !batch.new.is_live(row) });
    }
}

/// A cell as the server's answers print it.
fn cell(array: &dyn arrow_array::Array, ty: &calzone_types::SqlType, row: usize) -> Json {
    let mut text = Vec::new();
    write_api_cell(array, ty, row, &mut text);
    serde_json::from_slice(&text).unwrap_or_else(|_| Json::String(String::from_utf8_lossy(&text).into_owned()))
}
