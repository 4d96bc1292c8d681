//! `ASSERT …`: of topics and schemas, and of values and sources in test scripts.

use super::{create_source, insert, kind_text, property, source_kind, window};
use crate::ast::{InsertValues, Name, Property, SourceKind, Statement, TableElement};
use crate::keywords::{quote_name, quote_resource};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// What follows ASSERT.
pub(super) fn assert(p: &mut Parser) -> Parsing<Statement> {
    let exists = !p.take_all(&["NOT", "EXISTS"]);
    if p.take("TOPIC") {
        let topic = p.resource_name("the topic's name")?;
        let properties = property::with(p)?;
        return Ok(Statement::AssertTopic { exists, topic, properties, timeout_ms: timeout(p)? });
    }
    if p.take("SCHEMA") {
        let subject = if p.take("SUBJECT") { Some(p.resource_name("the subject's name")?) } else { None };
        let id = if p.take("ID") { Some(p.whole_number("the schema's id")?.node as i64) } else { None };
        if subject.is_none() && id.is_none() {
            return Err(p.expected_words(&["SUBJECT", "ID"], "after SCHEMA"));
        }
        return Ok(Statement::AssertSchema { exists, subject, id, timeout_ms: timeout(p)? });
    }
    if !exists {
        return Err(p.expected_words(&["TOPIC", "SCHEMA"], "after ASSERT NOT EXISTS"));
    }
    if p.take("VALUES") {
        return Ok(Statement::AssertValues(row(p, "VALUES")?));
    }
    if p.take_all(&["NULL", "VALUES"]) {
        return Ok(Statement::AssertTombstone(row(p, "KEY")?));
    }
    if !p.is("STREAM") && !p.is("TABLE") {
        let words = ["TOPIC", "SCHEMA", "NOT EXISTS", "VALUES", "NULL VALUES", "STREAM", "TABLE"];
        return Err(p.expected_words(&words, "after ASSERT"));
    }
    let kind = source_kind(p, "after ASSERT")?;
    let name = p.name("the source's name")?;
    let elements = create_source::elements(p)?;
    Ok(Statement::AssertSource { kind, name, elements, properties: property::with(p)? })
}

fn row(p: &mut Parser, word: &str) -> Parsing<InsertValues> {
    let name = p.name("the source's name")?;
    let columns = insert::columns(p)?;
    p.expect(word, "before the expected values")?;
    Ok(InsertValues { name, columns, values: insert::values(p)? })
}

fn timeout(p: &mut Parser) -> Parsing<Option<u64>> {
    if p.is("TIMEOUT") && matches!(p.peek_at(1), TokenKind::Number(_) | TokenKind::Symbol(Symbol::Minus)) {
        p.advance();
        return Ok(Some(p.duration("TIMEOUT")? as u64));
    }
    Ok(None)
}

pub(super) fn format_topic(out: &mut String, exists: bool, topic: &Name, properties: &[Property], timeout_ms: Option<u64>) {
    out.push_str(&format!("ASSERT {}TOPIC {}", not_exists(exists), quote_resource(&topic.node)));
    property::format_with(out, properties);
    format_timeout(out, timeout_ms);
}

pub(super) fn format_schema(out: &mut String, exists: bool, subject: Option<&Name>, id: Option<i64>, timeout_ms: Option<u64>) {
    out.push_str(&format!("ASSERT {}SCHEMA", not_exists(exists)));
    if let Some(subject) = subject {
        out.push_str(&format!(" SUBJECT {}", quote_resource(&subject.node)));
    }
    if let Some(id) = id {
        out.push_str(&format!(" ID {id}"));
    }
    format_timeout(out, timeout_ms);
}

fn not_exists(exists: bool) -> &'static str {
    if exists { "" } else { "NOT EXISTS " }
}

fn format_timeout(out: &mut String, timeout_ms: Option<u64>) {
    if let Some(ms) = timeout_ms {
        out.push_str(&format!(" TIMEOUT {}", window::duration_text(ms as i64)));
    }
}

pub(super) fn format_values(out: &mut String, values: &InsertValues) {
    out.push_str("ASSERT VALUES ");
    insert::format_row(out, values, "VALUES");
}

pub(super) fn format_tombstone(out: &mut String, values: &InsertValues) {
    out.push_str("ASSERT NULL VALUES ");
    insert::format_row(out, values, "KEY");
}

pub(super) fn format_source(out: &mut String, kind: SourceKind, name: &Name, elements: &[TableElement], properties: &[Property]) {
    out.push_str(&format!("ASSERT {} {}", kind_text(kind), quote_name(&name.node)));
    create_source::format_elements(out, elements);
    property::format_with(out, properties);
}
