//! `SHOW LOCKS FOR query`, `RELEASE LOCK FOR query KEY key` and `RELEASE LOCKS FOR query`.

use crate::ast::{Expr, Name, Statement};
use crate::expression::{text, value_expression};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};

/// What follows SHOW LOCKS.
pub(super) fn show(p: &mut Parser) -> Parsing<Statement> {
    p.expect("FOR", "after SHOW LOCKS")?;
    Ok(Statement::ShowLocks { query: p.name("the query or stage that holds the locks")? })
}

/// What follows RELEASE.
pub(super) fn release(p: &mut Parser) -> Parsing<Statement> {
    let all = p.take("LOCKS");
    if !all && !p.take("LOCK") {
        return Err(p.expected_words(&["LOCK", "LOCKS"], "after RELEASE"));
    }
    p.expect("FOR", "and the query or stage that holds the lock")?;
    let query = p.name("the query or stage that holds the lock")?;
    let key = if all {
        None
    } else {
        p.expect("KEY", "and the locked key (RELEASE LOCKS releases all)")?;
        Some(value_expression(p)?)
    };
    Ok(Statement::ReleaseLock { query, key })
}

pub(super) fn format_show(out: &mut String, query: &Name) {
    out.push_str(&format!("SHOW LOCKS FOR {}", quote_name(&query.node)));
}

pub(super) fn format_release(out: &mut String, query: &Name, key: Option<&Expr>) {
    let name = quote_name(&query.node);
    match key {
        None => out.push_str(&format!("RELEASE LOCKS FOR {name}")),
        Some(key) => {
            out.push_str(&format!("RELEASE LOCK FOR {name} KEY "));
            text::format(out, key);
        }
    }
}
