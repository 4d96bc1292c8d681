//! `INSERT INTO … SELECT` and `INSERT INTO … VALUES`.

use super::{property, query};
use crate::ast::{InsertInto, InsertValues, Name, Statement};
use crate::expression::literal::separated;
use crate::expression::{text, value_expression};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};
use crate::token::Symbol;

/// What follows INSERT.
pub(super) fn insert(p: &mut Parser) -> Parsing<Statement> {
    p.expect("INTO", "after INSERT")?;
    let name = p.name("the stream or table to insert into")?;
    if p.is("WITH") || p.is("SELECT") {
        let properties = property::with(p)?;
        if !p.is("SELECT") {
            return Err(p.expected_words(&["SELECT"], "after the properties"));
        }
        let query = Box::new(query::query(p)?);
        return Ok(Statement::InsertInto(InsertInto { name, properties, query }));
    }
    let columns = columns(p)?;
    if !p.take("VALUES") {
        let words: &[&str] = if columns.is_empty() { &["VALUES", "SELECT", "WITH"] } else { &["VALUES"] };
        return Err(p.expected_words(words, if columns.is_empty() { "after the name" } else { "after the columns" }));
    }
    let values = values(p)?;
    if p.is_symbol(Symbol::Comma) {
        return Err(p.fault_here("INSERT VALUES takes one row: write a statement for each".into()));
    }
    Ok(Statement::InsertValues(InsertValues { name, columns, values }))
}

/// `(a, b)` if it is next.
pub(super) fn columns(p: &mut Parser) -> Parsing<Vec<Name>> {
    if !p.is_symbol(Symbol::OpenParen) {
        return Ok(Vec::new());
    }
    p.parenthesised("the columns", |p| p.name("a column's name"))
}

/// `(1, 'x')`, perhaps empty.
pub(super) fn values(p: &mut Parser) -> Parsing<Vec<crate::ast::Expr>> {
    if p.is_symbol(Symbol::OpenParen) && p.is_symbol_at(1, Symbol::CloseParen) {
        p.advance();
        p.advance();
        return Ok(Vec::new());
    }
    p.parenthesised("the values", value_expression)
}

pub(super) fn format_into(out: &mut String, insert: &InsertInto) {
    out.push_str("INSERT INTO ");
    out.push_str(&quote_name(&insert.name.node));
    property::format_with(out, &insert.properties);
    out.push(' ');
    query::format(out, &insert.query);
}

pub(super) fn format_values(out: &mut String, insert: &InsertValues) {
    out.push_str("INSERT INTO ");
    format_row(out, insert, "VALUES");
}

/// `name (columns) VALUES (…)`
pub(super) fn format_row(out: &mut String, row: &InsertValues, word: &str) {
    out.push_str(&quote_name(&row.name.node));
    out.push(' ');
    if !row.columns.is_empty() {
        out.push('(');
        separated(out, &row.columns, |out, column| out.push_str(&quote_name(&column.node)));
        out.push_str(") ");
    }
    out.push_str(word);
    out.push_str(" (");
    separated(out, &row.values, text::format);
    out.push(')');
}
