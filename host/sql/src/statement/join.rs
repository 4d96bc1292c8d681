//! What FROM reads: a source, or sources joined from left to right.

use super::query::{alias, alias_text};
use super::window::duration_text;
use crate::ast::{Join, JoinKind, Relation, Within};
use crate::expression::{expression, text};
use crate::keywords::quote_name;
use crate::parser::{JOINS_MAX, Parser, Parsing};
use crate::token::Symbol;

pub(super) fn relation(p: &mut Parser) -> Parsing<Relation> {
    let start = p.start();
    let mut left = source(p)?;
    let mut joins = 0;
    while let Some(kind) = join_kind(p)? {
        joins += 1;
        if joins > JOINS_MAX {
            return Err(p.fault_here(format!("a query joins at most {JOINS_MAX} sources: split it")));
        }
        let right = source(p)?;
        let within = if p.is("WITHIN") { Some(within(p)?) } else { None };
        p.expect("ON", "and the condition of the join")?;
        let on = expression(p)?;
        left = Relation::Join(Box::new(Join { left, right, kind, within, on, span: p.span_from(start) }));
    }
    if p.is_symbol(Symbol::Comma) {
        return Err(p.fault_here("FROM takes one source: join another with JOIN … ON".into()));
    }
    Ok(left)
}

fn source(p: &mut Parser) -> Parsing<Relation> {
    if p.is_symbol(Symbol::OpenParen) {
        return Err(p.fault_here("queries inside FROM are not supported: create a stream or table from the inner query".into()));
    }
    let name = p.name("the name of a stream or table")?;
    if p.is_symbol(Symbol::OpenParen) {
        let message = "a function cannot stand in FROM: table functions stand in the select list".into();
        return Err(p.fault_here(message));
    }
    // An alias that repeats the name says nothing.
    let alias = alias(p, "the source's alias")?.filter(|alias| alias.node != name.node);
    Ok(Relation::Source { name, alias })
}

fn join_kind(p: &mut Parser) -> Parsing<Option<JoinKind>> {
    let kind = if p.take("INNER") {
        JoinKind::Inner
    } else if p.take("LEFT") {
        p.take("OUTER");
        JoinKind::Left
    } else if p.take("RIGHT") {
        p.take("OUTER");
        JoinKind::Right
    } else if p.take("FULL") {
        p.take("OUTER");
        JoinKind::Full
    } else if p.is("JOIN") {
        JoinKind::Inner
    } else if p.is("OUTER") {
        return Err(p.fault_here("OUTER needs LEFT, RIGHT or FULL before it".into()));
    } else {
        return Ok(None);
    };
    p.expect("JOIN", "before the joined source")?;
    Ok(Some(kind))
}

fn within(p: &mut Parser) -> Parsing<Within> {
    let start = p.start();
    p.advance();
    let (before_ms, after_ms) = if p.take_symbol(Symbol::OpenParen) {
        let before = p.duration("the time before in WITHIN")?;
        p.expect_symbol(Symbol::Comma, "',' between the times before and after")?;
        let after = p.duration("the time after in WITHIN")?;
        p.expect_symbol(Symbol::CloseParen, "')' after the times of WITHIN")?;
        (before, after)
    } else {
        let size = p.duration("WITHIN")?;
        (size, size)
    };
    let mut grace_ms = None;
    if p.take("GRACE") {
        p.expect("PERIOD", "after GRACE")?;
        grace_ms = Some(p.duration("the grace period")?);
    }
    Ok(Within { before_ms, after_ms, grace_ms, span: p.span_from(start) })
}

/// ksqlDB prints an alias always, the name itself where none was given.
pub(super) fn format(out: &mut String, relation: &Relation) {
    match relation {
        Relation::Source { name, alias } => {
            out.push_str(&format!("{} {}", quote_name(&name.node), alias_text(alias.as_ref().unwrap_or(name))));
        }
        Relation::Join(join) => {
            format(out, &join.left);
            out.push_str(match join.kind {
                JoinKind::Inner => "\nINNER JOIN ",
                JoinKind::Left => "\nLEFT OUTER JOIN ",
                JoinKind::Right => "\nRIGHT OUTER JOIN ",
                JoinKind::Full => "\nFULL OUTER JOIN ",
            });
            format(out, &join.right);
            if let Some(within) = &join.within {
                format_within(out, within);
            }
            out.push_str(" ON (");
            text::format(out, &join.on);
            out.push(')');
        }
    }
}

fn format_within(out: &mut String, within: &Within) {
    let before = duration_text(within.before_ms);
    if within.before_ms == within.after_ms {
        out.push_str(&format!(" WITHIN {before}"));
    } else {
        out.push_str(&format!(" WITHIN ({before}, {})", duration_text(within.after_ms)));
    }
    if let Some(grace_ms) = within.grace_ms {
        out.push_str(&format!(" GRACE PERIOD {}", duration_text(grace_ms)));
    }
}
