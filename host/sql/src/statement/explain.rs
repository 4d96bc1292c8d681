//! `EXPLAIN` of a query by id or of a statement.

use crate::Spanned;
use crate::ast::{Explain, Parsed, Statement};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};
use crate::token::Symbol;

/// What follows EXPLAIN. Spans of the inner statement count from its own start.
pub(super) fn explain(p: &mut Parser) -> Parsing<Statement> {
    if p.is_name() && p.is_symbol_at(1, Symbol::Semicolon) {
        let name = p.name("a query's id")?;
        return Ok(Statement::Explain(Explain::QueryId(name)));
    }
    let start = p.start();
    let base = p.rebase();
    let inner = p.nested(super::statement);
    p.restore_base(base);
    let statement = inner?;
    let end = if p.is_symbol(Symbol::Semicolon) { p.token_at(0).end } else { p.previous_end() };
    let text = p.text[start..end].to_owned();
    Ok(Statement::Explain(Explain::Statement(Box::new(Parsed { statement, text }))))
}

pub(super) fn format(out: &mut String, explain: &Explain) {
    out.push_str("EXPLAIN ");
    match explain {
        Explain::QueryId(Spanned { node, .. }) => out.push_str(&quote_name(node)),
        // The inner statement keeps its own text, which is part of the tree.
        Explain::Statement(parsed) => out.push_str(parsed.text.strip_suffix(';').unwrap_or(&parsed.text)),
    }
}
