//! `WITH (name = literal, …)`, and the settings of plugins, written likewise.

use crate::ast::{Name, Property};
use crate::expression::literal::{format_value, literal, separated};
use crate::keywords::{quote_resource, quote_text};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};
use crate::{Span, Spanned};

/// `WITH (…)` if it is next, else nothing.
pub(super) fn with(p: &mut Parser) -> Parsing<Vec<Property>> {
    if p.take("WITH") { properties(p, "the properties of WITH", false) } else { Ok(Vec::new()) }
}

/// `(name = literal, …)` with names as written: settings belong to plugins, whose words have a case.
pub(super) fn settings(p: &mut Parser, what: &str) -> Parsing<Vec<Property>> {
    properties(p, what, true)
}

fn properties(p: &mut Parser, what: &str, keep_case: bool) -> Parsing<Vec<Property>> {
    if p.is_symbol(Symbol::OpenParen) && p.is_symbol_at(1, Symbol::CloseParen) {
        p.advance();
        return Err(p.fault_here(format!("{what} are missing: leave the clause out, or write (name = value)")));
    }
    let properties = p.parenthesised(what, |p| {
        let name = property_name(p, keep_case)?;
        p.expect_symbol(Symbol::Equal, &format!("'=' after the property {}", name.node))?;
        let value = literal(p, &name.node)?;
        Ok(Property { name, value })
    })?;
    for (i, property) in properties.iter().enumerate() {
        if properties[..i].iter().any(|before| before.name.node.eq_ignore_ascii_case(&property.name.node)) {
            let Span { start, end } = property.name.span;
            let message = format!("the property {} is given twice", property.name.node);
            return Err(p.fault_at(start as usize, end as usize, message));
        }
    }
    Ok(properties)
}

fn property_name(p: &mut Parser, keep_case: bool) -> Parsing<Name> {
    let start = p.start();
    match p.peek() {
        TokenKind::Text(text) => {
            let node = text.clone();
            p.advance();
            Ok(Spanned { node, span: p.span_from(start) })
        }
        TokenKind::Word { quoted: false, .. } if keep_case => {
            let span = p.name("a property's name")?.span;
            Ok(Spanned { node: p.text[start..p.previous_end()].to_owned(), span })
        }
        _ => p.name("a property's name"),
    }
}

/// ` WITH (…)`, nothing without properties.
pub(super) fn format_with(out: &mut String, properties: &[Property]) {
    if !properties.is_empty() {
        out.push_str(" WITH ");
        format(out, properties, false);
    }
}

pub(super) fn format_settings(out: &mut String, properties: &[Property]) {
    format(out, properties, true);
}

fn format(out: &mut String, properties: &[Property], keep_case: bool) {
    out.push('(');
    separated(out, properties, |out, property| {
        let name = property.name.node.as_str();
        let plain = quote_resource(name);
        // A word in lower case would be folded, so that it is a text unless case is kept.
        let folds = !keep_case && name.contains(|c: char| c.is_ascii_lowercase());
        out.push_str(&if folds { quote_text(name) } else { plain });
        out.push('=');
        format_value(out, &property.value.value);
    });
    out.push(')');
}
