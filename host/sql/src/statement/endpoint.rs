//! `CREATE ENDPOINT` and `ALTER ENDPOINT`: a plugin that answers HTTP.

use super::{format_create, plugin, property, stage};
use crate::ast::{CreateEndpoint, EndpointChange, Name, Statement};
use crate::keywords::{quote_name, quote_text};
use crate::parser::{Parser, Parsing};

/// What follows `CREATE [OR REPLACE] ENDPOINT`. The clauses behind the plugin may come in any order, once each.
pub(super) fn create(p: &mut Parser, or_replace: bool) -> Parsing<Statement> {
    let if_not_exists = p.if_not_exists()?;
    let name = p.name("the endpoint's name")?;
    p.expect("ON", "and the endpoint's path")?;
    let path = p.text_literal("the endpoint's path")?.node;
    let plugin = plugin::using_plugin(p)?;
    let mut config = Vec::new();
    let mut grants = Vec::new();
    let mut listener = None;
    loop {
        if config.is_empty() && p.take("CONFIG") {
            config = property::settings(p, "the endpoint's settings")?;
        } else if grants.is_empty() && p.take("GRANT") {
            grants = stage::grants(p)?;
        } else if listener.is_none() && p.take("LISTENER") {
            listener = Some(p.text_literal("the address to listen on")?.node);
        } else if p.at_end() {
            break;
        } else {
            return Err(p.expected_words(&["CONFIG", "GRANT", "LISTENER", "the end of the statement"], ""));
        }
    }
    let create = CreateEndpoint { or_replace, if_not_exists, name, path, plugin, config, grants, listener };
    Ok(Statement::CreateEndpoint(create))
}

pub(super) fn format(out: &mut String, create: &CreateEndpoint) {
    format_create(out, create.or_replace, "ENDPOINT", create.if_not_exists);
    out.push_str(&format!(
        "{} ON {} USING PLUGIN {}",
        quote_name(&create.name.node),
        quote_text(&create.path),
        quote_text(&create.plugin.node)
    ));
    if !create.config.is_empty() {
        out.push_str(" CONFIG ");
        property::format_settings(out, &create.config);
    }
    stage::format_grants(out, "GRANT", &create.grants);
    if let Some(listener) = &create.listener {
        out.push_str(&format!(" LISTENER {}", quote_text(listener)));
    }
}

/// What follows `ALTER ENDPOINT`.
pub(super) fn alter(p: &mut Parser) -> Parsing<Statement> {
    let name = p.name("the endpoint's name")?;
    let change = if p.take("USE") {
        p.expect("REVISION", "after USE")?;
        EndpointChange::Revision(plugin::revision(p)?)
    } else if p.take("GRANT") {
        EndpointChange::Grants { revoke: false, grants: stage::grants(p)? }
    } else if p.take("REVOKE") {
        EndpointChange::Grants { revoke: true, grants: stage::grants(p)? }
    } else if p.is("USING") || p.is("CONFIG") {
        let plugin = if p.is("USING") { Some(plugin::using_plugin(p)?) } else { None };
        let config = if p.take("CONFIG") { Some(property::settings(p, "the endpoint's settings")?) } else { None };
        EndpointChange::Code { plugin, config }
    } else {
        return Err(p.expected_words(&["USE REVISION", "USING PLUGIN", "CONFIG", "GRANT", "REVOKE"], "after the name"));
    };
    Ok(Statement::AlterEndpoint { name, change })
}

pub(super) fn format_alter(out: &mut String, name: &Name, change: &EndpointChange) {
    out.push_str(&format!("ALTER ENDPOINT {}", quote_name(&name.node)));
    match change {
        EndpointChange::Revision(revision) => out.push_str(&format!(" USE REVISION {revision}")),
        EndpointChange::Grants { revoke, grants } => {
            stage::format_grants(out, if *revoke { "REVOKE" } else { "GRANT" }, grants);
        }
        EndpointChange::Code { plugin, config } => {
            if let Some(plugin) = plugin {
                out.push_str(&format!(" USING PLUGIN {}", quote_text(&plugin.node)));
            }
            if let Some(config) = config {
                out.push_str(" CONFIG ");
                property::format_settings(out, config);
            }
        }
    }
}
