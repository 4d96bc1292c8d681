//! CREATE FUNCTION and DROP FUNCTION.

use calzone_functions::FunctionDefinition;
use calzone_plan::PlanContext;
use calzone_sql::ast::{CreateFunction, Name};

use super::{Effect, change_catalog};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::{FunctionEntry, State};
use crate::submit::plan_error;

pub fn create(
    engine: &Engine,
    state: &State,
    context: &PlanContext<'_>,
    create: &CreateFunction,
    text: &str,
) -> Result<Effect, StatementError> {
    let name = &create.name.node;
    let Some(definition) = calzone_plan::create_function(context, create).map_err(|e| plan_error(&e, text))? else {
        return Ok(Effect::Exists(format!("Function {name} is there already; nothing changed.")));
    };
    let item = definition
        .plugin()
        .map(|(_, item)| item.to_owned())
        .ok_or_else(|| StatementError::internal(format!("plugin '{}' offers {name} without code", create.plugin.node)))?;
    super::revisions::check_replaced_function(state, name, &definition, text)?;
    super::grants::check_function(engine, state, &create.plugin.node, &create.grants, text)?;
    let grants = create.grants.clone();
    let entry = FunctionEntry { name: name.clone(), plugin: create.plugin.node.clone(), item, pinned: None, grants };
    Ok(Effect::AddFunction { entry, definition: Box::new(definition) })
}

pub fn drop(state: &State, if_exists: bool, name: &Name, text: &str) -> Result<Effect, StatementError> {
    let name = &name.node;
    if !state.functions.contains_key(name) {
        if if_exists {
            return Ok(Effect::Nothing(format!("There is no function {name}; nothing to drop.")));
        }
        let built_in = state.catalog.functions.function(name).is_some();
        let why =
            if built_in { "is built in and cannot be dropped" } else { "does not exist; SHOW FUNCTIONS lists those there are" };
        return Err(StatementError::bad_statement(format!("Function {name} {why}."), text));
    }
    let users: Vec<&str> =
        state.queries.values().filter(|q| q.plan.plugins.iter().any(|u| &*u.name == name)).map(|q| q.id.as_str()).collect();
    if !users.is_empty() {
        return Err(StatementError::bad_statement(
            format!("Function {name} is used by {}; terminate them first.", users.join(", ")),
            text,
        ));
    }
    Ok(Effect::DropFunction { name: name.clone() })
}

pub fn add(
    state: &mut State,
    entry: FunctionEntry,
    definition: FunctionDefinition,
) -> Result<(String, Option<String>), StatementError> {
    let message = format!("Function {} is {} of plugin {}.", entry.name, entry.item, entry.plugin);
    change_catalog(state, |catalog| {
        catalog.functions.remove(&entry.name);
        catalog.functions.add(definition);
    });
    state.functions.insert(entry.name.clone(), entry);
    Ok((message, None))
}

pub fn remove(state: &mut State, name: &str) -> Result<(String, Option<String>), StatementError> {
    change_catalog(state, |catalog| {
        catalog.functions.remove(name);
    });
    state.functions.remove(name);
    Ok((format!("Function {name} dropped."), None))
}
