//! `TERMINATE`, `PAUSE` and `RESUME` of queries, `PAUSE` and `RESUME` of stages.

use crate::ast::{Name, QuerySelection, Statement};
use crate::keywords::{in_backticks, quote_name};
use crate::parser::{Parser, Parsing};

pub(super) fn terminate(p: &mut Parser) -> Parsing<Statement> {
    Ok(Statement::Terminate(selection(p)?))
}

pub(super) fn pause(p: &mut Parser) -> Parsing<Statement> {
    match stage(p)? {
        Some(name) => Ok(Statement::PauseStage { name }),
        None => Ok(Statement::Pause(selection(p)?)),
    }
}

pub(super) fn resume(p: &mut Parser) -> Parsing<Statement> {
    match stage(p)? {
        Some(name) => Ok(Statement::ResumeStage { name }),
        None => Ok(Statement::Resume(selection(p)?)),
    }
}

fn stage(p: &mut Parser) -> Parsing<Option<Name>> {
    if p.is("STAGE") && matches!(p.peek_at(1), crate::token::TokenKind::Word { .. }) {
        p.advance();
        return Ok(Some(p.name("the stage's name")?));
    }
    Ok(None)
}

fn selection(p: &mut Parser) -> Parsing<QuerySelection> {
    if p.take("ALL") { Ok(QuerySelection::All) } else { Ok(QuerySelection::Id(p.name("a query's id or ALL")?)) }
}

pub(super) fn format(out: &mut String, what: &str, selection: &QuerySelection) {
    let id = match selection {
        QuerySelection::All => "ALL".to_owned(),
        QuerySelection::Id(id) if id.node == "STAGE" => in_backticks(&id.node),
        QuerySelection::Id(id) => quote_name(&id.node),
    };
    out.push_str(&format!("{what} {id}"));
}

pub(super) fn format_stage(out: &mut String, what: &str, name: &Name) {
    out.push_str(&format!("{what} STAGE {}", quote_name(&name.node)));
}
