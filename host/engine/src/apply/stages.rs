//! CREATE STAGE, PAUSE, RESUME and DROP STAGE.

use calzone_plan::PlanContext;
use calzone_plan::plan::StepKind;
use calzone_sql::ast::{CreateStage, Name};

use super::{Apply, Effect, change_catalog, queries};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::{StageEntry, State};
use crate::submit::plan_error;

pub fn create(
    state: &State,
    context: &PlanContext<'_>,
    create: &CreateStage,
    text: &str,
    query_id: &str,
) -> Result<Effect, StatementError> {
    let name = &create.name.node;
    if state.stages.contains_key(name) {
        if create.if_not_exists {
            return Ok(Effect::Exists(format!("Stage {name} is there already, so nothing was created.")));
        }
        return Err(StatementError::bad_statement(
            format!("There is a stage {name} already: DROP STAGE {name} first, or choose another name."),
            text,
        ));
    }
    let plan = calzone_plan::create_stage(context, create, text, query_id).map_err(|e| plan_error(&e, text))?;
    let StepKind::Stage(step) = &plan.plan.root.kind else {
        return Err(StatementError::internal("a stage was planned without its step"));
    };
    let entry = StageEntry {
        name: name.clone(),
        query_id: query_id.to_owned(),
        from: create.from.node.clone(),
        into: create.into.iter().map(|i| i.node.clone()).collect(),
        plugin: create.plugin.node.clone(),
        item: step.stage.to_string(),
        config: step.config.clone(),
        grants: create.grants.clone(),
        pinned: None,
    };
    Ok(Effect::AddQuery { plan: Box::new(plan), stage: Some(entry) })
}

fn find<'a>(state: &'a State, name: &Name, text: &str) -> Result<&'a StageEntry, StatementError> {
    state.stages.get(&name.node).ok_or_else(|| {
        StatementError::bad_statement(format!("There is no stage {}. SHOW STAGES lists those there are.", name.node), text)
    })
}

pub fn pause(state: &State, name: &Name, text: &str) -> Result<Effect, StatementError> {
    find(state, name, text).map(|stage| Effect::Pause(vec![stage.query_id.clone()]))
}

pub fn resume(state: &State, name: &Name, text: &str) -> Result<Effect, StatementError> {
    find(state, name, text).map(|stage| Effect::Resume(vec![stage.query_id.clone()]))
}

pub fn drop(state: &State, if_exists: bool, name: &Name, text: &str) -> Result<Effect, StatementError> {
    if if_exists && !state.stages.contains_key(&name.node) {
        return Ok(Effect::Nothing(format!("There is no stage {}; nothing to drop.", name.node)));
    }
    find(state, name, text).map(|stage| Effect::DropStage { name: stage.name.clone(), query_id: stage.query_id.clone() })
}

/// Ends the stage; the stream it wrote stays, like its topic, until it is dropped.
pub fn remove(
    engine: &Engine,
    state: &mut State,
    name: &str,
    query_id: &str,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    queries::remove(engine, state, query_id, how);
    state.stages.remove(name);
    change_catalog(state, |catalog| {
        for source in catalog.sources.values_mut() {
            if source.created_by.as_deref() == Some(query_id) {
                let mut freed = (**source).clone();
                freed.created_by = None;
                *source = std::sync::Arc::new(freed);
            }
        }
    });
    Ok((format!("Stage {name} was dropped."), None))
}
