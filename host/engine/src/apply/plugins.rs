//! Revisions of plugins becoming known, and forgotten.

use crate::plugins::{Plugin, Revision};
use crate::state::State;

/// Adds a revision. The first of a plugin is active whatever was asked.
pub fn add_revision(state: &mut State, name: &str, revision: i64, sha256: &str, bytes: usize, activate: bool) {
    let plugin = state.plugins.entry(name.to_owned()).or_insert_with(|| Plugin {
        name: name.to_owned(),
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
