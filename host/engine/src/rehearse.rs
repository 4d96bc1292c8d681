//! Rehearsing a request of several statements on a copy of the state, before any of them is done.
//!
//! As in ksqlDB, a request whose last statement is wrong changes nothing. What only running can show (a topic that cannot be
//! created, a failing ASSERT) still ends a request in its midst.

use std::cell::RefCell;
use std::collections::BTreeMap;

use calzone_plan::{PlanContext, TopicLookup};
use calzone_sql::ast::{Parsed, Statement};

use crate::apply;
use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::state::State;
use crate::{Session, StatementError};

impl Engine {
    /// Does all statements to a copy of the state. The first error is that of the request.
    pub(crate) fn rehearse(&self, statements: &[Parsed], session: &Session) -> Result<(), StatementError> {
        if statements.len() < 2 {
            // One statement is checked when it is its turn.
            return Ok(());
        }
        let mut state = self.state.read().expect("no panic while holding the lock").copy_for_rehearsal();
        let mut session = session.clone();
        let topics = RehearsedTopics { topics: LogTopics { log: &*self.log }, changed: RefCell::default() };
        for parsed in statements {
            self.rehearse_one(parsed, &mut state, &mut session, &topics).map_err(|e| e.in_statement(&parsed.text))?;
        }
        Ok(())
    }

    fn rehearse_one(
        &self,
        parsed: &Parsed,
        state: &mut State,
        session: &mut Session,
        topics: &RehearsedTopics<'_>,
    ) -> Result<(), StatementError> {
        if let Some(error) = crate::submit::refusal(parsed) {
            return Err(error);
        }
        if let Some(outcome) = crate::submit::session_statement(parsed, session) {
            return outcome.map(|_| ());
        }
        let properties = self.options.effective(&session.properties);
        match &parsed.statement {
            Statement::InsertValues(insert) => {
                let plugins = PluginCatalog { state, store: &self.plugin_store };
                let context = PlanContext { catalog: &state.catalog, properties: &properties, topics, plugins: &plugins };
                crate::insert::check(&context, insert).map(|_| ())
            }
            Statement::DescribeSource { name, .. } => self.describe_source_in(state, name, false, &parsed.text).map(|_| ()),
            Statement::DescribeFunction { name } => self.describe_function_in(state, name, &parsed.text).map(|_| ()),
            Statement::Explain(explain) => {
                let plugins = PluginCatalog { state, store: &self.plugin_store };
                let context = PlanContext { catalog: &state.catalog, properties: &properties, topics, plugins: &plugins };
                self.explain_in(state, &context, explain, &parsed.text).map(|_| ())
            }
            Statement::Show(_)
            | Statement::DescribePlugin { .. }
            | Statement::DescribeStage { .. }
            | Statement::DescribeErrorPolicy { .. }
            | Statement::ShowLocks { .. }
            | Statement::ReleaseLock { .. }
            | Statement::ReplayDeadLetters { .. }
            | Statement::AlterRevision { dry_run: Some(_), .. }
            | Statement::DescribeEndpoint { .. }
            | Statement::AssertTopic { .. } => Ok(()),
            _ => {
                let changed = apply::rehearse(self, state, parsed, &properties, &session.properties, topics)?;
                topics.changed.borrow_mut().extend(changed);
                Ok(())
            }
        }
    }
}

/// Topics of the log, and on top what the rehearsed statements make and delete.
struct RehearsedTopics<'a> {
    topics: LogTopics<'a>,
    /// Partitions and replicas by name; None: deleted.
    changed: RefCell<BTreeMap<String, Option<(i32, i32)>>>,
}

impl RehearsedTopics<'_> {
    fn changed(&self, topic: &str) -> Option<Option<(i32, i32)>> {
        self.changed.borrow().get(topic).copied()
    }
}

impl TopicLookup for RehearsedTopics<'_> {
    fn partitions(&self, topic: &str) -> Option<i32> {
        self.changed(topic).map_or_else(|| self.topics.partitions(topic), |made| made.map(|(partitions, _)| partitions))
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.changed(topic).map_or_else(|| self.topics.replicas(topic), |made| made.map(|(_, replicas)| replicas))
    }
}
