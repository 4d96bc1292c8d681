//! `DESCRIBE` of sources, functions, connectors, stages, endpoints, plugins and error policies.

use crate::ast::{Name, Show, SourceKind, Statement};
use crate::keywords::{in_backticks, quote_name, quote_resource};
use crate::parser::{Parser, Parsing};

/// Words that DESCRIBE reads as more than a source's name when another word follows.
const KINDS: &[&str] = &["FUNCTION", "STAGE", "ENDPOINT", "PLUGIN", "ERROR", "TABLES"];

/// What follows DESCRIBE.
pub(super) fn describe(p: &mut Parser) -> Parsing<Statement> {
    for (word, kind) in [("STREAMS", SourceKind::Stream), ("TABLES", SourceKind::Table)] {
        if p.take(word) {
            return Ok(Statement::Show(Show::DescribeSources { kind, extended: p.take("EXTENDED") }));
        }
    }
    // Each of these words may also be the name of a source.
    let followed = !p.is_at(1, "EXTENDED") && !p.is_symbol_at(1, crate::token::Symbol::Semicolon);
    if followed && p.take("FUNCTION") {
        return Ok(Statement::DescribeFunction { name: p.name("the function's name")? });
    }
    if p.take("CONNECTOR") {
        return Ok(Statement::DescribeConnector { name: p.name("the connector's name")? });
    }
    if followed && p.take("STAGE") {
        return Ok(Statement::DescribeStage { name: p.name("the stage's name")? });
    }
    if followed && p.take("ENDPOINT") {
        return Ok(Statement::DescribeEndpoint { name: p.name("the endpoint's name")? });
    }
    if followed && p.take("PLUGIN") {
        return Ok(Statement::DescribePlugin { name: p.resource_name("the plugin's name")? });
    }
    if p.take_all(&["ERROR", "POLICY"]) {
        return Ok(Statement::DescribeErrorPolicy { name: p.name("the error policy's name")? });
    }
    let name = p.name("the name of a stream or table")?;
    Ok(Statement::DescribeSource { name, extended: p.take("EXTENDED") })
}

pub(super) fn format_source(out: &mut String, name: &Name, extended: bool) {
    let text = if KINDS.contains(&name.node.as_str()) { in_backticks(&name.node) } else { quote_name(&name.node) };
    out.push_str(&format!("DESCRIBE {text}{}", if extended { " EXTENDED" } else { "" }));
}

pub(super) fn format(out: &mut String, what: &str, name: &Name) {
    out.push_str(&format!("DESCRIBE {what} {}", quote_name(&name.node)));
}

pub(super) fn format_plugin(out: &mut String, name: &Name) {
    out.push_str(&format!("DESCRIBE PLUGIN {}", quote_resource(&name.node)));
}
