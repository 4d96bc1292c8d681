//! Checking a statement before it is written to the statement log.

use calzone_log::{LogError, TopicSpec};
use calzone_plan::{PlanContext, TopicRequest};
use calzone_sql::ast::Parsed;

use crate::StatementError;
use crate::apply::{Effect, effect};
use crate::engine::Engine;
use crate::state::State;

/// Id that queries have while they are only checked.
const CHECK_ID: &str = "CHECKED_QUERY";

/// What is to be done with a statement.
pub enum Checked {
    /// Answer with a warning, change nothing.
    Warning(String),
    /// Make these topics, then write it.
    Distribute {
        /// The statement as it is shown back.
        shown: String,
        topics: Vec<TopicRequest>,
    },
}

pub fn check(engine: &Engine, state: &State, context: &PlanContext<'_>, parsed: &Parsed) -> Result<Checked, StatementError> {
    let shown = crate::normalize::shown(context, parsed);
    let planned = effect(engine, state, context, parsed, CHECK_ID).map_err(|mut e| {
        e.statement = Some(shown.clone());
        e
    })?;
    if let Effect::Exists(message) = planned {
        return Ok(Checked::Warning(message));
    }
    if let Effect::AddEndpoint(entry) = &planned {
        engine.endpoints.check_address(entry).map_err(|message| StatementError::bad_statement(message, &shown))?;
    }
    Ok(Checked::Distribute { shown, topics: planned.topics() })
}

impl Engine {
    /// Creates a topic unless it is there.
    pub(crate) fn ensure_topic(&self, request: &TopicRequest) -> Result<(), StatementError> {
        if request.exists {
            return Ok(());
        }
        let mut config = vec![("cleanup.policy".to_owned(), request.cleanup_policy.clone())];
        if let Some(retention) = request.retention_ms {
            config.push(("retention.ms".to_owned(), retention.to_string()));
        }
        let spec = TopicSpec {
            name: request.name.clone(),
            partitions: request.partitions.unwrap_or(1),
            replicas: request.replicas.unwrap_or(0),
            config,
        };
        match self.log.create_topic(&spec) {
            Ok(()) | Err(LogError::TopicExists { .. }) => Ok(()),
            Err(e @ LogError::InvalidTopic { .. }) => Err(StatementError::bad_request(e.to_string())),
            Err(e) => Err(StatementError::internal(format!("Topic {} cannot be created: {e}", request.name))),
        }
    }
}
