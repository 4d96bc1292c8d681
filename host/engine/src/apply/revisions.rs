//! `ALTER … USE REVISION`: other code for running queries, refused as a whole if it does not fit one of them.

use std::sync::Arc;

use calzone_functions::{AggregateImplementation, FunctionDefinition, Signature};
use calzone_plan::error_policy::Decider;
use calzone_plan::plan::{PluginUse, StageColumn, StageStep, Step, StepKind};
use calzone_plan::plugin_use_name;
use calzone_sandbox::Component;
use calzone_sandbox::StageSource;
use calzone_sql::ast::{Name, RevisionTarget};

use super::{Apply, Effect, change_catalog};
use crate::StatementError;
use crate::engine::Engine;
use crate::query::stage_schema;
use crate::state::{EndpointEntry, State, grants_of};

pub fn alter(
    engine: &Engine,
    state: &State,
    target: RevisionTarget,
    name: &Name,
    revision: i64,
    text: &str,
) -> Result<Effect, StatementError> {
    let refused = |message: String| StatementError::bad_statement(message, text);
    let name = match target {
        RevisionTarget::Plugin => state.plugin_named(&name.node).map_or(&name.node, |p| &p.name),
        _ => &name.node,
    };
    let plugin = match target {
        RevisionTarget::Plugin => name.clone(),
        RevisionTarget::Stage => state
            .stages
            .get(name)
            .ok_or_else(|| refused(format!("There is no stage {name}. SHOW STAGES lists those there are.")))?
            .plugin
            .clone(),
        RevisionTarget::Function => state
            .functions
            .get(name)
            .ok_or_else(|| refused(format!("There is no function {name} made from a plugin.")))?
            .plugin
            .clone(),
    };
    let known = state
        .plugins
        .get(&plugin)
        .ok_or_else(|| refused(format!("There is no plugin '{plugin}'. SHOW PLUGINS lists those there are.")))?;
    let Some(found) = known.revision(revision) else {
        let there: Vec<String> = known.revisions.iter().map(|r| r.revision.to_string()).collect();
        return Err(refused(format!("Plugin '{plugin}' has no revision {revision}; it has: {}.", there.join(", "))));
    };
    let component = engine.plugin_store.component(known, &found.sha256)?;
    let users = affected(state, target, name, &plugin);
    for used in &users {
        check_fits(state, used, &component).map_err(|why| {
            refused(format!("Revision {revision} of plugin '{plugin}' does not fit {}: {why} Nothing was changed.", used.name))
        })?;
    }
    if target == RevisionTarget::Plugin {
        for endpoint in state.endpoints.values().filter(|e| e.plugin == plugin && e.pinned.is_none()) {
            crate::endpoints::open(engine, &component, &endpoint.config, &endpoint.grants).map_err(|why| {
                refused(format!(
                    "Revision {revision} of plugin '{plugin}' does not fit endpoint {}: {why} Nothing was changed.",
                    endpoint.name
                ))
            })?;
        }
    }
    Ok(Effect::UseRevision { target, name: name.clone(), revision, users })
}

/// Functions, stages and error policies whose code the statement changes.
fn affected(state: &State, target: RevisionTarget, name: &str, plugin: &str) -> Vec<PluginUse> {
    let wanted = |own_name: &str, pinned: Option<i64>| match target {
        RevisionTarget::Plugin => pinned.is_none(),
        _ => own_name == name,
    };
    let entry = |name: &str, item: &str| PluginUse { name: name.into(), plugin: plugin.into(), item: item.into() };
    let functions =
        state.functions.values().filter(|f| f.plugin == plugin && wanted(&f.name, f.pinned)).map(|f| entry(&f.name, &f.item));
    let stages =
        state.stages.values().filter(|s| s.plugin == plugin && wanted(&s.name, s.pinned)).map(|s| entry(&s.name, &s.item));
    let policies = state.catalog.error_policies.values().filter_map(|p| match &p.decider {
        Decider::Plugin { plugin: used, policy, .. } if **used == *plugin && target == RevisionTarget::Plugin => {
            Some(entry(&plugin_use_name(&p.name), policy))
        }
        _ => None,
    });
    functions.chain(stages).chain(policies).collect()
}

fn check_fits(state: &State, used: &PluginUse, component: &Component) -> Result<(), String> {
    let policies = &state.catalog.error_policies;
    if let Some(policy) = policies.values().find(|p| *plugin_use_name(&p.name) == *used.name)
        && let Decider::Plugin { config, .. } = &policy.decider
    {
        return component.instantiate_error_policy(&used.item, config).map(|_| ()).map_err(|e| e.to_string());
    }
    if let Some(stage) = state.stages.get(&*used.name) {
        let found = state.queries.get(&stage.query_id).and_then(|q| find_stage(&q.plan.root, &used.name));
        let (step, written) = found.ok_or("its query is not there.")?;
        return check_stage(step, written, component, &stage.grants);
    }
    let old = state.catalog.functions.function(&used.name).ok_or("it is not a function any more.")?;
    let function = state.functions.get(&*used.name).ok_or("it is not a function any more.")?;
    component.check_grants(&grants_of(&function.grants)?).map_err(|e| e.to_string())?;
    let new = component.function_definition(&used.plugin, &used.item).map_err(|e| e.to_string())?;
    check_overloads(&old, &new)
}

/// The new code must be of the same kind and offer every signature that the old one does.
fn check_overloads(old: &FunctionDefinition, new: &FunctionDefinition) -> Result<(), String> {
    if old.kind() != new.kind() {
        let (old, new) = (old.kind().as_str(), new.kind().as_str());
        return Err(format!("it is a function of kind {new}, no longer {old}."));
    }
    let shape = |s: &Signature| {
        let parameters: Vec<_> = s.parameters.iter().map(|p| p.ty.clone()).collect();
        (parameters, s.variadic, format!("{:?}", s.returns))
    };
    let offered: Vec<_> = aspects(new).map(|(s, aspect)| (shape(s), aspect)).collect();
    for (signature, aspect) in aspects(old) {
        if !offered.contains(&(shape(signature), aspect)) {
            return Err(format!("it has no {} any more.", format_args!("{}{signature}", old.name())));
        }
    }
    Ok(())
}

/// Signatures, and what else of an aggregate function a running query depends on: literals, and whether it can retract.
fn aspects(definition: &FunctionDefinition) -> impl Iterator<Item = (&Signature, (usize, bool))> {
    let more: Vec<(usize, bool)> = match definition {
        FunctionDefinition::Aggregate(aggregate) => aggregate
            .overloads
            .iter()
            .map(|o| (o.init_parameters, matches!(o.implementation, AggregateImplementation::Plugin { can_retract: true, .. })))
            .collect(),
        FunctionDefinition::Scalar(_) | FunctionDefinition::Table(_) => Vec::new(),
    };
    let more = more.into_iter().chain(std::iter::repeat((0, false)));
    definition.signatures().into_iter().zip(more)
}

/// A replaced function must still fit the queries that run with it.
pub fn check_replaced_function(state: &State, name: &str, new: &FunctionDefinition, text: &str) -> Result<(), StatementError> {
    let in_use = state.queries.values().any(|q| q.plan.plugins.iter().any(|u| &*u.name == name));
    match state.catalog.functions.function(name) {
        Some(old) if in_use => check_overloads(&old, new).map_err(|why| {
            StatementError::bad_statement(format!("Function {name} is in use and cannot be replaced: {why}"), text)
        }),
        _ => Ok(()),
    }
}

/// The new code must give the same columns for the same input, at each output.
fn check_stage(
    step: &StageStep,
    written: &[calzone_plan::plan::StepColumn],
    component: &Component,
    grants: &[calzone_sql::ast::Grant],
) -> Result<(), String> {
    let schema = stage_schema(step);
    let opened = component.open_stage(&step.stage, &step.config, &schema, &grants_of(grants)?).map_err(|e| e.to_string())?;
    if opened.outputs.len() != 1 + step.others.len() {
        return Err(format!("it has {} outputs, no longer {}.", opened.outputs.len(), 1 + step.others.len()));
    }
    let others = step.others.iter().map(|route| (&route.columns, route.output.columns.as_slice()));
    for (output, (columns, written)) in opened.outputs.iter().zip(std::iter::once((&step.columns, written)).chain(others)) {
        let shape: Vec<StageColumn> = output
            .columns
            .iter()
            .map(|column| match &column.source {
                StageSource::PassThrough(i) => StageColumn::PassThrough(*i),
                StageSource::Guest(index, _) => StageColumn::Guest(*index),
            })
            .collect();
        let offered = output.output_schema(&schema);
        let same =
            |(new, old): (&calzone_types::Column, &calzone_plan::plan::StepColumn)| new.name == old.name && new.ty == old.ty;
        if shape != *columns || offered.columns.len() != written.len() || !offered.columns.iter().zip(written).all(same) {
            return Err(format!("its rows would have the columns {offered}, not those that are being written."));
        }
    }
    Ok(())
}

/// The step of a stage inside a plan, and the columns it gives.
fn find_stage<'a>(step: &'a Step, name: &str) -> Option<(&'a StageStep, &'a [calzone_plan::plan::StepColumn])> {
    match &step.kind {
        StepKind::Stage(stage) if &*stage.name == name => Some((stage, &step.output.columns)),
        StepKind::Stage(stage) => find_stage(&stage.input, name),
        StepKind::Filter { input, .. }
        | StepKind::Project { input, .. }
        | StepKind::FlatMap { input, .. }
        | StepKind::SelectKey { input, .. }
        | StepKind::Repartition { input, .. }
        | StepKind::Suppress { input, .. } => find_stage(input, name),
        StepKind::Aggregate(aggregate) => find_stage(&aggregate.input, name),
        StepKind::Join(join) => find_stage(&join.left, name).or_else(|| find_stage(&join.right, name)),
        StepKind::Source(_) => None,
    }
}

/// Changes revisions in the state and hands running queries their new code.
pub fn switch(
    engine: &Engine,
    state: &mut State,
    target: RevisionTarget,
    name: &str,
    revision: i64,
    users: &[PluginUse],
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    match target {
        RevisionTarget::Plugin => {
            if let Some(plugin) = state.plugins.get_mut(name) {
                plugin.active = revision;
            }
        }
        RevisionTarget::Stage => {
            if let Some(stage) = state.stages.get_mut(name) {
                stage.pinned = Some(revision);
            }
        }
        RevisionTarget::Function => {
            if let Some(function) = state.functions.get_mut(name) {
                function.pinned = Some(revision);
            }
        }
    }
    state.put_in_force.insert((target == RevisionTarget::Plugin, name.to_owned()), state.next_offset);
    // New statements see the new code's signatures and documentation.
    let functions: Vec<&PluginUse> = users.iter().filter(|u| state.functions.contains_key(&*u.name)).collect();
    for used in functions {
        let (_, component) = state.component(used, &engine.plugin_store)?;
        let definition = component
            .function_definition(&used.plugin, &used.item)
            .map_err(|e| StatementError::internal(e.to_string()))?
            .renamed(&used.name);
        change_catalog(state, |catalog| {
            catalog.functions.remove(&used.name);
            catalog.functions.add(definition);
        });
    }
    let mut queries = 0;
    if how == Apply::Live {
        for query in state.queries.values() {
            let concerned = query.plan.plugins.iter().any(|p| users.iter().any(|u| u.name == p.name));
            if concerned && let Some(runner) = &query.runner {
                runner.rebind(Arc::new(state.bindings(&query.plan.plugins, &engine.plugin_store)?));
                queries += 1;
            }
        }
    }
    let follows = |e: &&EndpointEntry| target == RevisionTarget::Plugin && e.plugin == name && e.pinned.is_none();
    let endpoints = state.endpoints.values().filter(follows).count();
    let mut taken = format!("{queries} running queries take it at their next commit");
    if endpoints > 0 {
        taken += &format!(", {endpoints} endpoints with their next request");
        if how == Apply::Live {
            engine.endpoints.update(engine, state);
        }
    }
    let what = match target {
        RevisionTarget::Plugin => "Plugin",
        RevisionTarget::Stage => "Stage",
        RevisionTarget::Function => "Function",
    };
    Ok((format!("{what} {name} uses revision {revision}; {taken}."), None))
}
