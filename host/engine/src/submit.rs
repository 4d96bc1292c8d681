//! Statements of a request, one after the other: read-only ones are answered at once, the others go through the statement log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calzone_plan::{PlanContext, PlanError, PlanErrorKind, TopicLookup};
use calzone_sql::ParseError;
use calzone_sql::ast::Parsed;
use calzone_sql::ast::{self, Statement};

use crate::answer::{Answer, AnswerKind, CommandState, CommandStatus, QueryState};
use crate::command::{Command, CommandBody};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::{RunnerHandle, now_ms};
use crate::replay::Replay;
use crate::{Session, StatementError};

/// How long a statement that changes revisions waits for the queries to take them: longer than Kafka needs to hand the
/// partitions of a killed server to its successor.
const REVISION_TIMEOUT: Duration = Duration::from_secs(15);

impl Engine {
    /// Runs all statements of `text`. On an error the answers so far are in it, and nothing after it was done.
    pub fn execute(&self, text: &str, session: &Session) -> Result<Vec<Answer>, StatementError> {
        if let Some(offset) = session.after_sequence_number
            && offset >= 0
        {
            self.await_applied(offset)?;
        }
        let mut session = session.clone();
        let statements =
            calzone_sql::parse(text, self.variables(&session)).map_err(|e| StatementError::bad_statement(e.to_string(), text))?;
        self.rehearse(&statements, &session)?;
        let mut answers = Vec::new();
        for parsed in &statements {
            match self.execute_one(parsed, &mut session) {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => {}
                Err(mut e) => {
                    e.statement.get_or_insert_with(|| parsed.text.clone());
                    e.answers = answers;
                    return Err(e);
                }
            }
        }
        Ok(answers)
    }

    /// The variables that `${name}` may mean; none where substitution is switched off.
    pub(crate) fn variables<'a>(&self, session: &'a Session) -> &'a BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let settings = self.options.effective(&session.properties);
        let off = settings.get("ksql.variable.substitution.enable").is_some_and(|v| v.eq_ignore_ascii_case("false"));
        if off { &NONE } else { &session.variables }
    }

    fn execute_one(&self, parsed: &Parsed, session: &mut Session) -> Result<Option<Answer>, StatementError> {
        if self.is_stopping() {
            return Err(StatementError::new(ErrorKind::Unavailable, "the server is stopping"));
        }
        if let Some(error) = refusal(parsed) {
            return Err(error);
        }
        if let Some(outcome) = session_statement(parsed, session) {
            return outcome;
        }
        match &parsed.statement {
            Statement::InsertValues(insert) => {
                self.insert_values(insert, session)?;
                Ok(None)
            }
            Statement::Show(show) => self.show(show, &parsed.text, session).map(Some),
            Statement::DescribeSource { name, extended } => self.describe_source(name, *extended, &parsed.text).map(Some),
            Statement::DescribeFunction { name } => self.describe_function(name, &parsed.text).map(Some),
            Statement::DescribePlugin { name } => self.describe_plugin(name, &parsed.text).map(Some),
            Statement::DescribeStage { name } => self.describe_stage(name, &parsed.text).map(Some),
            Statement::ShowLocks { query } => self.show_locks(query, &parsed.text, session).map(Some),
            Statement::ReleaseLock { query, key } => self.release_lock(query, key.as_ref(), &parsed.text, session).map(Some),
            Statement::ReplayDeadLetters { topic, filter, limit, into } => {
                let replay = Replay { topic, filter: filter.as_ref(), limit: *limit, into: into.as_ref() };
                self.replay_dead_letters(&replay, &parsed.text, session).map(Some)
            }
            Statement::DescribeErrorPolicy { name } => self.describe_error_policy(name, &parsed.text, session).map(Some),
            Statement::DescribeEndpoint { name } => self.describe_endpoint(name, &parsed.text).map(Some),
            Statement::Explain(explain) => self.explain(explain, &parsed.text, session).map(Some),
            Statement::AlterRevision { target, name, revision, dry_run: Some(dry_run) } => {
                self.dry_run(*target, name, *revision, dry_run, &parsed.text).map(Some)
            }
            Statement::AssertTopic { exists, topic, properties, timeout_ms } => {
                self.assert_topic(*exists, topic, properties, *timeout_ms, &parsed.text).map(Some)
            }
            Statement::Terminate(ast::QuerySelection::Id(id)) if self.push_queries.terminate(&id.node) => {
                let kind = AnswerKind::Terminated { query_id: id.node.to_uppercase(), was_terminated: true };
                Ok(Some(Answer { statement: parsed.text.clone(), kind, warnings: Vec::new() }))
            }
            Statement::AlterRevision { dry_run: None, .. } | Statement::AlterPluginSet { .. } | Statement::AlterGrants { .. } => {
                let answer = self.distribute(parsed, session)?;
                self.await_revisions();
                Ok(Some(answer))
            }
            _ => self.distribute(parsed, session).map(Some),
        }
    }

    /// Waits until this server's queries have taken the revisions they were given, so that each swap has its own
    /// boundary. A query that cannot take one now (it waits for its partitions, or has failed) takes it when it goes on.
    fn await_revisions(&self) {
        let runners: Vec<_> = self
            .state
            .read()
            .expect("no panic while holding the lock")
            .queries
            .values()
            .filter_map(|q| q.runner.clone())
            .collect();
        let deadline = Instant::now() + REVISION_TIMEOUT;
        let done = |r: &Arc<RunnerHandle>| r.has_taken_revisions() || r.state() == QueryState::Error;
        while !runners.iter().all(done) && Instant::now() < deadline && !self.is_stopping() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Checks a statement against the catalog, writes it to the statement log and waits for its effect.
    fn distribute(&self, parsed: &Parsed, session: &Session) -> Result<Answer, StatementError> {
        let _order = self.submitting.lock().expect("no panic while holding the lock");
        // Another server's statements may be on their way: check against all that is in the log now.
        let properties = self.options.effective(&session.properties);
        let topics = RecordedTopics { topics: LogTopics { log: &*self.log }, seen: RefCell::default() };
        let checked = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
            let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
            crate::check::check(self, &state, &context, parsed).map_err(|e| e.in_statement(&parsed.text))?
        };
        let statement_shown = match checked {
            crate::check::Checked::Warning(message) => {
                return Ok(Answer { statement: parsed.text.clone(), kind: AnswerKind::Warning(message), warnings: Vec::new() });
            }
            crate::check::Checked::Distribute { shown, topics: wanted } => {
                for topic in &wanted {
                    self.ensure_topic(topic).map_err(|e| e.in_statement(&parsed.text))?;
                    let made = (topic.partitions.unwrap_or(1), topic.replicas.unwrap_or(1));
                    topics.seen.borrow_mut().entry(topic.name.clone()).or_insert(made);
                }
                shown
            }
        };
        let command_id = crate::command_id::command_id(&parsed.statement);
        let command = Command::new(CommandBody::Statement {
            statement: parsed.text.clone(),
            streams_properties: session.properties.clone(),
            original_properties: crate::properties::plan_relevant(&self.options.properties),
            topics: topics.seen.into_inner(),
        });
        let offset = self
            .statement_log
            .append(&command_id, &command, now_ms())
            .map_err(|e| StatementError::internal(format!("the statement could not be written to the statement log: {e}")))?;
        self.await_applied(offset)?;
        let state = self.state.read().expect("no panic while holding the lock");
        let status = state.statuses.get(&command_id).filter(|s| s.sequence_number == offset).cloned();
        let Some(status) = status else {
            return Err(StatementError::internal("the statement was applied, but its outcome is not known any more"));
        };
        if status.state == CommandState::Error {
            return Err(StatementError::bad_statement(status.message, statement_shown));
        }
        Ok(Answer { statement: statement_shown, kind: AnswerKind::Status(status), warnings: Vec::new() })
    }

    /// Outcome of a command by its id.
    pub fn command_status(&self, command_id: &str) -> Option<CommandStatus> {
        self.state.read().expect("no panic while holding the lock").statuses.get(command_id).cloned()
    }

    /// Outcomes of all commands by id.
    pub fn command_statuses(&self) -> BTreeMap<String, CommandState> {
        let state = self.state.read().expect("no panic while holding the lock");
        state.statuses.iter().map(|(id, s)| (id.clone(), s.state)).collect()
    }
}

/// Why a statement is refused whatever the state is.
pub(crate) fn refusal(parsed: &Parsed) -> Option<StatementError> {
    match &parsed.statement {
        Statement::Query(_) | Statement::Print(_) => {
            let message = "SELECT and PRINT answer with a stream of rows: send them to /query-stream or /query.";
            Some(StatementError::new(ErrorKind::UseQueryEndpoint, message))
        }
        Statement::CreateConnector { .. }
        | Statement::DropConnector { .. }
        | Statement::DescribeConnector { .. }
        | Statement::AssertSchema { .. }
        | Statement::AssertValues(_)
        | Statement::AssertTombstone(_)
        | Statement::AssertSource { .. }
        | Statement::RunScript { .. } => {
            let message = format!("This server does not run this kind of statement: {}", parsed.text);
            Some(StatementError::bad_statement(message, &parsed.text))
        }
        // ksqlDB answers so, too: the statement is right, but nothing here could do it.
        Statement::AlterSystem { .. } => {
            let message = "ALTER SYSTEM is for hosted clusters; set the property in the server's properties file.";
            Some(StatementError::internal(message))
        }
        _ => None,
    }
}

/// Takes an override away, under whichever of its names it was given.
fn forget(session: &mut Session, property: &str) {
    let canonical = crate::properties::canonical(property);
    session.properties.retain(|name, _| crate::properties::canonical(name) != canonical);
}

/// What a statement that concerns the session alone answers; None for all other statements.
pub(crate) fn session_statement(parsed: &Parsed, session: &mut Session) -> Option<Result<Option<Answer>, StatementError>> {
    let check = |property: &str, value: Option<&str>| {
        crate::properties::validate_override(property, value)
            .map_err(|fault| StatementError::bad_statement(fault.message(), &parsed.text))
    };
    let outcome = match &parsed.statement {
        Statement::Set { property, value } => check(property, Some(value)).map(|()| {
            forget(session, property);
            session.properties.insert(property.clone(), value.clone());
            None
        }),
        Statement::Unset { property } => check(property, None).map(|()| {
            forget(session, property);
            None
        }),
        Statement::Define { variable, value } => {
            session.variables.insert(variable.clone(), value.clone());
            Ok(None)
        }
        Statement::Undefine { variable } => Ok(match session.variables.remove(variable) {
            Some(_) => None,
            None => {
                let message = format!("There is no variable `{variable}` to undefine. SHOW VARIABLES lists those there are.");
                Some(Answer { statement: parsed.text.clone(), kind: AnswerKind::Warning(message), warnings: Vec::new() })
            }
        }),
        _ => return None,
    };
    Some(outcome)
}

/// Looks topics up and remembers what it found, for the command.
struct RecordedTopics<'a> {
    topics: LogTopics<'a>,
    seen: RefCell<BTreeMap<String, (i32, i32)>>,
}

impl TopicLookup for RecordedTopics<'_> {
    fn partitions(&self, topic: &str) -> Option<i32> {
        let partitions = self.topics.partitions(topic)?;
        let replicas = self.topics.replicas(topic).unwrap_or(1);
        self.seen.borrow_mut().insert(topic.to_owned(), (partitions, replicas));
        Some(partitions)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.partitions(topic)?;
        self.topics.replicas(topic)
    }
}

/// A syntax error as a statement error.
pub(crate) fn parse_error(e: &ParseError) -> StatementError {
    StatementError::bad_statement(e.to_string(), e.text.clone())
}

/// A planner's error with the statement and a caret.
pub(crate) fn plan_error(e: &PlanError, text: &str) -> StatementError {
    let mut error = StatementError::bad_statement(e.render(text), text);
    match e.kind {
        PlanErrorKind::SchemaRegistry => error.kind = ErrorKind::NoSchemaRegistry,
        PlanErrorKind::MissingTopic => error.kind = ErrorKind::BadRequest,
        PlanErrorKind::Statement | PlanErrorKind::Disabled => {}
    }
    error
}

impl StatementError {
    /// Names the statement to blame, where none is named yet.
    pub(crate) fn in_statement(mut self, text: &str) -> StatementError {
        self.statement.get_or_insert_with(|| text.to_owned());
        self
    }
}
