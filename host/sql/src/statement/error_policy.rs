//! `CREATE ERROR POLICY`: what becomes of a record that fails.

use super::{format_create, plugin, property};
use crate::ast::{CreateErrorPolicy, ErrorAction, ErrorPolicyBody, Statement};
use crate::expression::{text, value_expression};
use crate::keywords::{quote_name, quote_text};
use crate::parser::{Parser, Parsing};

/// What follows `CREATE [OR REPLACE] ERROR POLICY`.
pub(super) fn create(p: &mut Parser, or_replace: bool) -> Parsing<Statement> {
    let if_not_exists = p.if_not_exists()?;
    let name = p.name("the error policy's name")?;
    let body = if p.take("AS") {
        actions(p)?
    } else if p.is("USING") {
        from_plugin(p)?
    } else {
        return Err(p.expected_words(&["AS", "USING PLUGIN"], "after the error policy's name"));
    };
    let mut lock_by = None;
    if p.take("LOCK") {
        p.expect("BY", "after LOCK")?;
        lock_by = Some(value_expression(p)?);
    }
    let properties = property::with(p)?;
    let create = CreateErrorPolicy { or_replace, if_not_exists, name, body, lock_by, properties };
    Ok(Statement::CreateErrorPolicy(Box::new(create)))
}

fn actions(p: &mut Parser) -> Parsing<ErrorPolicyBody> {
    let first = action(p)?;
    let then = if p.take("THEN") { Some(action(p)?) } else { None };
    Ok(ErrorPolicyBody::Actions { first, then })
}

fn action(p: &mut Parser) -> Parsing<ErrorAction> {
    if p.take("SKIP") {
        return Ok(ErrorAction::Skip);
    }
    if p.take("STOP") {
        return Ok(ErrorAction::Stop);
    }
    if p.take_all(&["DEAD", "LETTER"]) {
        return Ok(ErrorAction::DeadLetter);
    }
    if p.take_all(&["RETRY", "IN", "ORDER"]) {
        return Ok(ErrorAction::RetryInOrder);
    }
    if p.take("RETRY") {
        return Ok(ErrorAction::Retry);
    }
    Err(p.expected_words(&["SKIP", "STOP", "DEAD LETTER", "RETRY", "RETRY IN ORDER"], "as an action"))
}

fn from_plugin(p: &mut Parser) -> Parsing<ErrorPolicyBody> {
    let plugin = plugin::using_plugin(p)?;
    let policy = if p.take("POLICY") { Some(p.text_literal("the policy's name in the plugin")?) } else { None };
    let config = if p.take("CONFIG") { property::settings(p, "the policy's settings")? } else { Vec::new() };
    Ok(ErrorPolicyBody::Plugin { plugin, policy, config })
}

pub(super) fn format(out: &mut String, create: &CreateErrorPolicy) {
    format_create(out, create.or_replace, "ERROR POLICY", create.if_not_exists);
    out.push_str(&quote_name(&create.name.node));
    match &create.body {
        ErrorPolicyBody::Actions { first, then } => {
            out.push_str(&format!(" AS {}", action_text(*first)));
            if let Some(then) = then {
                out.push_str(&format!(" THEN {}", action_text(*then)));
            }
        }
        ErrorPolicyBody::Plugin { plugin, policy, config } => {
            out.push_str(&format!(" USING PLUGIN {}", quote_text(&plugin.node)));
            if let Some(policy) = policy {
                out.push_str(&format!(" POLICY {}", quote_text(&policy.node)));
            }
            if !config.is_empty() {
                out.push_str(" CONFIG ");
                property::format_settings(out, config);
            }
        }
    }
    if let Some(lock_by) = &create.lock_by {
        out.push_str(" LOCK BY ");
        text::format(out, lock_by);
    }
    property::format_with(out, &create.properties);
}

fn action_text(action: ErrorAction) -> &'static str {
    match action {
        ErrorAction::Skip => "SKIP",
        ErrorAction::Stop => "STOP",
        ErrorAction::DeadLetter => "DEAD LETTER",
        ErrorAction::Retry => "RETRY",
        ErrorAction::RetryInOrder => "RETRY IN ORDER",
    }
}
