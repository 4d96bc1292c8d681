//! Revisions of plugins becoming known, and forgotten; and how statements name plugins.

use calzone_sql::Spanned;
use calzone_sql::ast::{EndpointChange, ErrorPolicyBody, Statement};

use crate::plugins::{Plugin, Revision};
use crate::state::State;

/// Adds a revision. The first of a plugin is active whatever was asked.
pub fn add_revision(state: &mut State, name: &str, revision: i64, sha256: &str, bytes: usize, activate: bool) {
    // Two servers may have taken first uploads under names that differ in case: the first one is the plugin's.
    let name = state.plugin_named(name).map_or(name, |p| &p.name).to_owned();
    let plugin = state.plugins.entry(name.clone()).or_insert_with(|| Plugin {
        name,
        revisions: Vec::new(),
        active: 0,
        limits: Default::default(),
    });
    // Two servers may have taken uploads at the same time; the log's order decides, and numbers stay dense.
    let revision = revision.max(plugin.revisions.last().map_or(0, |r| r.revision) + 1);
    plugin.revisions.push(Revision { revision, sha256: sha256.to_owned(), bytes });
    if activate || plugin.active == 0 {
        plugin.active = revision;
    }
}

/// Forgets revisions; one that has come into use since they were chosen stays.
pub fn remove_revisions(state: &mut State, name: &str, revisions: &[i64]) {
    let removed: Vec<i64> = revisions.iter().copied().filter(|r| state.users_of_revision(name, *r).is_empty()).collect();
    if let Some(plugin) = state.plugins.get_mut(name) {
        plugin.revisions.retain(|r| r.revision == plugin.active || !removed.contains(&r.revision));
    }
}

/// The statement with its plugin named as it was uploaded: names of plugins know no case, quoted or not.
pub fn named_as_uploaded(state: &State, statement: &Statement) -> Statement {
    let mut statement = statement.clone();
    if let Some(plugin) = plugin_of(&mut statement)
        && let Some(known) = state.plugin_named(&plugin.node)
    {
        plugin.node.clone_from(&known.name);
    }
    statement
}

fn plugin_of(statement: &mut Statement) -> Option<&mut Spanned<String>> {
    match statement {
        Statement::CreateFunction(create) => Some(&mut create.plugin),
        Statement::CreateStage(create) => Some(&mut create.plugin),
        Statement::CreateEndpoint(create) => Some(&mut create.plugin),
        Statement::AlterEndpoint { change: EndpointChange::Code { plugin, .. }, .. } => plugin.as_mut(),
        Statement::CreateErrorPolicy(create) => match &mut create.body {
            ErrorPolicyBody::Plugin { plugin, .. } => Some(plugin),
            ErrorPolicyBody::Actions { .. } => None,
        },
        _ => None,
    }
}
