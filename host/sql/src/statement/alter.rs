//! `ALTER STREAM | TABLE … ADD COLUMN`; other ALTERs lead to their own files.

use super::{endpoint, kind_text, plugin, session, source_kind};
use crate::ast::{Name, SourceKind, Statement, TypeName};
use crate::expression::literal::separated;
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};
use crate::types::{format_type, type_name};

/// What follows ALTER.
pub(super) fn alter(p: &mut Parser) -> Parsing<Statement> {
    if p.take("SYSTEM") {
        return session::alter_system(p);
    }
    if p.take("ENDPOINT") {
        return endpoint::alter(p);
    }
    if let Some(statement) = plugin::alter(p)? {
        return Ok(statement);
    }
    if !p.is("STREAM") && !p.is("TABLE") {
        return Err(p.expected_words(&["STREAM", "TABLE", "SYSTEM", "PLUGIN", "STAGE", "FUNCTION", "ENDPOINT"], "after ALTER"));
    }
    let kind = source_kind(p, "after ALTER")?;
    let name = p.name("the name of what to alter")?;
    let add_columns = p.list(|p| {
        p.expect("ADD", "before a new column")?;
        // COLUMN may be left out, and may itself be the column's name.
        if p.is("COLUMN") && matches!(p.peek_at(2), crate::token::TokenKind::Word { .. }) {
            p.advance();
        }
        let name = p.name("the new column's name")?;
        Ok((name, type_name(p)?))
    })?;
    Ok(Statement::AlterSource { kind, name, add_columns })
}

pub(super) fn format_source(out: &mut String, kind: SourceKind, name: &Name, add_columns: &[(Name, TypeName)]) {
    out.push_str(&format!("ALTER {} {} ", kind_text(kind), quote_name(&name.node)));
    separated(out, add_columns, |out, (name, ty)| {
        out.push_str(&format!("ADD COLUMN {} ", quote_name(&name.node)));
        format_type(out, ty);
    });
}
