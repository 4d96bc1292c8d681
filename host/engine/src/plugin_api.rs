//! Uploading, listing and deleting plugins.

use std::sync::Arc;

use calzone_sandbox::{Component, LIMITS};

use crate::answer::{LimitOrigin, LimitValue, PluginSummary, RevisionSummary};
use crate::command::{Command, CommandBody};
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::plugins::{Plugin, Revision, hash};
use crate::query::now_ms;
use crate::state::State;
use crate::{Session, StatementError};

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Uploaded {
    pub name: String,
    pub revision: RevisionSummary,
    /// False if the same bytes were the plugin's newest or any earlier revision already.
    pub created: bool,
}

/// Longest name of a plugin.
const NAME_LENGTH_MAX: usize = 64;

impl Engine {
    /// Takes a component as the next revision of a plugin. Nothing of a refused upload stays.
    pub fn upload_plugin(&self, name: &str, bytes: &[u8], activate: bool) -> Result<Uploaded, StatementError> {
        check_name(name)?;
        let name = &self.name_as_uploaded(name);
        let sha256 = hash(bytes);
        if let Some(known) = self.known_revision(name, &sha256)? {
            if activate && !known.revision.active {
                self.use_revision(name, known.revision.revision)?;
                return self
                    .known_revision(name, &sha256)?
                    .ok_or_else(|| StatementError::internal("the plugin vanished while it was activated"));
            }
            return Ok(known);
        }
        // Compiling may take seconds: other statements go on meanwhile.
        let plugin = self.state.read().expect("no panic while holding the lock").plugins.get(name).cloned();
        self.plugin_store.check(name, plugin.as_ref(), bytes)?;
        let revision = {
            let _order = self.submitting.lock().expect("no panic while holding the lock");
            let name = &self.name_as_uploaded(name);
            if let Some(known) = self.known_revision(name, &sha256)? {
                return Ok(known);
            }
            self.plugin_store.keep(&sha256, bytes, now_ms())?;
            let (revision, first) = {
                let state = self.state.read().expect("no panic while holding the lock");
                let newest = state.plugins.get(name).and_then(|p| p.revisions.last()).map_or(0, |r| r.revision);
                (newest + 1, newest == 0)
            };
            let body = CommandBody::PluginRevision {
                name: name.into(),
                revision,
                sha256: sha256.clone(),
                bytes: bytes.len(),
                activate: first,
            };
            let offset = self
                .statement_log
                .append(&format!("plugin/`{name}`/upload"), &Command::new(body), now_ms())
                .map_err(|e| StatementError::internal(format!("the upload could not be written to the statement log: {e}")))?;
            self.await_applied(offset)?;
            revision
        };
        if activate && revision > 1 {
            self.use_revision(name, revision)?;
        }
        self.retire_revisions(name)?;
        let mut uploaded = self
            .known_revision(name, &sha256)?
            .ok_or_else(|| StatementError::internal("the upload was written but is not there"))?;
        uploaded.created = true;
        Ok(uploaded)
    }

    /// The largest upload that is taken under this name: the plugin's own limit or the server's.
    pub fn upload_bytes_max(&self, name: &str) -> usize {
        let state = self.state.read().expect("no panic while holding the lock");
        let own = state.plugin_named(name).map(|plugin| self.plugin_store.limits_of(plugin).module_bytes);
        own.unwrap_or(self.plugin_store.default_limits().module_bytes)
    }

    /// The plugin's name as it was first uploaded, whatever case it is asked for in.
    fn name_as_uploaded(&self, name: &str) -> String {
        let state = self.state.read().expect("no panic while holding the lock");
        state.plugin_named(name).map_or(name, |plugin| &plugin.name).to_owned()
    }

    fn use_revision(&self, name: &str, revision: i64) -> Result<(), StatementError> {
        let statement = format!("ALTER PLUGIN {} USE REVISION {revision};", calzone_sql::quote_name(name));
        self.execute(&statement, &Session::default()).map(|_| ())
    }

    fn known_revision(&self, name: &str, sha256: &str) -> Result<Option<Uploaded>, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let Some(plugin) = state.plugin_named(name) else { return Ok(None) };
        let Some(revision) = plugin.revisions.iter().find(|r| r.sha256 == sha256).map(|r| r.revision) else { return Ok(None) };
        let summary = self.summarize(&state, plugin)?;
        let revision = summary.revisions.into_iter().find(|r| r.revision == revision);
        Ok(revision.map(|revision| Uploaded { name: plugin.name.clone(), revision, created: false }))
    }

    /// All plugins by name.
    pub fn plugins(&self) -> Result<Vec<PluginSummary>, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        state.plugins.values().map(|p| self.summarize(&state, p)).collect()
    }

    /// One plugin with its revisions.
    pub fn plugin(&self, name: &str) -> Result<PluginSummary, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let plugin = state.plugin_named(name).ok_or_else(|| no_such_plugin(name))?;
        self.summarize(&state, plugin)
    }

    /// A revision's bytes, as they were uploaded.
    pub fn plugin_bytes(&self, name: &str, revision: i64) -> Result<Vec<u8>, StatementError> {
        let sha256 = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugin = state.plugin_named(name).ok_or_else(|| no_such_plugin(name))?;
            let found = plugin.revision(revision).ok_or_else(|| {
                let there: Vec<String> = plugin.revisions.iter().map(|r| r.revision.to_string()).collect();
                StatementError::new(
                    ErrorKind::NotFound,
                    format!("Plugin '{name}' has no revision {revision}; it has: {}.", there.join(", ")),
                )
            })?;
            found.sha256.clone()
        };
        self.plugin_store.bytes(&sha256)
    }

    /// Deletes a plugin that nothing uses.
    pub fn delete_plugin(&self, name: &str) -> Result<(), StatementError> {
        let _order = self.submitting.lock().expect("no panic while holding the lock");
        let name = &self.name_as_uploaded(name);
        {
            let state = self.state.read().expect("no panic while holding the lock");
            if !state.plugins.contains_key(name) {
                return Err(no_such_plugin(name));
            }
            let users = state.users_of_plugin(name);
            if !users.is_empty() {
                let message = format!("Plugin '{name}' is in use by {}; drop them first.", users.join(", "));
                return Err(StatementError::new(ErrorKind::Conflict, message));
            }
        }
        let hashes = self.hashes_of(name, |_| true);
        self.write_command(&format!("plugin/`{name}`/delete"), CommandBody::PluginDeleted { name: name.to_owned() })?;
        self.forget_bytes(hashes);
        Ok(())
    }

    /// Deletes the oldest revisions that nothing uses, beyond those that `calzone.plugin.revisions.kept` says.
    fn retire_revisions(&self, name: &str) -> Result<(), StatementError> {
        let kept = self.options.properties.get("calzone.plugin.revisions.kept").and_then(|v| v.trim().parse().ok()).unwrap_or(0);
        if kept == 0 {
            return Ok(());
        }
        let _order = self.submitting.lock().expect("no panic while holding the lock");
        let unused: Vec<i64> = {
            let state = self.state.read().expect("no panic while holding the lock");
            let Some(plugin) = state.plugins.get(name) else { return Ok(()) };
            let free = |r: &&Revision| r.revision != plugin.active && state.users_of_revision(name, r.revision).is_empty();
            plugin.revisions.iter().filter(free).map(|r| r.revision).collect()
        };
        let revisions = unused[..unused.len().saturating_sub(kept)].to_vec();
        if revisions.is_empty() {
            return Ok(());
        }
        let hashes = self.hashes_of(name, |r| revisions.contains(&r.revision));
        let body = CommandBody::PluginRevisionsRemoved { name: name.to_owned(), revisions };
        self.write_command(&format!("plugin/`{name}`/retire"), body)?;
        self.forget_bytes(hashes);
        Ok(())
    }

    fn write_command(&self, id: &str, body: CommandBody) -> Result<(), StatementError> {
        let offset = self
            .statement_log
            .append(id, &Command::new(body), now_ms())
            .map_err(|e| StatementError::internal(format!("the deletion could not be written to the statement log: {e}")))?;
        self.await_applied(offset)
    }

    fn hashes_of(&self, plugin: &str, wanted: impl Fn(&Revision) -> bool) -> Vec<String> {
        let state = self.state.read().expect("no panic while holding the lock");
        let revisions = state.plugins.get(plugin).map(|p| p.revisions.as_slice()).unwrap_or_default();
        revisions.iter().filter(|r| wanted(r)).map(|r| r.sha256.clone()).collect()
    }

    /// Deletes bytes that no revision of any plugin has any more. What fails is only space that stays in use.
    fn forget_bytes(&self, hashes: Vec<String>) {
        for sha256 in hashes {
            let in_use = {
                let state = self.state.read().expect("no panic while holding the lock");
                state.plugins.values().flat_map(|p| &p.revisions).any(|r| r.sha256 == sha256)
            };
            if in_use {
                continue;
            }
            if let Err(e) = self.plugin_store.forget(&sha256, now_ms()) {
                tracing::warn!(%sha256, error = %e, "bytes of a deleted plugin could not be deleted");
            }
        }
    }

    /// A plugin with what its components say of themselves.
    pub(crate) fn summarize(&self, state: &State, plugin: &Plugin) -> Result<PluginSummary, StatementError> {
        let mut revisions = Vec::with_capacity(plugin.revisions.len());
        let mut active: Option<Arc<Component>> = None;
        for revision in &plugin.revisions {
            let component = self.plugin_store.component(plugin, &revision.sha256)?;
            revisions.push(RevisionSummary {
                revision: revision.revision,
                sha256: revision.sha256.clone(),
                bytes: revision.bytes,
                active: revision.revision == plugin.active,
                used_by: state.users_of_revision(&plugin.name, revision.revision),
                functions: component.description.functions.iter().map(|f| f.name.clone()).collect(),
                stages: component.description.stages.iter().map(|s| s.name.clone()).collect(),
                error_policies: component.description.error_policies.iter().map(|p| p.name.clone()).collect(),
                endpoint: component.description.endpoint.is_some(),
                imports: component.imports.clone(),
            });
            if revision.revision == plugin.active {
                active = Some(component);
            }
        }
        let text = |get: fn(&calzone_sandbox::Description) -> &String| {
            active.as_ref().map(|c| get(&c.description).clone()).unwrap_or_default()
        };
        Ok(PluginSummary {
            name: plugin.name.clone(),
            active: plugin.active,
            author: text(|d| &d.author),
            version: text(|d| &d.version),
            revisions,
            limits: self.limits_shown(plugin),
            used_by: state.users_of_plugin(&plugin.name),
        })
    }
}

impl Engine {
    fn limits_shown(&self, plugin: &Plugin) -> Vec<LimitValue> {
        let limits = self.plugin_store.limits_of(plugin);
        let origin = |name: &str| {
            if plugin.limits.contains_key(name) {
                LimitOrigin::Plugin
            } else if self.options.properties.contains_key(&format!("calzone.plugin.{name}")) {
                LimitOrigin::Server
            } else {
                LimitOrigin::Default
            }
        };
        LIMITS.iter().map(|l| LimitValue { name: l.name, value: (l.get)(&limits), origin: origin(l.name) }).collect()
    }
}

fn no_such_plugin(name: &str) -> StatementError {
    StatementError::new(
        ErrorKind::NotFound,
        format!("There is no plugin '{name}'. SHOW PLUGINS lists those there are; PUT /plugins/{name} uploads one."),
    )
}

fn check_name(name: &str) -> Result<(), StatementError> {
    let good = !name.is_empty()
        && name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if good {
        return Ok(());
    }
    Err(StatementError::bad_request(format!(
        "'{name}' cannot be a plugin's name: use at most {NAME_LENGTH_MAX} letters, digits, '-' and '_', beginning with a letter."
    )))
}
