//! `CREATE TYPE name AS type`.

use super::format_create;
use crate::ast::{Name, Statement, TypeName};
use crate::keywords::quote_name;
use crate::parser::{Parser, Parsing};
use crate::types::{format_type, type_name};

pub(super) fn create(p: &mut Parser) -> Parsing<Statement> {
    let if_not_exists = p.if_not_exists()?;
    let name = p.name("the type's name")?;
    p.expect("AS", "after the type's name")?;
    Ok(Statement::CreateType { if_not_exists, name, ty: type_name(p)? })
}

pub(super) fn format(out: &mut String, if_not_exists: bool, name: &Name, ty: &TypeName) {
    format_create(out, false, "TYPE", if_not_exists);
    out.push_str(&quote_name(&name.node));
    out.push_str(" AS ");
    format_type(out, ty);
}
