//! SHOW LOCKS and RELEASE LOCK: the groups of records that wait because the first of them fails.
//!
//! Each server of a cluster knows those of its partitions, so all are asked. A release is done at once, as INSERT is: it changes
//! what waits, not the catalog.

use std::sync::Arc;

use calzone_formats::Format;
use calzone_plan::PlanContext;
use calzone_sql::ast::{self, Name};
use calzone_types::{SqlType, cast};

use crate::answer::{Answer, AnswerKind, LockSummary};
use crate::cluster::{LOCKS_PATH, LocksAnswer, LocksRequest, RELEASE_PATH, ReleaseAnswer, ReleaseRequest};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::{LockInfo, RunnerHandle};
use crate::state::{PersistentQuery, State};
use crate::submit::plan_error;
use crate::{Session, StatementError};

/// Locks that one answer shows.
const LOCKS_MAX: usize = 10_000;

impl Engine {
    pub(crate) fn show_locks(&self, query: &Name, text: &str, session: &Session) -> Result<Answer, StatementError> {
        let own = self.own_locks(&query.node, LOCKS_MAX).map_err(|e| e.in_statement(text))?;
        let mut locks: Vec<LockSummary> = own.into_iter().map(|(_, summary)| summary).collect();
        let request = LocksRequest { query: query.node.clone(), limit: LOCKS_MAX };
        let (answers, mut warnings) = self.ask_all::<_, LocksAnswer>(LOCKS_PATH, &request, session);
        locks.extend(answers.into_iter().flat_map(|answer| answer.locks));
        locks.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        if locks.len() >= LOCKS_MAX {
            locks.truncate(LOCKS_MAX);
            warnings.push(format!("Only {LOCKS_MAX} locks are shown."));
        }
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Locks(locks), warnings })
    }

    pub(crate) fn release_lock(
        &self,
        query: &Name,
        key: Option<&ast::Expr>,
        text: &str,
        session: &Session,
    ) -> Result<Answer, StatementError> {
        let key = key.map(|key| self.constant_text(key, text, session)).transpose()?;
        let mut released = self.release_own(&query.node, key.as_deref()).map_err(|e| e.in_statement(text))?;
        let request = ReleaseRequest { query: query.node.clone(), key: key.clone() };
        let (answers, warnings) = self.ask_all::<_, ReleaseAnswer>(RELEASE_PATH, &request, session);
        released += answers.into_iter().map(|answer| answer.released).sum::<usize>();
        if let (0, Some(key)) = (released, key) {
            let mut message = format!("Query {} holds no lock for '{key}'. SHOW LOCKS FOR it lists those it holds.", query.node);
            warnings.iter().for_each(|warning| message.extend([" ", warning]));
            return Err(StatementError::bad_statement(message, text));
        }
        let kind = AnswerKind::Released { query: query.node.clone(), released };
        Ok(Answer { statement: text.to_owned(), kind, warnings })
    }

    /// Gives up the records of this server that hold up the groups of this key (`None`: all groups); how many groups.
    pub(crate) fn release_own(&self, query: &str, key: Option<&str>) -> Result<usize, StatementError> {
        let failed = |e: calzone_exec::ExecError| StatementError::internal(format!("locks cannot be released: {e}"));
        let Some(runner) = self.retrying_runner(query)? else { return Ok(0) };
        let Some(key) = key else { return runner.release(None).map_err(failed) };
        let mut released = 0;
        for (group, _) in self.own_locks(query, LOCKS_MAX)?.iter().filter(|(_, lock)| lock.key == key) {
            released += runner.release(Some(group)).map_err(failed)?;
        }
        Ok(released)
    }

    /// The locks of the partitions on this server: the bytes of each group, and what is shown of it.
    pub(crate) fn own_locks(&self, query: &str, limit: usize) -> Result<Vec<(Vec<u8>, LockSummary)>, StatementError> {
        let Some(runner) = self.retrying_runner(query)? else { return Ok(Vec::new()) };
        let locks = runner
            .locks(limit.min(LOCKS_MAX))
            .map_err(|e| StatementError::internal(format!("the locks of query {query} cannot be read: {e}")))?;
        let state = self.state.read().expect("no panic while holding the lock");
        let Some(query) = state.find_query(query) else { return Ok(Vec::new()) };
        Ok(locks.into_iter().map(|lock| (lock.group.clone(), summary(&state, query, lock))).collect())
    }

    /// The thread of a query that may hold locks; in a cluster there may be none on this server.
    fn retrying_runner(&self, name: &str) -> Result<Option<Arc<RunnerHandle>>, StatementError> {
        let refused = |message: String| StatementError::new(ErrorKind::BadStatement, message);
        let state = self.state.read().expect("no panic while holding the lock");
        let query = state.find_query(name).ok_or_else(|| {
            refused(format!("There is no query or stage {name}. SHOW QUERIES and SHOW STAGES list those that run."))
        })?;
        if !query.plan.error_policy.as_ref().is_some_and(|policy| policy.retries()) {
            return Err(refused(format!("Query {} has no error policy that retries, so that it never holds locks.", query.id)));
        }
        match &query.runner {
            None if self.cluster.is_none() || self.is_embedded() => {
                Err(refused(format!("Query {} does not run on this server.", query.id)))
            }
            runner => Ok(runner.clone()),
        }
    }

    /// The value of an expression without columns, as text.
    fn constant_text(&self, expr: &ast::Expr, text: &str, session: &Session) -> Result<String, StatementError> {
        let properties = self.options.effective(&session.properties);
        let (expr, bindings) = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
            let topics = LogTopics { log: &*self.log };
            let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
            (calzone_plan::constant(&context, expr).map_err(|e| plan_error(&e, text))?, self.all_function_bindings(&state)?)
        };
        let mut environment = self.transient_environment(Arc::new(bindings));
        let value = calzone_exec::evaluate_constant(&expr, &mut environment)
            .map_err(|message| StatementError::bad_statement(message, text))?;
        Ok(cast::value_to_text(&value, &expr.ty))
    }
}

fn summary(state: &State, query: &PersistentQuery, lock: LockInfo) -> LockSummary {
    let head = lock.head;
    LockSummary {
        key: group_text(state, query, &lock.topic, &lock.group),
        topic: lock.topic,
        partition: lock.partition,
        count: lock.count,
        since_ms: lock.since_ms,
        offset: head.as_ref().map(|h| h.offset),
        attempts: head.as_ref().map_or(0, |h| h.attempts),
        next_attempt_ms: head.as_ref().map(|h| h.next_attempt_ms),
        class: head.as_ref().map(|h| h.class.clone()),
        cause: head.map(|h| h.cause),
    }
}

/// What the records of a group have in common, for people: LOCK BY gives text, and keys are shown as their column's type.
fn group_text(state: &State, query: &PersistentQuery, topic: &str, group: &[u8]) -> String {
    let text = || String::from_utf8_lossy(group).into_owned();
    if query.plan.error_policy.as_ref().is_some_and(|p| p.lock_by.is_some()) {
        return text();
    }
    let sources = query.plan.reads.iter().filter_map(|name| state.catalog.sources.get(&**name));
    let Some(source) = sources.into_iter().find(|s| *s.topic == *topic) else { return text() };
    let mut key = source.schema.key();
    let shown = match (key.next(), key.next(), source.key_format.format) {
        (Some(column), None, Format::Kafka) => match column.ty {
            SqlType::Integer => group.try_into().ok().map(|b| i32::from_be_bytes(b).to_string()),
            SqlType::Bigint => group.try_into().ok().map(|b| i64::from_be_bytes(b).to_string()),
            _ => None,
        },
        // A single text in JSON has quotes around it.
        (Some(_), None, Format::Json) => serde_json::from_slice::<String>(group).ok(),
        _ => None,
    };
    shown.unwrap_or_else(text)
}
