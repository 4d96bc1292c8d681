//! `ALTER STAGE|FUNCTION … GRANT|REVOKE (…)`: other capabilities for running guests.
//!
//! What is granted is added to what there was; a component gains nothing that it does not import. What is revoked is gone
//! with the next commit. Code that imports it cannot run then: its queries stop, with the reason, until it is granted again
//! or other code is used.

use std::sync::Arc;

use calzone_sql::ast::{Grant, GrantKind, Name, RevisionTarget};

use super::{Apply, Effect};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::{State, grants_of};

/// Plans the change.
pub fn alter(
    engine: &Engine,
    state: &State,
    target: RevisionTarget,
    name: &Name,
    revoke: bool,
    changes: &[Grant],
    text: &str,
) -> Result<Effect, StatementError> {
    let refused = |message: String| StatementError::bad_statement(message, text);
    let name = &name.node;
    let (plugin, item, present) = match target {
        RevisionTarget::Stage => {
            let stage = state.stages.get(name);
            let stage = stage.ok_or_else(|| refused(format!("There is no stage {name}. SHOW STAGES lists those there are.")))?;
            (&stage.plugin, &stage.item, &stage.grants)
        }
        RevisionTarget::Function | RevisionTarget::Plugin => {
            let function = state.functions.get(name);
            let function = function.ok_or_else(|| refused(format!("There is no function {name} made from a plugin.")))?;
            (&function.plugin, &function.item, &function.grants)
        }
    };
    changes.iter().try_for_each(|change| check_kind(target, &change.kind)).map_err(refused)?;
    let grants = changed(name, present, revoke, changes).map_err(refused)?;
    if target == RevisionTarget::Stage && has_store(present) != has_store(&grants) {
        let message = "A stage has its store from the beginning to the end: name KEY VALUE in CREATE STAGE, or DROP STAGE.";
        return Err(refused(message.to_owned()));
    }
    let allowed = grants_of(&grants).map_err(refused)?;
    let used =
        calzone_plan::plan::PluginUse { name: name.as_str().into(), plugin: plugin.as_str().into(), item: item.as_str().into() };
    let revision = state.revision_of(&used);
    let known = state.plugins.get(plugin).and_then(|p| Some((p, p.revision(revision?)?)));
    let (plugin, revision) = known.ok_or_else(|| refused(format!("The plugin '{plugin}' of {name} is not there any more.")))?;
    let component = engine.plugin_store.component(plugin, &revision.sha256)?;
    let stops = component.check_grants(&allowed).err().map(|e| e.to_string());
    Ok(Effect::SetGrants { target, name: name.clone(), grants, stops })
}

/// The grants of `name` with some more, or without some.
pub fn changed(name: &str, present: &[Grant], revoke: bool, changes: &[Grant]) -> Result<Vec<Grant>, String> {
    let mut grants = present.to_vec();
    for change in changes {
        let place = grants.iter().position(|g| g.kind == change.kind);
        match (place, revoke) {
            (Some(at), true) => {
                grants.remove(at);
            }
            (None, true) => {
                let what = crate::describe::grant_text(&change.kind);
                return Err(format!("{name} was not granted {what}, so it cannot be revoked. Nothing was changed."));
            }
            (None, false) => grants.push(change.clone()),
            (Some(_), false) => {}
        }
    }
    Ok(grants)
}

fn has_store(grants: &[Grant]) -> bool {
    grants.iter().any(|g| g.kind == GrantKind::KeyValue)
}

/// Endpoints alone write and ask; stages alone have a store.
fn check_kind(target: RevisionTarget, kind: &GrantKind) -> Result<(), String> {
    match kind {
        GrantKind::InsertOn(..) | GrantKind::QueryOn(..) => Err("INSERT ON and QUERY ON are for endpoints.".to_owned()),
        GrantKind::KeyValue if target != RevisionTarget::Stage => {
            Err("KEY VALUE is for stages: a function has no rows of its own to remember.".to_owned())
        }
        _ => Ok(()),
    }
}

/// Refuses a function whose component imports what CREATE FUNCTION does not grant.
pub fn check_function(engine: &Engine, state: &State, plugin: &str, grants: &[Grant], text: &str) -> Result<(), StatementError> {
    let refused = |message: String| StatementError::bad_statement(message, text);
    grants.iter().try_for_each(|g| check_kind(RevisionTarget::Function, &g.kind)).map_err(refused)?;
    let allowed = grants_of(grants).map_err(refused)?;
    let Some((plugin, revision)) = state.plugins.get(plugin).and_then(|p| Some((p, p.revision(p.active)?))) else {
        return Ok(());
    };
    let component = engine.plugin_store.component(plugin, &revision.sha256)?;
    component.check_grants(&allowed).map_err(|e| refused(format!("Plugin '{}': {e}.", plugin.name)))
}

/// Changes the grants, and hands running queries their code with them.
pub fn set(
    engine: &Engine,
    state: &mut State,
    target: RevisionTarget,
    name: &str,
    grants: Vec<Grant>,
    stops: Option<String>,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    match target {
        RevisionTarget::Stage => {
            if let Some(stage) = state.stages.get_mut(name) {
                stage.grants = grants;
            }
        }
        RevisionTarget::Function | RevisionTarget::Plugin => {
            if let Some(function) = state.functions.get_mut(name) {
                function.grants = grants;
            }
        }
    }
    let mut queries = 0;
    for query in state.queries.values().filter(|q| q.plan.plugins.iter().any(|used| &*used.name == name)) {
        if let (Apply::Live, Some(runner)) = (how, &query.runner) {
            runner.rebind(Arc::new(state.bindings(&query.plan.plugins, &engine.plugin_store)?));
            queries += 1;
        }
    }
    Ok((
        match stops {
            None => format!("The grants of {name} are changed; {queries} running queries take them at their next commit."),
            Some(why) => format!("The grants of {name} are changed, and {queries} running queries stop until they fit: {why}."),
        },
        None,
    ))
}
