//! CREATE STREAM and TABLE over a topic, ALTER and DROP.

use std::sync::Arc;

use calzone_plan::{CreateSourcePlan, PlanContext, SourceKind};
use calzone_sql::ast::{self, Name, TypeName};

use super::queries::{self, Settings};
use super::{Apply, Effect, change_catalog, kind_word};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::State;
use crate::submit::plan_error;

pub fn create(context: &PlanContext<'_>, create: &ast::CreateSource, text: &str) -> Result<Effect, StatementError> {
    let plan = calzone_plan::create_source(context, create, text).map_err(|e| plan_error(&e, text))?;
    if plan.already_exists {
        let kind = kind_word(create.kind);
        return Ok(Effect::Exists(format!("{kind} {} is there already, so nothing was created.", create.name.node)));
    }
    Ok(Effect::AddSource(Box::new(plan)))
}

pub fn add(
    engine: &Engine,
    state: &mut State,
    plan: CreateSourcePlan,
    query_id: &str,
    settings: &Settings<'_>,
) -> Result<(String, Option<String>), StatementError> {
    let source = Arc::new(plan.source);
    let message = format!("{} {} {}.", kind_word(source.kind), source.name, if plan.replaces { "replaced" } else { "created" });
    change_catalog(state, |catalog| {
        catalog.sources.insert(source.name.to_string(), source.clone());
    });
    let Some(copy) = plan.materialize_query else { return Ok((message, None)) };
    // CREATE SOURCE TABLE: a query keeps a copy of the topic that pull queries can ask.
    queries::insert(engine, state, query_id, Arc::new(copy), Vec::new(), Vec::new(), settings)?;
    Ok((message, Some(query_id.to_owned())))
}

pub fn alter(
    context: &PlanContext<'_>,
    kind: SourceKind,
    name: &Name,
    columns: &[(Name, TypeName)],
    text: &str,
) -> Result<Effect, StatementError> {
    let source = calzone_plan::alter_source(context, kind, name, columns).map_err(|e| plan_error(&e, text))?;
    Ok(Effect::ReplaceSource(Arc::new(source)))
}

pub fn drop(state: &State, context: &PlanContext<'_>, drop: &ast::DropSource, text: &str) -> Result<Effect, StatementError> {
    let plan = calzone_plan::drop_source(context, drop).map_err(|e| plan_error(&e, text))?;
    let Some(source) = plan.source else {
        return Ok(Effect::Nothing(format!("Source `{}` does not exist.", drop.name.node)));
    };
    if let Some(stage) = state.stages.values().find(|s| s.into.iter().any(|i| *i == drop.name.node)) {
        let message = format!("{} is written by stage {}: DROP STAGE {} first.", drop.name.node, stage.name, stage.name);
        return Err(StatementError::bad_statement(message, text));
    }
    if let Some(endpoint) = state.endpoints.values().find(|e| e.is_granted(&drop.name.node)) {
        let message =
            format!("{} is granted to endpoint {}: DROP ENDPOINT {} first.", drop.name.node, endpoint.name, endpoint.name);
        return Err(StatementError::bad_statement(message, text));
    }
    let delete_topic = plan.delete_topic.then(|| source.topic.to_string());
    let mut terminates: Vec<String> = plan.terminate.into_iter().collect();
    // A CREATE SOURCE TABLE has a query that keeps its copy.
    terminates.extend(
        state
            .queries
            .values()
            .filter(|q| q.sinks.is_empty() && q.plan.reads.iter().any(|r| **r == *drop.name.node))
            .map(|q| q.id.clone()),
    );
    Ok(Effect::DropSource { name: drop.name.node.clone(), terminates, delete_topic })
}

pub fn remove(
    engine: &Engine,
    state: &mut State,
    name: &str,
    terminates: &[String],
    delete_topic: Option<String>,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    for id in terminates {
        queries::remove(engine, state, id, how);
    }
    let kind = state.catalog.sources.get(name).map_or("Source", |s| kind_word(s.kind));
    change_catalog(state, |catalog| {
        catalog.sources.remove(name);
    });
    let mut message = format!("{kind} {name} was dropped.");
    if let (Some(topic), Apply::Live) = (delete_topic, how) {
        match engine.log.delete_topic(&topic) {
            Ok(()) | Err(calzone_log::LogError::TopicMissing { .. }) => {}
            Err(e) => message += &format!(" Its topic {topic} could not be deleted: {e}."),
        }
    }
    Ok((message, None))
}
