//! `DROP …` of everything that can be created.

use super::kind_text;
use crate::ast::{DropSource, Name, SourceKind, Statement};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};

/// What follows DROP.
pub(super) fn drop(p: &mut Parser) -> Parsing<Statement> {
    for (word, kind) in [("STREAM", SourceKind::Stream), ("TABLE", SourceKind::Table)] {
        if p.take(word) {
            let if_exists = p.if_exists();
            let name = p.name("the name of what to drop")?;
            let delete_topic = p.take("DELETE");
            if delete_topic {
                p.expect("TOPIC", "after DELETE")?;
            }
            return Ok(Statement::DropSource(DropSource { kind, if_exists, name, delete_topic }));
        }
    }
    let build: fn(bool, Name) -> Statement = if p.take("TYPE") {
        |if_exists, name| Statement::DropType { if_exists, name }
    } else if p.take("CONNECTOR") {
        |if_exists, name| Statement::DropConnector { if_exists, name }
    } else if p.take("FUNCTION") {
        |if_exists, name| Statement::DropFunction { if_exists, name }
    } else if p.take("STAGE") {
        |if_exists, name| Statement::DropStage { if_exists, name }
    } else if p.take_all(&["ERROR", "POLICY"]) {
        |if_exists, name| Statement::DropErrorPolicy { if_exists, name }
    } else if p.take("ENDPOINT") {
        |if_exists, name| Statement::DropEndpoint { if_exists, name }
    } else {
        let words = ["STREAM", "TABLE", "TYPE", "CONNECTOR", "FUNCTION", "STAGE", "ERROR POLICY", "ENDPOINT"];
        return Err(p.expected_words(&words, "after DROP"));
    };
    let if_exists = p.if_exists();
    Ok(build(if_exists, p.name("the name of what to drop")?))
}

pub(super) fn format_source(out: &mut String, source: &DropSource) {
    format_named(out, kind_text(source.kind), source.if_exists, &source.name);
    if source.delete_topic {
        out.push_str(" DELETE TOPIC");
    }
}

pub(super) fn format_named(out: &mut String, what: &str, if_exists: bool, name: &Name) {
    let condition = if if_exists { "IF EXISTS " } else { "" };
    // `DROP TYPE IF;` would read on for EXISTS only when that follows, so that the name needs no quotes.
    out.push_str(&format!("DROP {what} {condition}{}", quote_name(&name.node)));
}
