//! `CREATE STREAM | TABLE`, with columns or `AS` a query.

use super::{format_create, kind_text, property, query, source_kind};
use crate::ast::{CreateSource, CreateSourceAs, ElementRole, SourceKind, Statement, TableElement};
use crate::expression::literal::separated;
use crate::keywords::{quote_name, quote_text};
use crate::parser::{Parser, Parsing};
use crate::token::Symbol;
use crate::types::{format_type, type_name};

/// What follows `CREATE [OR REPLACE]`.
pub(super) fn create(p: &mut Parser, or_replace: bool) -> Parsing<Statement> {
    let is_source = p.take("SOURCE");
    let kind = kind(p, is_source)?;
    let if_not_exists = p.if_not_exists()?;
    let name = p.name(match kind {
        SourceKind::Stream => "the stream's name",
        SourceKind::Table => "the table's name",
    })?;
    let elements = elements(p)?;
    let properties = property::with(p)?;
    if !p.is("AS") {
        if elements.is_empty() && properties.is_empty() {
            return Err(p.expected("'(' and columns, WITH, or AS and a query"));
        }
        let create = CreateSource { kind, or_replace, is_source, if_not_exists, name, elements, properties };
        return Ok(Statement::CreateSource(create));
    }
    if is_source {
        return Err(p.fault_here("a SOURCE stream or table reads a topic: it has columns, not a query".into()));
    }
    if !elements.is_empty() {
        return Err(p.fault_here("columns and AS exclude each other: the query says what the columns are".into()));
    }
    p.advance();
    let query = Box::new(query::query(p)?);
    Ok(Statement::CreateSourceAs(CreateSourceAs { kind, or_replace, if_not_exists, name, properties, query }))
}

fn kind(p: &mut Parser, is_source: bool) -> Parsing<SourceKind> {
    if p.is("STREAM") || p.is("TABLE") {
        return source_kind(p, "");
    }
    if is_source {
        return Err(p.expected_words(&["STREAM", "TABLE", "CONNECTOR"], "after CREATE SOURCE"));
    }
    let words = ["STREAM", "TABLE", "SOURCE", "SINK", "TYPE", "OR REPLACE", "FUNCTION", "STAGE", "ERROR POLICY", "ENDPOINT"];
    Err(p.expected_words(&words, "after CREATE"))
}

/// `(name type [KEY | PRIMARY KEY | HEADERS | HEADER('k')], …)` if it is next.
pub(super) fn elements(p: &mut Parser) -> Parsing<Vec<TableElement>> {
    if !p.is_symbol(Symbol::OpenParen) {
        return Ok(Vec::new());
    }
    p.parenthesised("the columns", |p| {
        let name = p.name("a column's name")?;
        let ty = type_name(p)?;
        Ok(TableElement { name, ty, role: role(p)? })
    })
}

fn role(p: &mut Parser) -> Parsing<ElementRole> {
    if p.take("KEY") {
        return Ok(ElementRole::Key);
    }
    if p.take("PRIMARY") {
        p.expect("KEY", "after PRIMARY")?;
        return Ok(ElementRole::PrimaryKey);
    }
    if p.take("HEADERS") {
        return Ok(ElementRole::Headers);
    }
    if p.take("HEADER") {
        p.expect_symbol(Symbol::OpenParen, "'(' after HEADER")?;
        let key = p.text_literal("the header's name")?.node;
        p.expect_symbol(Symbol::CloseParen, "')' after the header's name")?;
        return Ok(ElementRole::Header(key));
    }
    Ok(ElementRole::Value)
}

pub(super) fn format(out: &mut String, create: &CreateSource) {
    let kind = kind_text(create.kind);
    let what = if create.is_source { format!("SOURCE {kind}") } else { kind.to_owned() };
    format_create(out, create.or_replace, &what, create.if_not_exists);
    out.push_str(&quote_name(&create.name.node));
    format_elements(out, &create.elements);
    property::format_with(out, &create.properties);
}

pub(super) fn format_elements(out: &mut String, elements: &[TableElement]) {
    if elements.is_empty() {
        return;
    }
    out.push_str(" (");
    separated(out, elements, |out, element| {
        out.push_str(&quote_name(&element.name.node));
        out.push(' ');
        format_type(out, &element.ty);
        match &element.role {
            ElementRole::Value => {}
            ElementRole::Key => out.push_str(" KEY"),
            ElementRole::PrimaryKey => out.push_str(" PRIMARY KEY"),
            ElementRole::Headers => out.push_str(" HEADERS"),
            ElementRole::Header(key) => out.push_str(&format!(" HEADER({})", quote_text(key))),
        }
    });
    out.push(')');
}

pub(super) fn format_as(out: &mut String, create: &CreateSourceAs) {
    format_create(out, create.or_replace, kind_text(create.kind), create.if_not_exists);
    out.push_str(&quote_name(&create.name.node));
    property::format_with(out, &create.properties);
    out.push_str(" AS ");
    query::format(out, &create.query);
}
