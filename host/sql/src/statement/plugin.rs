//! Functions from plugins, and which revision of a plugin is in use.

use super::{format_create, property, stage};
use crate::Spanned;
use crate::ast::{CreateFunction, DryRun, Grant, Name, Parameter, Property, RevisionTarget, Statement};
use crate::expression::literal::separated;
use crate::keywords::{quote_name, quote_resource, quote_text};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};
use crate::types::{format_type, type_name};

/// What follows `CREATE [OR REPLACE] FUNCTION`.
pub(super) fn create_function(p: &mut Parser, or_replace: bool) -> Parsing<Statement> {
    let if_not_exists = p.if_not_exists()?;
    let mut name = p.name("the function's name")?;
    // Function names know no case, quoted or not.
    name.node = name.node.to_uppercase();
    let mut declared = None;
    if p.take_symbol(Symbol::OpenParen) {
        let parameters = if p.is_symbol(Symbol::CloseParen) { Vec::new() } else { p.list(parameter)? };
        p.expect_symbol(Symbol::CloseParen, "',' or ')' after the parameters")?;
        p.expect("RETURNS", "after the parameters")?;
        declared = Some((parameters, type_name(p)?));
    }
    let plugin = using_plugin(p)?;
    let function = if p.take("FUNCTION") { Some(p.text_literal("the function's name in the plugin")?) } else { None };
    let grants = if p.take("GRANT") { stage::grants(p)? } else { Vec::new() };
    Ok(Statement::CreateFunction(CreateFunction { or_replace, if_not_exists, name, declared, plugin, function, grants }))
}

/// `name type` or `type`: a type alone is not followed by the start of another.
fn parameter(p: &mut Parser) -> Parsing<Parameter> {
    let name = if matches!(p.peek_at(1), TokenKind::Word { .. }) { Some(p.name("a parameter's name")?) } else { None };
    Ok((name, type_name(p)?))
}

/// `USING PLUGIN 'p'`; a plugin's name keeps its case.
pub(super) fn using_plugin(p: &mut Parser) -> Parsing<Spanned<String>> {
    p.expect("USING", "PLUGIN and the plugin's name")?;
    p.expect("PLUGIN", "after USING")?;
    p.resource_name("the plugin's name")
}

/// What follows ALTER, if it is about plugins, stages or functions.
pub(super) fn alter(p: &mut Parser) -> Parsing<Option<Statement>> {
    let target = if p.take("PLUGIN") {
        RevisionTarget::Plugin
    } else if p.take("STAGE") {
        RevisionTarget::Stage
    } else if p.take("FUNCTION") {
        RevisionTarget::Function
    } else {
        return Ok(None);
    };
    let name = match target {
        RevisionTarget::Plugin => p.resource_name("the plugin's name")?,
        RevisionTarget::Stage => p.name("the stage's name")?,
        RevisionTarget::Function => p.name("the function's name")?,
    };
    if target == RevisionTarget::Plugin && p.take("SET") {
        return Ok(Some(Statement::AlterPluginSet { name, settings: property::settings(p, "the plugin's settings")? }));
    }
    if target != RevisionTarget::Plugin {
        for (word, revoke) in [("GRANT", false), ("REVOKE", true)] {
            if p.take(word) {
                return Ok(Some(Statement::AlterGrants { target, name, revoke, grants: stage::grants(p)? }));
            }
        }
    }
    if !p.take("USE") {
        let words: &[&str] = match target {
            RevisionTarget::Plugin => &["USE REVISION", "SET"],
            _ => &["USE REVISION", "GRANT", "REVOKE"],
        };
        return Err(p.expected_words(words, "after the name"));
    }
    p.expect("REVISION", "after USE")?;
    let revision = revision(p)?;
    Ok(Some(Statement::AlterRevision { target, name, revision, dry_run: None }))
}

/// The number behind USE REVISION.
pub(super) fn revision(p: &mut Parser) -> Parsing<i64> {
    Ok(p.whole_number("the revision")?.node as i64)
}

/// What follows DRY: `RUN ALTER … USE REVISION n [ON LAST n ROWS]`.
pub(super) fn dry_run(p: &mut Parser) -> Parsing<Statement> {
    p.expect("RUN", "after DRY")?;
    p.expect("ALTER", "after DRY RUN")?;
    match alter(p)? {
        Some(Statement::AlterRevision { target, name, revision, .. }) => {
            let mut last_rows = None;
            if p.take("ON") {
                p.expect("LAST", "after ON")?;
                last_rows = Some(p.whole_number("the number of rows")?.node);
                p.expect("ROWS", "after the number of rows")?;
            }
            Ok(Statement::AlterRevision { target, name, revision, dry_run: Some(DryRun { last_rows }) })
        }
        Some(_) => Err(p.fault_here("DRY RUN is for a change of revision: ALTER PLUGIN p USE REVISION n".into())),
        None => Err(p.expected_words(&["PLUGIN", "STAGE", "FUNCTION"], "after DRY RUN ALTER")),
    }
}

pub(super) fn format_create_function(out: &mut String, create: &CreateFunction) {
    format_create(out, create.or_replace, "FUNCTION", create.if_not_exists);
    out.push_str(&quote_name(&create.name.node));
    if let Some((parameters, returns)) = &create.declared {
        out.push_str(" (");
        separated(out, parameters, |out, (name, ty)| {
            if let Some(name) = name {
                out.push_str(&quote_name(&name.node));
                out.push(' ');
            }
            format_type(out, ty);
        });
        out.push_str(") RETURNS ");
        format_type(out, returns);
    }
    out.push_str(&format!(" USING PLUGIN {}", quote_text(&create.plugin.node)));
    if let Some(function) = &create.function {
        out.push_str(&format!(" FUNCTION {}", quote_text(&function.node)));
    }
    stage::format_grants(out, "GRANT", &create.grants);
}

pub(super) fn format_revision(out: &mut String, target: RevisionTarget, name: &Name, revision: i64, dry_run: Option<&DryRun>) {
    if dry_run.is_some() {
        out.push_str("DRY RUN ");
    }
    out.push_str(&format!("ALTER {} USE REVISION {revision}", target_text(target, name)));
    if let Some(DryRun { last_rows: Some(rows) }) = dry_run {
        out.push_str(&format!(" ON LAST {rows} ROWS"));
    }
}

fn target_text(target: RevisionTarget, name: &Name) -> String {
    match target {
        RevisionTarget::Plugin => format!("PLUGIN {}", quote_resource(&name.node)),
        RevisionTarget::Stage => format!("STAGE {}", quote_name(&name.node)),
        RevisionTarget::Function => format!("FUNCTION {}", quote_name(&name.node)),
    }
}

pub(super) fn format_grants(out: &mut String, target: RevisionTarget, name: &Name, revoke: bool, grants: &[Grant]) {
    out.push_str(&format!("ALTER {}", target_text(target, name)));
    stage::format_grants(out, if revoke { "REVOKE" } else { "GRANT" }, grants);
}

pub(super) fn format_set(out: &mut String, name: &Name, settings: &[Property]) {
    out.push_str(&format!("ALTER PLUGIN {} SET ", quote_resource(&name.node)));
    property::format_settings(out, settings);
}
