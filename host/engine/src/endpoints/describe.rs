//! SHOW ENDPOINTS and DESCRIBE ENDPOINT.

use calzone_sql::ast::Name;

use super::{Endpoint, EndpointTable, PATH_PREFIX};
use crate::StatementError;
use crate::answer::{Answer, AnswerKind, EndpointDescription, EndpointSummary};
use crate::describe::grant_text;
use crate::engine::Engine;
use crate::state::{EndpointEntry, State};

impl Engine {
    pub(crate) fn endpoint_summaries(&self, state: &State) -> Vec<EndpointSummary> {
        let table = self.endpoints.table();
        state.endpoints.values().map(|entry| summary(state, entry, &table)).collect()
    }

    pub(crate) fn describe_endpoint(&self, name: &Name, text: &str) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let entry = state.endpoints.get(&name.node).ok_or_else(|| crate::apply::no_such_endpoint(&name.node, text))?;
        let table = self.endpoints.table();
        let described = state
            .plugins
            .get(&entry.plugin)
            .and_then(|p| Some((p, p.revision(state.endpoint_revision(entry))?)))
            .and_then(|(plugin, r)| self.plugin_store.component(plugin, &r.sha256).ok())
            .and_then(|component| component.description.endpoint.clone())
            .unwrap_or_default();
        let description = EndpointDescription {
            summary: summary(&state, entry, &table),
            description: described.doc,
            config: entry.config.clone(),
            grants: entry.grants.iter().map(|g| grant_text(&g.kind)).collect(),
            routes: described.routes.into_iter().map(|r| (r.method, r.path, r.doc)).collect(),
            metrics: table.get(&entry.name).map(|e| e.metrics()).unwrap_or_default(),
        };
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Endpoint(Box::new(description)), warnings: Vec::new() })
    }
}

fn summary(state: &State, entry: &EndpointEntry, table: &EndpointTable) -> EndpointSummary {
    let is_open = |address: &String| table.listeners().iter().any(|l| l.address == *address);
    let error = match table.get(&entry.name).map(|e| Endpoint::state(e)) {
        Some(Err(why)) => Some(why.to_owned()),
        None => Some("it was not started yet".to_owned()),
        Some(Ok(())) => {
            let closed = entry.listener.as_ref().filter(|l| !is_open(l));
            closed.map(|l| format!("cannot listen at {l}, perhaps because something else does; it is tried again"))
        }
    };
    EndpointSummary {
        name: entry.name.clone(),
        path: format!("{PATH_PREFIX}{}", entry.path),
        listener: entry.listener.clone(),
        plugin: entry.plugin.clone(),
        revision: state.endpoint_revision(entry),
        error,
    }
}
