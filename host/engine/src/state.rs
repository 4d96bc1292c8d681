//! What the statement log adds up to: the catalog, queries, stages, functions and plugins of this cluster.
//!
//! Only applying a command changes it, and applying the same commands gives the same state on every server.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_plan::plan::PluginUse;
use calzone_plan::{Catalog, QueryPlan};
use calzone_sandbox::{Component, Grants, Place};
use calzone_sql::ast;

use crate::StatementError;
use crate::answer::{CommandStatus, QueryState};
use crate::plugins::{Plugin, PluginStore, Plugins};
use crate::query::{Bindings, PluginBinding, RunnerHandle};

/// The replicated state, and this server's runners of its queries.
#[derive(Default)]
pub struct State {
    pub catalog: Arc<Catalog>,
    /// By query id.
    pub queries: BTreeMap<String, PersistentQuery>,
    pub stages: BTreeMap<String, StageEntry>,
    pub functions: BTreeMap<String, FunctionEntry>,
    pub endpoints: BTreeMap<String, EndpointEntry>,
    pub plugins: Plugins,
    /// By command id, the last outcome.
    pub statuses: BTreeMap<String, CommandStatus>,
    /// When a revision was put in force, as an offset of the statement log: for a plugin (true), a function or stage (false).
    pub put_in_force: BTreeMap<(bool, String), i64>,
    /// Offset after the last applied command.
    pub next_offset: i64,
}

/// A persistent query, running or about to.
#[derive(Clone)]
pub struct PersistentQuery {
    pub id: String,
    pub statement: String,
    pub plan: Arc<QueryPlan>,
    pub sinks: Vec<String>,
    pub sink_topics: Vec<String>,
    /// The settings it was created with, session overrides among them.
    pub properties: BTreeMap<String, String>,
    pub overrides: BTreeMap<String, String>,
    pub paused: bool,
    /// Input topics, internal ones among them, once known.
    pub internal_topics: Vec<String>,
    pub runner: Option<Arc<RunnerHandle>>,
}

impl PersistentQuery {
    pub fn state(&self) -> QueryState {
        match &self.runner {
            Some(runner) => runner.state(),
            None if self.paused => QueryState::Paused,
            None => QueryState::Error,
        }
    }

    /// Why the server paused it by itself.
    pub fn paused_because(&self) -> Option<String> {
        self.runner.as_ref().and_then(|runner| runner.breaker.reason())
    }
}

/// A function made by CREATE FUNCTION.
#[derive(Clone, Debug)]
pub struct FunctionEntry {
    pub name: String,
    pub plugin: String,
    pub item: String,
    /// Set by `ALTER FUNCTION … USE REVISION`; without it the plugin's active revision is followed.
    pub pinned: Option<i64>,
    pub grants: Vec<ast::Grant>,
}

/// A stage made by CREATE STAGE.
#[derive(Clone, Debug)]
pub struct StageEntry {
    pub name: String,
    pub query_id: String,
    pub from: String,
    pub into: Vec<String>,
    pub plugin: String,
    pub item: String,
    pub config: Vec<(String, String)>,
    pub grants: Vec<ast::Grant>,
    pub pinned: Option<i64>,
}

/// An endpoint made by CREATE ENDPOINT.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointEntry {
    pub name: String,
    /// `/shop`
    pub path: String,
    pub plugin: String,
    pub config: Vec<(String, String)>,
    pub grants: Vec<ast::Grant>,
    /// `http://127.0.0.1:8094`
    pub listener: Option<String>,
    /// Set by `ALTER ENDPOINT … USE REVISION`; without it the plugin's active revision is followed.
    pub pinned: Option<i64>,
}

impl EndpointEntry {
    /// May it write or ask this source?
    pub fn is_granted(&self, source: &str) -> bool {
        self.grants.iter().any(|g| match &g.kind {
            ast::GrantKind::InsertOn(_, name) | ast::GrantKind::QueryOn(_, name) => name.node == source,
            _ => false,
        })
    }
}

impl State {
    /// The same state without runners and outcomes, to try statements on.
    pub fn copy_for_rehearsal(&self) -> State {
        let queries = self.queries.iter().map(|(id, query)| (id.clone(), PersistentQuery { runner: None, ..query.clone() }));
        State {
            catalog: self.catalog.clone(),
            queries: queries.collect(),
            stages: self.stages.clone(),
            functions: self.functions.clone(),
            endpoints: self.endpoints.clone(),
            plugins: self.plugins.clone(),
            statuses: BTreeMap::new(),
            put_in_force: self.put_in_force.clone(),
            next_offset: self.next_offset,
        }
    }

    /// The query of that id, or of the stage of that name.
    pub fn find_query(&self, name: &str) -> Option<&PersistentQuery> {
        let of_stage = self.stages.get(name).and_then(|stage| self.queries.get(&stage.query_id));
        of_stage.or_else(|| self.queries.values().find(|query| query.id.eq_ignore_ascii_case(name)))
    }

    /// The revision that a function, stage or error policy is to use.
    pub fn revision_of(&self, used: &PluginUse) -> Option<i64> {
        let pinned = match (self.stages.get(&*used.name), self.functions.get(&*used.name)) {
            (Some(stage), _) if *stage.plugin == *used.plugin => stage.pinned,
            (_, Some(function)) if *function.plugin == *used.plugin => function.pinned,
            _ => None,
        };
        pinned.or_else(|| self.plugins.get(&*used.plugin).map(|p| p.active))
    }

    /// The place in the statement log of what put the revision of a function or stage in force; 0 for the first.
    fn revision_since(&self, used: &PluginUse) -> i64 {
        let own = match (self.stages.get(&*used.name), self.functions.get(&*used.name)) {
            (Some(stage), _) if *stage.plugin == *used.plugin => stage.pinned,
            (_, Some(function)) if *function.plugin == *used.plugin => function.pinned,
            _ => None,
        };
        let key = if own.is_some() { (false, used.name.to_string()) } else { (true, used.plugin.to_string()) };
        self.put_in_force.get(&key).copied().unwrap_or(0)
    }

    /// The revision of a function or stage, and its code.
    pub fn component(&self, used: &PluginUse, store: &PluginStore) -> Result<(i64, Arc<Component>), StatementError> {
        let missing = || StatementError::internal(format!("plugin `{}`, which `{}` uses, is not there", used.plugin, used.name));
        let revision = self.revision_of(used).ok_or_else(missing)?;
        let plugin = self.plugins.get(&*used.plugin).ok_or_else(missing)?;
        let sha256 = &plugin.revision(revision).ok_or_else(missing)?.sha256;
        Ok((revision, store.component(plugin, sha256)?))
    }

    /// The code that functions and stages of plugins mean at this point of the statement log.
    pub fn bindings(&self, uses: &[PluginUse], store: &PluginStore) -> Result<Bindings, StatementError> {
        let mut bindings = Bindings::new();
        for used in uses {
            let (revision, component) = self.component(used, store)?;
            let grants = match (self.stages.get(&*used.name), self.functions.get(&*used.name)) {
                (Some(stage), _) => grants_of(&stage.grants),
                (None, Some(function)) => grants_of(&function.grants),
                (None, None) => Ok(Grants::default()),
            };
            let grants = grants.map_err(StatementError::internal)?;
            let since = self.revision_since(used);
            bindings.insert(used.clone(), PluginBinding { revision, since, guest: component, grants });
        }
        Ok(bindings)
    }

    /// The plugin of that name. Case does not count, wherever the name stands: two plugins whose names differ in nothing else
    /// could not be told apart in statements.
    pub fn plugin_named(&self, name: &str) -> Option<&Plugin> {
        self.plugins.get(name).or_else(|| self.plugins.values().find(|p| p.name.eq_ignore_ascii_case(name)))
    }

    /// The revision that an endpoint is to use; 0 if its plugin is not there.
    pub fn endpoint_revision(&self, endpoint: &EndpointEntry) -> i64 {
        endpoint.pinned.or_else(|| self.plugins.get(&endpoint.plugin).map(|p| p.active)).unwrap_or(0)
    }

    /// Functions, stages, endpoints and error policies that use this revision now.
    pub fn users_of_revision(&self, plugin: &str, revision: i64) -> Vec<String> {
        let active = self.plugins.get(plugin).map(|p| p.active);
        let uses = |of: &str, pinned: Option<i64>| of == plugin && pinned.or(active) == Some(revision);
        let functions = self.functions.values().filter(|f| uses(&f.plugin, f.pinned)).map(|f| format!("function {}", f.name));
        let stages = self.stages.values().filter(|s| uses(&s.plugin, s.pinned)).map(|s| format!("stage {}", s.name));
        let endpoints = self.endpoints.values().filter(|e| uses(&e.plugin, e.pinned)).map(|e| format!("endpoint {}", e.name));
        let policies = self.catalog.error_policies.values();
        let policies =
            policies.filter(|p| p.plugin().is_some_and(|of| uses(of, None))).map(|p| format!("error policy {}", p.name));
        functions.chain(stages).chain(endpoints).chain(policies).collect()
    }

    /// Names of functions, stages, endpoints, error policies and queries that use a plugin.
    pub fn users_of_plugin(&self, plugin: &str) -> Vec<String> {
        let functions = self.functions.values().filter(|f| f.plugin == plugin).map(|f| format!("function {}", f.name));
        let stages = self.stages.values().filter(|s| s.plugin == plugin).map(|s| format!("stage {}", s.name));
        let endpoints = self.endpoints.values().filter(|e| e.plugin == plugin).map(|e| format!("endpoint {}", e.name));
        let queries = self
            .queries
            .values()
            .filter(|q| q.plan.plugins.iter().any(|u| &*u.plugin == plugin) && !self.stages.values().any(|s| s.query_id == q.id))
            .map(|q| format!("query {}", q.id));
        let policies = self.catalog.error_policies.values();
        let policies = policies.filter(|p| p.plugin() == Some(plugin)).map(|p| format!("error policy {}", p.name));
        functions.chain(stages).chain(endpoints).chain(policies).chain(queries).collect()
    }
}

/// What a GRANT clause allows a guest of a stage or function. The error says what is wrong with a place.
pub fn grants_of(grants: &[ast::Grant]) -> Result<Grants, String> {
    let mut allowed = Grants::default();
    for grant in grants {
        match &grant.kind {
            ast::GrantKind::Random => allowed.random = true,
            ast::GrantKind::Clock => allowed.clock = true,
            ast::GrantKind::Log => allowed.log = true,
            ast::GrantKind::KeyValue => allowed.key_value = true,
            ast::GrantKind::HttpTo(place) => allowed.http.push(Place::parse(place)?),
            // Of endpoints; the planner refuses them elsewhere.
            ast::GrantKind::InsertOn(..) | ast::GrantKind::QueryOn(..) => {}
        }
    }
    Ok(allowed)
}
