//! `SHOW …`, also written `LIST …`.

use super::locks;
use crate::ast::{ConnectorKind, Show, SourceKind, Statement};
use crate::parser::{Parser, Parsing};

/// What follows SHOW.
pub(super) fn show(p: &mut Parser) -> Parsing<Statement> {
    if p.take("LOCKS") {
        return locks::show(p);
    }
    Ok(Statement::Show(what(p)?))
}

fn what(p: &mut Parser) -> Parsing<Show> {
    for (word, show) in [
        ("FUNCTIONS", Show::Functions),
        ("PROPERTIES", Show::Properties),
        ("TYPES", Show::Types),
        ("VARIABLES", Show::Variables),
        ("CONNECTORS", Show::Connectors { kind: None }),
        ("PLUGINS", Show::Plugins),
        ("STAGES", Show::Stages),
        ("ENDPOINTS", Show::Endpoints),
    ] {
        if p.take(word) {
            return Ok(show);
        }
    }
    if p.take("STREAMS") {
        return Ok(Show::Streams { extended: p.take("EXTENDED") });
    }
    if p.take("TABLES") {
        return Ok(Show::Tables { extended: p.take("EXTENDED") });
    }
    if p.take("QUERIES") {
        return Ok(Show::Queries { extended: p.take("EXTENDED") });
    }
    if p.take_all(&["ALL", "TOPICS"]) {
        return Ok(Show::Topics { all: true, extended: p.take("EXTENDED") });
    }
    if p.take("TOPICS") {
        // `TOPICS ALL` is not ksqlDB's order of words, but often written.
        let all = p.take("ALL");
        return Ok(Show::Topics { all, extended: p.take("EXTENDED") });
    }
    if p.take_all(&["SOURCE", "CONNECTORS"]) {
        return Ok(Show::Connectors { kind: Some(ConnectorKind::Source) });
    }
    if p.take_all(&["SINK", "CONNECTORS"]) {
        return Ok(Show::Connectors { kind: Some(ConnectorKind::Sink) });
    }
    if p.take_all(&["CONNECTOR", "PLUGINS"]) {
        return Ok(Show::ConnectorPlugins);
    }
    if p.take_all(&["ERROR", "POLICIES"]) {
        return Ok(Show::ErrorPolicies);
    }
    let words = [
        "STREAMS",
        "TABLES",
        "TOPICS",
        "ALL TOPICS",
        "QUERIES",
        "FUNCTIONS",
        "PROPERTIES",
        "TYPES",
        "VARIABLES",
        "CONNECTORS",
        "CONNECTOR PLUGINS",
        "PLUGINS",
        "STAGES",
        "ERROR POLICIES",
        "ENDPOINTS",
        "LOCKS",
    ];
    Err(p.expected_words(&words, "after SHOW"))
}

pub(super) fn format(out: &mut String, show: &Show) {
    let (text, is_extended) = match show {
        Show::Streams { extended } => ("SHOW STREAMS", *extended),
        Show::Tables { extended } => ("SHOW TABLES", *extended),
        Show::DescribeSources { kind: SourceKind::Stream, extended } => ("DESCRIBE STREAMS", *extended),
        Show::DescribeSources { kind: SourceKind::Table, extended } => ("DESCRIBE TABLES", *extended),
        Show::Topics { all: false, extended } => ("SHOW TOPICS", *extended),
        Show::Topics { all: true, extended } => ("SHOW ALL TOPICS", *extended),
        Show::Queries { extended } => ("SHOW QUERIES", *extended),
        Show::Functions => ("SHOW FUNCTIONS", false),
        Show::Properties => ("SHOW PROPERTIES", false),
        Show::Types => ("SHOW TYPES", false),
        Show::Variables => ("SHOW VARIABLES", false),
        Show::Connectors { kind: None } => ("SHOW CONNECTORS", false),
        Show::Connectors { kind: Some(ConnectorKind::Source) } => ("SHOW SOURCE CONNECTORS", false),
        Show::Connectors { kind: Some(ConnectorKind::Sink) } => ("SHOW SINK CONNECTORS", false),
        Show::ConnectorPlugins => ("SHOW CONNECTOR PLUGINS", false),
        Show::Plugins => ("SHOW PLUGINS", false),
        Show::Stages => ("SHOW STAGES", false),
        Show::ErrorPolicies => ("SHOW ERROR POLICIES", false),
        Show::Endpoints => ("SHOW ENDPOINTS", false),
    };
    out.push_str(text);
    if is_extended {
        out.push_str(" EXTENDED");
    }
}
