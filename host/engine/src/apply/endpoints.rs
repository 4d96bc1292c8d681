//! CREATE ENDPOINT, ALTER ENDPOINT and DROP ENDPOINT.

use calzone_plan::{PlanError, SourceKind, plugin_settings};
use calzone_sql::Span;
use calzone_sql::ast::{CreateEndpoint, EndpointChange, Grant, GrantKind, Name};

use super::{Apply, Effect, grants, kind_word};
use crate::StatementError;
use crate::endpoints::{self, PATH_PREFIX};
use crate::engine::Engine;
use crate::lookup::PluginCatalog;
use crate::state::{EndpointEntry, State};
use crate::submit::plan_error;

/// Longest path of an endpoint.
const PATH_BYTES_MAX: usize = 256;

pub fn create(engine: &Engine, state: &State, create: &CreateEndpoint, text: &str) -> Result<Effect, StatementError> {
    let name = &create.name.node;
    let refused = |message: String| StatementError::bad_statement(message, text);
    if state.endpoints.contains_key(name) && !create.or_replace {
        if create.if_not_exists {
            return Ok(Effect::Exists(format!("Endpoint {name} is there already, so nothing was created.")));
        }
        return Err(refused(format!(
            "There is an endpoint {name} already: DROP ENDPOINT {name} first, or CREATE OR REPLACE it."
        )));
    }
    check_path(&create.path).map_err(refused)?;
    let others = || state.endpoints.values().filter(|e| e.name != *name);
    if let Some(other) = others().find(|e| e.path == create.path) {
        return Err(refused(format!("Endpoint {} answers at '{}' already: choose another path.", other.name, create.path)));
    }
    if let Some(listener) = &create.listener {
        let address = endpoints::parse_address(listener).map_err(refused)?;
        let same = |e: &&EndpointEntry| e.listener.as_ref().is_some_and(|l| endpoints::parse_address(l).as_ref() == Ok(&address));
        if let Some(other) = others().find(same) {
            return Err(refused(format!("Endpoint {} listens at '{listener}' already: choose another address.", other.name)));
        }
    }
    for grant in &create.grants {
        check_grant(state, grant).map_err(|(span, message)| plan_error(&PlanError::at(span, message), text))?;
    }
    let config = plugin_settings(&create.config).map_err(|e| plan_error(&e, text))?;
    let entry = EndpointEntry {
        name: name.clone(),
        path: create.path.clone(),
        plugin: create.plugin.node.clone(),
        config,
        grants: create.grants.clone(),
        listener: create.listener.clone(),
        pinned: None,
    };
    check_runs(engine, state, &entry).map_err(|message| plan_error(&PlanError::at(create.plugin.span, message), text))?;
    Ok(Effect::AddEndpoint(entry))
}

/// Other code, settings or grants for an endpoint, which it takes with the next request. What would not run is refused.
pub fn alter(engine: &Engine, state: &State, name: &Name, change: &EndpointChange, text: &str) -> Result<Effect, StatementError> {
    let refused = |message: String| StatementError::bad_statement(message, text);
    let mut entry = state.endpoints.get(&name.node).cloned().ok_or_else(|| no_such(&name.node, text))?;
    match change {
        EndpointChange::Code { plugin, config } => {
            if let Some(plugin) = plugin {
                entry.plugin = plugin.node.clone();
                // A number of another plugin's revisions says nothing here.
                entry.pinned = None;
            }
            if let Some(config) = config {
                entry.config = plugin_settings(config).map_err(|e| plan_error(&e, text))?;
            }
        }
        EndpointChange::Revision(revision) => entry.pinned = Some(*revision),
        EndpointChange::Grants { revoke, grants } => {
            if !revoke {
                for grant in grants {
                    check_grant(state, grant).map_err(|(span, message)| plan_error(&PlanError::at(span, message), text))?;
                }
            }
            entry.grants = grants::changed(&entry.name, &entry.grants, *revoke, grants).map_err(refused)?;
        }
    }
    check_runs(engine, state, &entry).map_err(|why| refused(format!("Endpoint {}: {why} Nothing was changed.", entry.name)))?;
    Ok(Effect::AddEndpoint(entry))
}

/// Is there such code, and does it take these settings and grants?
fn check_runs(engine: &Engine, state: &State, entry: &EndpointEntry) -> Result<(), String> {
    let catalog = PluginCatalog { state, store: &engine.plugin_store };
    let component = match entry.pinned {
        Some(revision) => catalog.revision(&entry.plugin, revision)?,
        None => catalog.active(&entry.plugin)?,
    };
    endpoints::open(engine, &component, &entry.config, &entry.grants).map(|_| ()).map_err(|e| e.to_string())
}

/// Only what every client and proxy leaves as it is: a path that is written in two ways would be two.
fn check_path(path: &str) -> Result<(), String> {
    let segment =
        |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let good = path.len() <= PATH_BYTES_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if good {
        return Ok(());
    }
    Err(format!(
        "'{path}' cannot be an endpoint's path: write it as '/shop' or '/shop/v2', of letters, digits, '-', '.', '_' and '~', at most {PATH_BYTES_MAX} of them."
    ))
}

/// What is granted must be there and be what it is called.
fn check_grant(state: &State, grant: &Grant) -> Result<(), (Span, String)> {
    let at = |span: Span, message: String| Err((span, message));
    let (verb, kind, name) = match &grant.kind {
        GrantKind::Random | GrantKind::Clock | GrantKind::Log => return Ok(()),
        GrantKind::KeyValue => return at(grant.span, "An endpoint cannot be granted KEY VALUE: it keeps nothing.".into()),
        GrantKind::HttpTo(_) => {
            return at(grant.span, "An endpoint cannot be granted HTTP TO: it answers and does not ask.".into());
        }
        GrantKind::InsertOn(kind, name) => ("INSERT", kind, name),
        GrantKind::QueryOn(kind, name) => ("QUERY", kind, name),
    };
    let Some(source) = state.catalog.sources.get(&name.node) else {
        let message = format!("There is no stream or table {}. SHOW STREAMS and SHOW TABLES list those there are.", name.node);
        return at(name.span, message);
    };
    let is_table = source.kind == SourceKind::Table;
    if is_table != (*kind == calzone_sql::ast::SourceKind::Table) {
        let is = kind_word(source.kind);
        return at(name.span, format!("{} is a {}: write {verb} ON {}.", name.node, is.to_lowercase(), is.to_uppercase()));
    }
    if verb == "INSERT" && source.is_source {
        return at(name.span, format!("{} is read-only (CREATE SOURCE): rows cannot be inserted into it.", name.node));
    }
    if verb == "QUERY" && is_table && source.created_by.is_none() && !source.is_source {
        let message = format!(
            "The rows of table {0} are not kept, so it cannot be asked. Make a table that is: CREATE TABLE QUERYABLE_{0} AS SELECT * FROM {0};",
            name.node
        );
        return at(name.span, message);
    }
    Ok(())
}

pub fn drop(state: &State, if_exists: bool, name: &Name, text: &str) -> Result<Effect, StatementError> {
    let name = &name.node;
    match state.endpoints.contains_key(name) {
        true => Ok(Effect::DropEndpoint { name: name.clone() }),
        false if if_exists => Ok(Effect::Nothing(format!("There is no endpoint {name}; nothing to drop."))),
        false => Err(no_such(name, text)),
    }
}

pub fn no_such(name: &str, text: &str) -> StatementError {
    StatementError::bad_statement(format!("There is no endpoint {name}. SHOW ENDPOINTS lists those there are."), text)
}

pub fn add(
    engine: &Engine,
    state: &mut State,
    entry: EndpointEntry,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    let listener = entry.listener.as_ref().map_or_else(String::new, |l| format!(" and at {l}"));
    let message = format!("Endpoint {} answers at {PATH_PREFIX}{}{listener}.", entry.name, entry.path);
    state.endpoints.insert(entry.name.clone(), entry);
    if how == Apply::Live {
        engine.endpoints.update(engine, state);
    }
    Ok((message, None))
}

/// Requests under way are answered to their end.
pub fn remove(engine: &Engine, state: &mut State, name: &str, how: Apply) -> Result<(String, Option<String>), StatementError> {
    state.endpoints.remove(name);
    if how == Apply::Live {
        engine.endpoints.update(engine, state);
    }
    Ok((format!("Endpoint {name} was dropped."), None))
}

#[cfg(test)]
mod tests {
    use super::check_path;

    #[test]
    fn paths_have_one_way_of_being_written() {
        for good in ["/shop", "/shop/v2", "/a-b_c.d~e"] {
            assert_eq!(check_path(good), Ok(()));
        }
        for bad in ["", "/", "shop", "/shop/", "//", "/a//b", "/a/../b", "/.", "/a b", "/a%20b", "/a?b", "/ä"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
