//! What statements do to the state: one file per kind.
//!
//! A statement is planned into an [`Effect`] twice: when it is submitted, to check it and to make its topics, and when its
//! command is applied, with the facts that were recorded. Only applying changes anything.

mod endpoints;
mod error_policies;
mod functions;
mod grants;
mod lifecycle;
mod limits;
mod plugins;
mod queries;
pub mod revisions;
mod sources;
mod stages;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_plan::error_policy::ErrorPolicy;
use calzone_plan::plan::PluginUse;
use calzone_plan::{Catalog, CreateQueryPlan, CreateSourcePlan, PlanContext, Source, TopicLookup, TopicRequest};
use calzone_sql::ast::Parsed;
use calzone_sql::ast::{Grant, RevisionTarget, Statement};
use calzone_types::SqlType;

use crate::StatementError;
use crate::answer::{CommandState, CommandStatus};
use crate::command::{Command, CommandBody};
use crate::command_id::command_id;
use crate::engine::Engine;
use crate::lookup::{CommandTopics, PluginCatalog};
use crate::state::{EndpointEntry, FunctionEntry, StageEntry, State};

pub use endpoints::no_such as no_such_endpoint;
pub use queries::start_runner;

/// Is a command new, or one from before the last start?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// At start: queries are made but not started yet.
    Replay,
    /// On a copy of the state: nothing outside of it changes.
    Rehearsal,
    Live,
}

/// What a statement will change.
pub enum Effect {
    /// Nothing, and why (`IF EXISTS`, nothing to do).
    Nothing(String),
    /// Nothing, because `IF NOT EXISTS` found something: a warning.
    Exists(String),
    AddSource(Box<CreateSourcePlan>),
    AddQuery {
        plan: Box<CreateQueryPlan>,
        stage: Option<StageEntry>,
    },
    ReplaceSource(Arc<Source>),
    DropSource {
        name: String,
        terminates: Vec<String>,
        delete_topic: Option<String>,
    },
    AddType {
        name: String,
        ty: SqlType,
    },
    DropType {
        name: String,
    },
    Terminate(Vec<String>),
    Pause(Vec<String>),
    Resume(Vec<String>),
    AddFunction {
        entry: FunctionEntry,
        definition: Box<calzone_functions::FunctionDefinition>,
    },
    DropFunction {
        name: String,
    },
    DropStage {
        name: String,
        query_id: String,
    },
    AddErrorPolicy {
        policy: Arc<ErrorPolicy>,
        /// Queries that used an older policy of its name.
        replanned: Vec<error_policies::Replanned>,
        topics: Vec<TopicRequest>,
    },
    DropErrorPolicy {
        name: String,
    },
    SetGrants {
        target: RevisionTarget,
        name: String,
        /// All that hold from now on.
        grants: Vec<Grant>,
        /// Why the code in use cannot run with them.
        stops: Option<String>,
    },
    SetLimits {
        plugin: String,
        /// None: the server's again.
        limits: Vec<(String, Option<String>)>,
    },
    AddEndpoint(EndpointEntry),
    DropEndpoint {
        name: String,
    },
    UseRevision {
        target: RevisionTarget,
        name: String,
        revision: i64,
        users: Vec<PluginUse>,
    },
}

impl Effect {
    /// Topics that must be there before the statement is written.
    pub fn topics(&self) -> Vec<TopicRequest> {
        match self {
            Effect::AddSource(plan) => with_first(&plan.topic, &plan.policy_topics),
            Effect::AddQuery { plan, .. } => {
                let others = plan.others.iter().map(|(_, topic)| topic.clone());
                with_first(&plan.topic, &plan.policy_topics).into_iter().chain(others).collect()
            }
            Effect::AddErrorPolicy { topics, .. } => topics.clone(),
            _ => Vec::new(),
        }
    }
}

fn with_first(first: &TopicRequest, others: &[TopicRequest]) -> Vec<TopicRequest> {
    std::iter::once(first).chain(others).cloned().collect()
}

/// Plans a statement. The same for checking and for applying.
pub fn effect(
    engine: &Engine,
    state: &State,
    context: &PlanContext<'_>,
    parsed: &Parsed,
    query_id: &str,
) -> Result<Effect, StatementError> {
    let text = &parsed.text;
    match &plugins::named_as_uploaded(state, &parsed.statement) {
        Statement::CreateSource(create) => sources::create(context, create, text),
        Statement::CreateSourceAs(create) => queries::create_as(context, create, text, query_id),
        Statement::InsertInto(insert) => queries::insert_into(context, insert, text, query_id),
        Statement::DropSource(drop) => sources::drop(state, context, drop, text),
        Statement::AlterSource { kind, name, add_columns } => sources::alter(context, *kind, name, add_columns, text),
        Statement::CreateType { if_not_exists, name, ty } => types::create(context, *if_not_exists, name, ty, text),
        Statement::DropType { if_exists, name } => types::drop(context, *if_exists, name, text),
        Statement::Terminate(selection) => lifecycle::terminate(state, selection, text),
        Statement::Pause(selection) => lifecycle::pause(state, selection, text),
        Statement::Resume(selection) => lifecycle::resume(state, selection, text),
        Statement::PauseStage { name } => stages::pause(state, name, text),
        Statement::ResumeStage { name } => stages::resume(state, name, text),
        Statement::AlterGrants { target, name, revoke, grants } => {
            grants::alter(engine, state, *target, name, *revoke, grants, text)
        }
        Statement::AlterPluginSet { name, settings } => limits::alter(state, name, settings, text),
        Statement::CreateFunction(create) => functions::create(engine, state, context, create, text),
        Statement::DropFunction { if_exists, name } => functions::drop(state, *if_exists, name, text),
        Statement::CreateStage(create) => stages::create(state, context, create, text, query_id),
        Statement::DropStage { if_exists, name } => stages::drop(state, *if_exists, name, text),
        Statement::CreateErrorPolicy(create) => error_policies::create(context, create, text),
        Statement::DropErrorPolicy { if_exists, name } => error_policies::drop(context, *if_exists, name, text),
        Statement::CreateEndpoint(create) => endpoints::create(engine, state, create, text),
        Statement::AlterEndpoint { name, change } => endpoints::alter(engine, state, name, change, text),
        Statement::DropEndpoint { if_exists, name } => endpoints::drop(state, *if_exists, name, text),
        Statement::AlterRevision { target, name, revision, dry_run: None } => {
            revisions::alter(engine, state, *target, name, *revision, text)
        }
        _ => Err(StatementError::bad_statement("This server does not run this kind of statement.", text)),
    }
}

/// Applies one command of the statement log.
pub fn apply(engine: &Engine, state: &mut State, command: &Command, offset: i64, how: Apply) -> Result<(), StatementError> {
    match &command.body {
        CommandBody::PluginRevision { name, revision, sha256, bytes, activate } => {
            plugins::add_revision(state, name, *revision, sha256, *bytes, *activate);
            Ok(())
        }
        CommandBody::PluginRevisionsRemoved { name, revisions } => {
            plugins::remove_revisions(state, name, revisions);
            Ok(())
        }
        CommandBody::PluginDeleted { name } => {
            state.plugins.remove(name);
            Ok(())
        }
        CommandBody::Statement { statement, streams_properties, original_properties, topics } => {
            let properties = crate::options::merged(original_properties, streams_properties);
            let parsed = calzone_sql::parse(statement, &Default::default())
                .map_err(|e| StatementError::internal(format!("logged statement {offset} cannot be read: {e}")))?
                .into_iter()
                .next()
                .ok_or_else(|| StatementError::internal(format!("logged statement {offset} is empty")))?;
            let query_id = query_id(&parsed.statement, offset);
            let outcome = {
                let topics = CommandTopics { topics };
                let plugins = PluginCatalog { state, store: &engine.plugin_store };
                let context =
                    PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
                let shown = crate::normalize::shown(&context, &parsed);
                effect(engine, state, &context, &parsed, &query_id).map(|effect| (effect, shown))
            }
            .and_then(|(effect, shown)| {
                let settings =
                    queries::Settings { properties: &properties, overrides: streams_properties, statement: &shown, how };
                take_effect(engine, state, effect, &query_id, &settings)
            });
            let command_id = command_id(&parsed.statement);
            let (outcome_state, message, query) = match &outcome {
                Ok((message, query)) => (CommandState::Success, message.clone(), query.clone()),
                Err(e) => (CommandState::Error, e.message.clone(), None),
            };
            let status = CommandStatus {
                command_id: command_id.clone(),
                state: outcome_state,
                message,
                query_id: query,
                sequence_number: offset,
            };
            state.statuses.insert(command_id, status);
            outcome.map(|_| ())
        }
    }
}

/// Id of the query that a statement makes: its kind, its sink and its place in the statement log.
pub fn query_id(statement: &Statement, offset: i64) -> String {
    use calzone_sql::ast::SourceKind;
    match statement {
        Statement::CreateSourceAs(s) if s.kind == SourceKind::Stream => format!("CSAS_{}_{offset}", s.name.node),
        Statement::CreateSourceAs(s) => format!("CTAS_{}_{offset}", s.name.node),
        Statement::CreateSource(s) => format!("CST_{}_{offset}", s.name.node),
        Statement::InsertInto(insert) => insert
            .properties
            .iter()
            .find(|p| p.name.node.eq_ignore_ascii_case("QUERY_ID"))
            .and_then(|p| p.value.value.as_str())
            .map_or_else(|| format!("INSERTQUERY_{offset}"), str::to_uppercase),
        Statement::CreateStage(s) => format!("STAGE_{}_{offset}", s.name.node),
        _ => String::new(),
    }
}

/// Topics that a statement makes, with their partitions and replicas, or deletes.
pub type ChangedTopics = Vec<(String, Option<(i32, i32)>)>;

/// Does a statement to a copy of the state. What it would do to topics is the answer.
pub fn rehearse(
    engine: &Engine,
    state: &mut State,
    parsed: &Parsed,
    properties: &BTreeMap<String, String>,
    overrides: &BTreeMap<String, String>,
    topics: &dyn TopicLookup,
) -> Result<ChangedTopics, StatementError> {
    let query_id = query_id(&parsed.statement, state.next_offset);
    let (effect, shown) = {
        let plugins = PluginCatalog { state, store: &engine.plugin_store };
        let context = PlanContext { catalog: &state.catalog, properties, topics, plugins: &plugins };
        let shown = crate::normalize::shown(&context, parsed);
        let effect = effect(engine, state, &context, parsed, &query_id).map_err(|mut e| {
            e.statement = Some(shown.clone());
            e
        })?;
        (effect, shown)
    };
    let made = effect.topics().into_iter().filter(|t| !t.exists);
    let mut changed: ChangedTopics = made.map(|t| (t.name, Some((t.partitions.unwrap_or(1), t.replicas.unwrap_or(1))))).collect();
    if let Effect::DropSource { delete_topic: Some(topic), .. } = &effect {
        changed.push((topic.clone(), None));
    }
    let settings = queries::Settings { properties, overrides, statement: &shown, how: Apply::Rehearsal };
    take_effect(engine, state, effect, &query_id, &settings)?;
    state.next_offset += 1;
    Ok(changed)
}

/// Changes the state; the message for the user and the id of the query that was made.
fn take_effect(
    engine: &Engine,
    state: &mut State,
    effect: Effect,
    query_id: &str,
    settings: &queries::Settings<'_>,
) -> Result<(String, Option<String>), StatementError> {
    let how = settings.how;
    match effect {
        Effect::Nothing(message) | Effect::Exists(message) => Ok((message, None)),
        Effect::AddSource(plan) => sources::add(engine, state, *plan, query_id, settings),
        Effect::AddQuery { plan, stage } => queries::add(engine, state, *plan, stage, query_id, settings),
        Effect::ReplaceSource(source) => {
            // A source that was altered is shown as the statements that made it what it is.
            let statement = format!("{}\n{}", source.statement, settings.statement).into();
            let source = Arc::new(Source { statement, ..(*source).clone() });
            let message = format!("{} {} altered.", kind_word(source.kind), source.name);
            change_catalog(state, |catalog| {
                catalog.sources.insert(source.name.to_string(), source);
            });
            Ok((message, None))
        }
        Effect::DropSource { name, terminates, delete_topic } => {
            sources::remove(engine, state, &name, &terminates, delete_topic, how)
        }
        Effect::AddType { name, ty } => {
            let message = format!("Type {name} stands for {ty}.");
            change_catalog(state, |catalog| {
                catalog.types.insert(name, ty);
            });
            Ok((message, None))
        }
        Effect::DropType { name } => {
            change_catalog(state, |catalog| {
                catalog.types.remove(&name);
            });
            Ok((format!("Type {name} dropped."), None))
        }
        Effect::Terminate(ids) => {
            for id in &ids {
                queries::remove(engine, state, id, how);
            }
            Ok(("Query terminated.".into(), None))
        }
        Effect::Pause(ids) => {
            lifecycle::set_paused(state, &ids, true);
            Ok(("Query paused.".into(), None))
        }
        Effect::Resume(ids) => {
            lifecycle::set_paused(state, &ids, false);
            Ok(("Query resumed.".into(), None))
        }
        Effect::AddFunction { entry, definition } => functions::add(state, entry, *definition),
        Effect::DropFunction { name } => functions::remove(state, &name),
        Effect::AddErrorPolicy { policy, replanned, .. } => error_policies::add(engine, state, policy, replanned, how),
        Effect::DropErrorPolicy { name } => Ok(error_policies::remove(state, &name)),
        Effect::DropStage { name, query_id } => stages::remove(engine, state, &name, &query_id, how),
        Effect::SetGrants { target, name, grants, stops } => grants::set(engine, state, target, &name, grants, stops, how),
        Effect::SetLimits { plugin, limits } => limits::set(engine, state, &plugin, limits, how),
        Effect::AddEndpoint(entry) => endpoints::add(engine, state, entry, how),
        Effect::DropEndpoint { name } => endpoints::remove(engine, state, &name, how),
        Effect::UseRevision { target, name, revision, users } => {
            revisions::switch(engine, state, target, &name, revision, &users, how)
        }
    }
}

/// Replaces the catalog by a changed copy: snapshots that others hold stay as they are.
fn change_catalog(state: &mut State, change: impl FnOnce(&mut Catalog)) {
    let mut catalog = (*state.catalog).clone();
    change(&mut catalog);
    state.catalog = Arc::new(catalog);
}

fn kind_word(kind: calzone_plan::SourceKind) -> &'static str {
    match kind {
        calzone_plan::SourceKind::Stream => "Stream",
        calzone_plan::SourceKind::Table => "Table",
    }
}
