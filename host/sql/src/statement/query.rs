//! `SELECT`.

use super::{join, window};
use crate::ast::{Emit, Expr, ExprKind, GroupBy, Name, Query, SelectItem};
use crate::expression::literal::separated;
use crate::expression::{expression, text, value_expression};
use crate::keywords::{in_backticks, quote_name};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// Clauses in the order in which they may stand, for messages about one out of place.
const CLAUSES: &[&str] = &["WINDOW", "WHERE", "GROUP BY", "PARTITION BY", "HAVING", "EMIT", "LIMIT"];

/// A query from its SELECT on.
pub(super) fn query(p: &mut Parser) -> Parsing<Query> {
    let start = p.start();
    p.expect("SELECT", "at the start of a query")?;
    if p.is("DISTINCT") {
        return Err(p.fault_here("SELECT DISTINCT is not supported: use GROUP BY".into()));
    }
    let select = p.list(select_item)?;
    p.expect("FROM", "after the select list")?;
    let from = join::relation(p)?;
    let window = if p.take("WINDOW") { Some(window::window(p)?) } else { None };
    let filter = if p.take("WHERE") { Some(expression(p)?) } else { None };
    let group_by = if p.is("GROUP") { Some(group_by(p)?) } else { None };
    let partition_by = if p.take_all(&["PARTITION", "BY"]) { expressions(p, "PARTITION BY")? } else { Vec::new() };
    let having = if p.take("HAVING") { Some(expression(p)?) } else { None };
    let emit = if p.take("EMIT") { Some(emit(p)?) } else { None };
    let limit = if p.take("LIMIT") { Some(p.whole_number("LIMIT")?) } else { None };
    let span = p.span_from(start);
    misplaced_clause(p)?;
    Ok(Query { select, from, window, filter, group_by, partition_by, having, emit, limit, span })
}

/// Names the clause that cannot stand where it does.
fn misplaced_clause(p: &Parser) -> Parsing<()> {
    if p.is("ORDER") || p.is("OFFSET") || (p.is("BY") && is_before_by(p, "ORDER")) {
        return Err(p.fault_here("ORDER BY and OFFSET are not supported: rows come in the order of their source".into()));
    }
    if p.is("UNION") || p.is("INTERSECT") || p.is("EXCEPT") {
        return Err(p.fault_here("queries cannot be combined: write INSERT INTO … SELECT for each".into()));
    }
    for clause in CLAUSES {
        let words: Vec<&str> = clause.split(' ').collect();
        if p.are(&words) {
            let order = CLAUSES.join(", ");
            return Err(p.fault_here(format!("{clause} cannot stand here: clauses come once each, in the order {order}")));
        }
    }
    Ok(())
}

/// Does the text before the next token end with this word? A word that was taken as an alias, in truth.
fn is_before_by(p: &Parser, word: &str) -> bool {
    p.text[..p.previous_end()].to_ascii_uppercase().ends_with(word)
}

fn select_item(p: &mut Parser) -> Parsing<SelectItem> {
    let start = p.start();
    if p.take_symbol(Symbol::Star) {
        return Ok(SelectItem::All { source: None, span: p.span_from(start) });
    }
    if p.is_symbol_at(1, Symbol::Period) && p.is_symbol_at(2, Symbol::Star) {
        let source = p.name("a source's name before '.*'")?;
        p.advance();
        p.advance();
        return Ok(SelectItem::All { source: Some(source), span: p.span_from(start) });
    }
    if p.is("FROM") {
        return Err(p.fault_here("the select list is missing before FROM".into()));
    }
    let expr = expression(p)?;
    if p.is_symbol(Symbol::Arrow) && p.is_symbol_at(1, Symbol::Star) {
        if is_operation(&expr) {
            return Err(p.fault_here("'->*' belongs to a STRUCT, not to the result of an operator: use parentheses".into()));
        }
        p.advance();
        p.advance();
        return Ok(SelectItem::StructAll { base: expr, span: p.span_from(start) });
    }
    Ok(SelectItem::Expr { expr, alias: alias(p, "a column's name after AS")? })
}

/// Does an operator bind weaker than `->` at the top of this expression? Parentheses are not kept in the tree, so that
/// this errs on the strict side.
fn is_operation(expr: &Expr) -> bool {
    !matches!(
        expr.kind,
        ExprKind::Literal(_)
            | ExprKind::Column { .. }
            | ExprKind::Field { .. }
            | ExprKind::Subscript { .. }
            | ExprKind::Call { .. }
            | ExprKind::Struct(_)
            | ExprKind::Map(_)
            | ExprKind::Array(_)
            | ExprKind::Cast { .. }
            | ExprKind::SearchedCase { .. }
            | ExprKind::SimpleCase { .. }
    )
}

/// `[AS] name` if it is next. Without AS the name may not be the first word of a clause.
pub(super) fn alias(p: &mut Parser, what: &str) -> Parsing<Option<Name>> {
    if p.take("AS") {
        return Ok(Some(p.name(what)?));
    }
    let starts_clause = match p.peek() {
        TokenKind::Word { folded, quoted: false } => is_clause_word(folded) && (folded != "PARTITION" || p.is_at(1, "BY")),
        _ => false,
    };
    if starts_clause || !p.is_name() || looks_like_from(p) {
        return Ok(None);
    }
    Ok(Some(p.name(what)?))
}

/// Is this word FROM misspelt, as in `SELECT a FORM b`? An alias is followed by a comma or a keyword, never by a name.
fn looks_like_from(p: &Parser) -> bool {
    (p.is("FORM") || p.is("FRMO") || p.is("FRM") || p.is("FRON"))
        && matches!(p.peek_at(1), TokenKind::Word { .. })
        && !p.is_at(1, "FROM")
}

/// Words that are no aliases without AS though they are not reserved.
fn is_clause_word(word: &str) -> bool {
    matches!(word, "EMIT" | "PARTITION")
}

/// An alias as it must be written without AS.
pub(super) fn alias_text(name: &Name) -> String {
    let misread = is_clause_word(&name.node) || matches!(name.node.as_str(), "FORM" | "FRMO" | "FRM" | "FRON");
    if misread { in_backticks(&name.node) } else { quote_name(&name.node) }
}

fn group_by(p: &mut Parser) -> Parsing<GroupBy> {
    let start = p.start();
    p.expect("GROUP", "")?;
    p.expect("BY", "after GROUP")?;
    let expressions = expressions(p, "GROUP BY")?;
    Ok(GroupBy { expressions, span: p.span_from(start) })
}

/// `a, b` or `(a, b)`.
fn expressions(p: &mut Parser, clause: &str) -> Parsing<Vec<Expr>> {
    if p.is_symbol(Symbol::OpenParen) && p.is_symbol_at(1, Symbol::CloseParen) {
        return Err(p.fault_here(format!("{clause} needs at least one expression")));
    }
    if is_parenthesised_list(p) {
        let list = p.parenthesised(&format!("the expressions of {clause}"), value_expression)?;
        return Ok(list);
    }
    let list = p.list(value_expression)?;
    if p.is("AND") || p.is("OR") {
        return Err(p.fault_here(format!("{clause} takes values separated by commas; a condition must stand in parentheses")));
    }
    Ok(list)
}

/// Do parentheses surround several expressions, or just a part of the first?
fn is_parenthesised_list(p: &Parser) -> bool {
    if !p.is_symbol(Symbol::OpenParen) {
        return false;
    }
    let mut depth = 0_usize;
    for ahead in 0.. {
        match p.peek_at(ahead) {
            TokenKind::Symbol(Symbol::OpenParen | Symbol::OpenBracket) => depth += 1,
            TokenKind::Symbol(Symbol::CloseParen | Symbol::CloseBracket) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return false;
                }
            }
            TokenKind::Symbol(Symbol::Comma) if depth == 1 => return true,
            TokenKind::End | TokenKind::Symbol(Symbol::Semicolon) => return false,
            _ => {}
        }
    }
    false
}

fn emit(p: &mut Parser) -> Parsing<Emit> {
    if p.take("CHANGES") {
        return Ok(Emit::Changes);
    }
    p.take("FINAL").then_some(Emit::Final).ok_or_else(|| p.expected_words(&["CHANGES", "FINAL"], "after EMIT"))
}

/// ksqlDB's layout: a clause a line, select items on lines of their own where there are several.
pub(super) fn format(out: &mut String, query: &Query) {
    out.push_str("SELECT");
    let several = query.select.len() > 1;
    for (i, item) in query.select.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(if several { "\n  " } else { " " });
        format_item(out, item);
    }
    out.push_str("\nFROM ");
    join::format(out, &query.from);
    if let Some(window) = &query.window {
        out.push_str("\nWINDOW");
        window::format(out, window);
    }
    if let Some(filter) = &query.filter {
        out.push_str("\nWHERE ");
        text::format(out, filter);
    }
    if let Some(group_by) = &query.group_by {
        out.push_str("\nGROUP BY ");
        separated(out, &group_by.expressions, text::format);
    }
    if !query.partition_by.is_empty() {
        out.push_str("\nPARTITION BY ");
        separated(out, &query.partition_by, text::format);
    }
    if let Some(having) = &query.having {
        out.push_str("\nHAVING ");
        text::format(out, having);
    }
    match query.emit {
        Some(Emit::Changes) => out.push_str("\nEMIT CHANGES"),
        Some(Emit::Final) => out.push_str("\nEMIT FINAL"),
        None => {}
    }
    if let Some(limit) = &query.limit {
        out.push_str(&format!("\nLIMIT {}", limit.node));
    }
}

fn format_item(out: &mut String, item: &SelectItem) {
    match item {
        SelectItem::All { source: None, .. } => out.push('*'),
        SelectItem::All { source: Some(source), .. } => out.push_str(&format!("{}.*", quote_name(&source.node))),
        SelectItem::StructAll { base, .. } => {
            text::format(out, base);
            out.push_str("->*");
        }
        SelectItem::Expr { expr, alias } => {
            text::format(out, expr);
            if let Some(alias) = alias {
                out.push(' ');
                out.push_str(&alias_text(alias));
            }
        }
    }
}
