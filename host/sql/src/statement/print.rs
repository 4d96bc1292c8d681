//! `PRINT topic`.

use crate::ast::{Print, Statement};
use crate::keywords::quote_resource;
use crate::parser::{Parser, Parsing};

/// What follows PRINT.
pub(super) fn print(p: &mut Parser) -> Parsing<Statement> {
    let topic = p.resource_name("the topic's name")?;
    let from_beginning = p.take("FROM");
    if from_beginning {
        p.expect("BEGINNING", "after FROM")?;
    }
    let mut interval = None;
    if p.take("INTERVAL") || p.take("SAMPLE") {
        interval = Some(p.whole_number("the interval of PRINT")?.node);
    }
    let limit = if p.take("LIMIT") { Some(p.whole_number("LIMIT")?.node) } else { None };
    Ok(Statement::Print(Print { topic, from_beginning, interval, limit }))
}

pub(super) fn format(out: &mut String, print: &Print) {
    out.push_str(&format!("PRINT {}", quote_resource(&print.topic.node)));
    if print.from_beginning {
        out.push_str(" FROM BEGINNING");
    }
    if let Some(interval) = print.interval {
        out.push_str(&format!(" INTERVAL {interval}"));
    }
    if let Some(limit) = print.limit {
        out.push_str(&format!(" LIMIT {limit}"));
    }
}
