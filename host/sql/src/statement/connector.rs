//! `CREATE SOURCE | SINK CONNECTOR`.

use super::{format_create, property};
use crate::ast::{ConnectorKind, Name, Property, Statement};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};

/// What follows CREATE.
pub(super) fn create(p: &mut Parser) -> Parsing<Statement> {
    let kind = if p.take("SOURCE") { ConnectorKind::Source } else { ConnectorKind::Sink };
    if kind == ConnectorKind::Sink {
        p.expect("SINK", "after CREATE")?;
    }
    p.expect("CONNECTOR", "after CREATE SOURCE")?;
    let if_not_exists = p.if_not_exists()?;
    let name = p.name("the connector's name")?;
    if !p.is("WITH") {
        return Err(p.expected_words(&["WITH"], "and the connector's properties"));
    }
    Ok(Statement::CreateConnector { kind, if_not_exists, name, properties: property::with(p)? })
}

pub(super) fn format(out: &mut String, kind: ConnectorKind, if_not_exists: bool, name: &Name, properties: &[Property]) {
    let what = match kind {
        ConnectorKind::Source => "SOURCE CONNECTOR",
        ConnectorKind::Sink => "SINK CONNECTOR",
    };
    format_create(out, false, what, if_not_exists);
    out.push_str(&quote_name(&name.node));
    property::format_with(out, properties);
}
