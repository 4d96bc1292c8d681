//! `SET`, `UNSET`, `DEFINE`, `UNDEFINE`, `RUN SCRIPT`, `ALTER SYSTEM`.

use crate::ast::Statement;
use crate::keywords::quote_text;
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// One of these statements, if one is next.
pub(super) fn session(p: &mut Parser) -> Parsing<Option<Statement>> {
    if p.take("SET") {
        let (property, value) = assignment(p, "SET")?;
        return Ok(Some(Statement::Set { property, value }));
    }
    if p.take("UNSET") {
        return Ok(Some(Statement::Unset { property: p.text_literal("a property's name")?.node }));
    }
    if p.take("DEFINE") {
        let variable = variable(p)?;
        p.expect_symbol(Symbol::Equal, "'=' after the variable's name")?;
        let value = p.text_literal("the variable's value")?.node;
        return Ok(Some(Statement::Define { variable, value }));
    }
    if p.take("UNDEFINE") {
        return Ok(Some(Statement::Undefine { variable: variable(p)? }));
    }
    if p.take("RUN") {
        p.expect("SCRIPT", "after RUN")?;
        return Ok(Some(Statement::RunScript { path: p.text_literal("the script's path")?.node }));
    }
    Ok(None)
}

/// What follows ALTER SYSTEM.
pub(super) fn alter_system(p: &mut Parser) -> Parsing<Statement> {
    let (property, value) = assignment(p, "ALTER SYSTEM")?;
    Ok(Statement::AlterSystem { property, value })
}

fn assignment(p: &mut Parser, what: &str) -> Parsing<(String, String)> {
    let property = p.text_literal(&format!("the property's name after {what}"))?.node;
    p.expect_symbol(Symbol::Equal, "'=' after the property's name")?;
    Ok((property, p.text_literal("the property's value")?.node))
}

/// A variable's name, which keeps its case and cannot be quoted.
fn variable(p: &mut Parser) -> Parsing<String> {
    let TokenKind::Word { quoted: false, .. } = p.peek() else { return Err(p.expected("a variable's name")) };
    let name = p.text[p.start()..p.token_at(0).end].to_owned();
    p.advance();
    Ok(name)
}

pub(super) fn format_set(out: &mut String, what: &str, property: &str, value: &str) {
    out.push_str(&format!("{what} {}={}", quote_text(property), quote_text(value)));
}

pub(super) fn format_unset(out: &mut String, property: &str) {
    out.push_str(&format!("UNSET {}", quote_text(property)));
}

pub(super) fn format_define(out: &mut String, variable: &str, value: &str) {
    out.push_str(&format!("DEFINE {variable}={}", quote_text(value)));
}

pub(super) fn format_undefine(out: &mut String, variable: &str) {
    out.push_str(&format!("UNDEFINE {variable}"));
}

pub(super) fn format_run(out: &mut String, path: &str) {
    out.push_str(&format!("RUN SCRIPT {}", quote_text(path)));
}
