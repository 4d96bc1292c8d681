//! `CREATE STAGE`: a plugin between streams; and the capabilities that stages and endpoints are granted.

use super::{format_create, kind_text, plugin, property, source_kind};
use crate::ast::{CreateStage, Grant, GrantKind, Statement};
use crate::expression::literal::separated;
use crate::keywords::{quote_name, quote_text};
use crate::parser::{Parser, Parsing};

/// What follows `CREATE [OR REPLACE] STAGE`. The clauses behind the plugin may come in any order, once each.
pub(super) fn create(p: &mut Parser, or_replace: bool) -> Parsing<Statement> {
    let if_not_exists = p.if_not_exists()?;
    let name = p.name("the stage's name")?;
    p.expect("FROM", "and the stream that the stage reads")?;
    let from = p.name("the stream that the stage reads")?;
    p.expect("INTO", "and the stream that the stage writes")?;
    let into = p.list(|p| p.name("a stream that the stage writes"))?;
    let mut properties = property::with(p)?;
    let plugin = plugin::using_plugin(p)?;
    let mut stage = None;
    let mut config = Vec::new();
    let mut grants = Vec::new();
    let mut on_error = None;
    loop {
        if stage.is_none() && p.take("STAGE") {
            stage = Some(p.text_literal("the stage's name in the plugin")?);
        } else if config.is_empty() && p.take("CONFIG") {
            config = property::settings(p, "the stage's settings")?;
        } else if grants.is_empty() && p.take("GRANT") {
            grants = self::grants(p)?;
        } else if on_error.is_none() && p.take("ON") {
            p.expect("ERROR", "after ON")?;
            on_error = Some(p.name("the error policy's name")?);
        } else if properties.is_empty() && p.is("WITH") {
            properties = property::with(p)?;
        } else if p.at_end() {
            break;
        } else {
            let words = ["STAGE", "CONFIG", "GRANT", "ON ERROR", "WITH", "the end of the statement"];
            return Err(p.expected_words(&words, ""));
        }
    }
    let create = CreateStage { or_replace, if_not_exists, name, from, into, properties, plugin, stage, config, grants, on_error };
    Ok(Statement::CreateStage(Box::new(create)))
}

/// `(RANDOM, HTTP TO 'host:443', …)`
pub(super) fn grants(p: &mut Parser) -> Parsing<Vec<Grant>> {
    p.parenthesised("the granted capabilities", |p| {
        let start = p.start();
        let kind = grant(p)?;
        Ok(Grant { kind, span: p.span_from(start) })
    })
}

fn grant(p: &mut Parser) -> Parsing<GrantKind> {
    for (word, kind) in [("RANDOM", GrantKind::Random), ("CLOCK", GrantKind::Clock), ("LOG", GrantKind::Log)] {
        if p.take(word) {
            return Ok(kind);
        }
    }
    if p.take_all(&["KEY", "VALUE"]) {
        return Ok(GrantKind::KeyValue);
    }
    if p.take("HTTP") {
        p.expect("TO", "after HTTP")?;
        return Ok(GrantKind::HttpTo(p.text_literal("the host and port")?.node));
    }
    if p.take("INSERT") {
        p.expect("ON", "after INSERT")?;
        let kind = source_kind(p, "after INSERT ON")?;
        return Ok(GrantKind::InsertOn(kind, p.name("the name of what may be written")?));
    }
    if p.take("QUERY") {
        p.expect("ON", "after QUERY")?;
        let kind = source_kind(p, "after QUERY ON")?;
        return Ok(GrantKind::QueryOn(kind, p.name("the name of what may be read")?));
    }
    let words = ["RANDOM", "CLOCK", "LOG", "KEY VALUE", "HTTP TO", "INSERT ON", "QUERY ON"];
    Err(p.expected_words(&words, "as a capability"))
}

pub(super) fn format(out: &mut String, create: &CreateStage) {
    format_create(out, create.or_replace, "STAGE", create.if_not_exists);
    out.push_str(&format!("{} FROM {} INTO ", quote_name(&create.name.node), quote_name(&create.from.node)));
    separated(out, &create.into, |out, name| out.push_str(&quote_name(&name.node)));
    property::format_with(out, &create.properties);
    out.push_str(&format!(" USING PLUGIN {}", quote_text(&create.plugin.node)));
    if let Some(stage) = &create.stage {
        out.push_str(&format!(" STAGE {}", quote_text(&stage.node)));
    }
    if !create.config.is_empty() {
        out.push_str(" CONFIG ");
        property::format_settings(out, &create.config);
    }
    format_grants(out, "GRANT", &create.grants);
    if let Some(policy) = &create.on_error {
        out.push_str(&format!(" ON ERROR {}", quote_name(&policy.node)));
    }
}

/// ` GRANT (…)` or ` REVOKE (…)`, nothing without grants.
pub(super) fn format_grants(out: &mut String, word: &str, grants: &[Grant]) {
    if grants.is_empty() {
        return;
    }
    out.push_str(&format!(" {word} ("));
    separated(out, grants, |out, grant| match &grant.kind {
        GrantKind::Random => out.push_str("RANDOM"),
        GrantKind::Clock => out.push_str("CLOCK"),
        GrantKind::Log => out.push_str("LOG"),
        GrantKind::KeyValue => out.push_str("KEY VALUE"),
        GrantKind::HttpTo(host) => out.push_str(&format!("HTTP TO {}", quote_text(host))),
        GrantKind::InsertOn(kind, name) => {
            out.push_str(&format!("INSERT ON {} {}", kind_text(*kind), quote_name(&name.node)));
        }
        GrantKind::QueryOn(kind, name) => {
            out.push_str(&format!("QUERY ON {} {}", kind_text(*kind), quote_name(&name.node)));
        }
    });
    out.push(')');
}
