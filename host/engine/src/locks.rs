//! SHOW LOCKS and RELEASE LOCK: the groups of records that wait because the first of them fails.
//!
//! Both ask the query's runner on this server. A release is done at once, as INSERT is: it changes what waits, not the catalog.

use std::sync::Arc;

use calzone_formats::Format;
use calzone_plan::PlanContext;
use calzone_sql::ast::{self, Name};
use calzone_types::{SqlType, cast};

use crate::answer::{Answer, AnswerKind, LockSummary};
use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::{LockInfo, RunnerHandle};
use crate::state::{PersistentQuery, State};
use crate::submit::plan_error;
use crate::{Session, StatementError};

/// Locks that one answer shows.
const LOCKS_MAX: usize = 10_000;

impl Engine {
    pub(crate) fn show_locks(&self, query: &Name, text: &str) -> Result<Answer, StatementError> {
        let locks: Vec<LockSummary> = self.locks_of(query, text)?.1.into_iter().map(|(_, summary)| summary).collect();
        let warnings = if locks.len() == LOCKS_MAX { vec![format!("Only {LOCKS_MAX} locks are shown.")] } else { Vec::new() };
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Locks(locks), warnings })
    }

    pub(crate) fn release_lock(
        &self,
        query: &Name,
        key: Option<&ast::Expr>,
        text: &str,
        session: &Session,
    ) -> Result<Answer, StatementError> {
        let (runner, locks) = self.locks_of(query, text)?;
        let failed = |e: calzone_exec::ExecError| StatementError::internal(format!("locks cannot be released: {e}"));
        let released = match key {
            None => runner.release(None).map_err(failed)?,
            Some(key) => {
                let wanted = self.constant_text(key, text, session)?;
                let held: Vec<&Vec<u8>> = locks.iter().filter(|(_, s)| s.key == wanted).map(|(lock, _)| &lock.group).collect();
                if held.is_empty() {
                    let message =
                        format!("Query {} holds no lock for '{wanted}'. SHOW LOCKS FOR it lists those it holds.", query.node);
                    return Err(StatementError::bad_statement(message, text));
                }
                let mut released = 0;
                for group in held {
                    released += runner.release(Some(group)).map_err(failed)?;
                }
                released
            }
        };
        let kind = AnswerKind::Released { query: query.node.clone(), released };
        Ok(Answer { statement: text.to_owned(), kind, warnings: Vec::new() })
    }

    #[allow(clippy::type_complexity)]
    fn locks_of(&self, name: &Name, text: &str) -> Result<(Arc<RunnerHandle>, Vec<(LockInfo, LockSummary)>), StatementError> {
        let refused = |message: String| StatementError::bad_statement(message, text);
        let state = self.state.read().expect("no panic while holding the lock");
        let query = state.find_query(&name.node).ok_or_else(|| {
            refused(format!("There is no query or stage {}. SHOW QUERIES and SHOW STAGES list those that run.", name.node))
        })?;
        if !query.plan.error_policy.as_ref().is_some_and(|policy| policy.retries()) {
            return Err(refused(format!("Query {} has no error policy that retries, so that it never holds locks.", query.id)));
        }
        let runner = query.runner.clone().ok_or_else(|| refused(format!("Query {} does not run on this server.", query.id)))?;
        let locks = runner
            .locks(LOCKS_MAX)
            .map_err(|e| StatementError::internal(format!("the locks of query {} cannot be read: {e}", query.id)))?;
        let locks = locks.into_iter().map(|lock| (lock.clone(), summary(&state, query, lock))).collect();
        Ok((runner, locks))
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
