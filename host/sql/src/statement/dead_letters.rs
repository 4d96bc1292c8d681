//! `REPLAY DEAD LETTERS FROM topic [WHERE …] [LIMIT n] [INTO query]`.

use crate::ast::{Expr, Name, Statement};
use crate::expression::{expression, text};
use crate::keywords::{quote_name, quote_resource};
use crate::parser::{Parser, Parsing};

/// What follows REPLAY.
pub(super) fn replay(p: &mut Parser) -> Parsing<Statement> {
    p.expect("DEAD", "after REPLAY")?;
    p.expect("LETTERS", "after REPLAY DEAD")?;
    p.expect("FROM", "and the dead letter topic")?;
    let topic = p.resource_name("the dead letter topic")?;
    let filter = if p.take("WHERE") { Some(expression(p)?) } else { None };
    let limit = if p.take("LIMIT") { Some(p.whole_number("LIMIT")?.node) } else { None };
    let into = if p.take("INTO") { Some(p.name("the query that takes the records")?) } else { None };
    Ok(Statement::ReplayDeadLetters { topic, filter, limit, into })
}

pub(super) fn format(out: &mut String, topic: &Name, filter: Option<&Expr>, limit: Option<u64>, into: Option<&Name>) {
    out.push_str(&format!("REPLAY DEAD LETTERS FROM {}", quote_resource(&topic.node)));
    if let Some(filter) = filter {
        out.push_str(" WHERE ");
        text::format(out, filter);
    }
    if let Some(limit) = limit {
        out.push_str(&format!(" LIMIT {limit}"));
    }
    if let Some(into) = into {
        out.push_str(&format!(" INTO {}", quote_name(&into.node)));
    }
}
