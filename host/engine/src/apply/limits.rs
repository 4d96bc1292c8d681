//! `ALTER PLUGIN p SET (limit = value, …)`: limits of one plugin in place of the server's.

use std::sync::Arc;

use calzone_sandbox::{LimitSetting, Limits};
use calzone_sql::ast::{Name, Property};
use calzone_types::Value;

use super::{Apply, Effect};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::State;

/// What takes a limit of its own away from a plugin again.
const DEFAULT: &str = "DEFAULT";

pub fn alter(state: &State, name: &Name, settings: &[Property], text: &str) -> Result<Effect, StatementError> {
    let refused = |message: String| StatementError::bad_statement(message, text);
    let plugin = state
        .plugin_named(&name.node)
        .ok_or_else(|| refused(format!("There is no plugin '{}'. SHOW PLUGINS lists those there are.", name.node)))?;
    let mut limits = Vec::with_capacity(settings.len());
    for property in settings {
        let (name, value) = (&property.name.node, setting_text(&property.value.value));
        let setting = LimitSetting::find(name).map_err(refused)?;
        if !setting.of_plugin {
            let message = format!("{} is the same for all plugins: set calzone.plugin.{0} for the server.", setting.name);
            return Err(refused(message));
        }
        if value.eq_ignore_ascii_case(DEFAULT) {
            limits.push((setting.name.to_owned(), None));
            continue;
        }
        Limits::default().set(name, &value).map_err(refused)?;
        limits.push((setting.name.to_owned(), Some(value.trim().to_owned())));
    }
    Ok(Effect::SetLimits { plugin: plugin.name.clone(), limits })
}

fn setting_text(value: &Value) -> String {
    match value {
        Value::Varchar(text) => text.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Bigint(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}

/// Changes the limits, and hands running queries the plugin's code with them.
pub fn set(
    engine: &Engine,
    state: &mut State,
    plugin: &str,
    limits: Vec<(String, Option<String>)>,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    if let Some(plugin) = state.plugins.get_mut(plugin) {
        for (name, value) in limits {
            match value {
                Some(value) => plugin.limits.insert(name, value),
                None => plugin.limits.remove(&name),
            };
        }
    }
    let mut queries = 0;
    if how == Apply::Live {
        for query in state.queries.values().filter(|q| q.plan.plugins.iter().any(|used| &*used.plugin == plugin)) {
            if let Some(runner) = &query.runner {
                runner.rebind(Arc::new(state.bindings(&query.plan.plugins, &engine.plugin_store)?));
                queries += 1;
            }
        }
    }
    let endpoints = state.endpoints.values().filter(|e| e.plugin == plugin).count();
    let mut taken = format!("{queries} running queries take them at their next commit");
    if endpoints > 0 {
        taken += &format!(", {endpoints} endpoints with their next request");
        if how == Apply::Live {
            engine.endpoints.update(engine, state);
        }
    }
    Ok((format!("The limits of plugin {plugin} are set; {taken}."), None))
}
