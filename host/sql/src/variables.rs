//! `${name}` in statements.
//!
//! Inside quotes a variable may be any text. Outside it stands for one name or one literal: a value that is more than
//! that could change what the statement does, so that it is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::Fault;
use crate::token::{Symbol, TokenKind, tokenize};

/// Where in a statement a character stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Plain,
    /// Inside quotes, closed by this character.
    Quoted(char),
}

/// The statement with its variables' values. `$${name}` becomes `${name}`; unknown variables stay as they are. Comments
/// are left alone.
pub(crate) fn substitute<'a>(text: &'a str, variables: &BTreeMap<String, String>) -> Result<Cow<'a, str>, Fault> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut place = Place::Plain;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let skipped = match place {
            Place::Plain => comment_bytes(rest),
            Place::Quoted(_) => 0,
        };
        if skipped > 0 {
            out.push_str(&rest[..skipped]);
            at += skipped;
            continue;
        }
        if let Some(name) = rest.strip_prefix('$').and_then(variable) {
            out.push_str("${");
            out.push_str(name);
            out.push('}');
            at += name.len() + 4;
            continue;
        }
        if let Some(name) = variable(rest) {
            let end = at + name.len() + 3;
            match find(variables, name) {
                None => out.push_str(&text[at..end]),
                Some(value) => match place {
                    Place::Plain => {
                        check_plain(name, value).map_err(|message| Fault { message, start: at, end })?;
                        out.push_str(value);
                    }
                    Place::Quoted(quote) => out.push_str(&value.replace(quote, &format!("{quote}{quote}"))),
                },
            }
            at = end;
            continue;
        }
        place = match place {
            Place::Plain if matches!(c, '\'' | '"' | '`') => Place::Quoted(c),
            Place::Quoted(quote) if quote == c => Place::Plain,
            unchanged => unchanged,
        };
        out.push(c);
        at += c.len_utf8();
    }
    Ok(Cow::Owned(out))
}

/// How many bytes of a comment `rest` starts with.
pub(crate) fn comment_bytes(rest: &str) -> usize {
    if rest.starts_with("--") {
        return rest.find('\n').map_or(rest.len(), |end| end + 1);
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        return comment.find("*/").map_or(rest.len(), |end| end + 4);
    }
    0
}

/// The name if `rest` starts with `${name}`.
fn variable(rest: &str) -> Option<&str> {
    let inner = rest.strip_prefix("${")?;
    let name = &inner[..inner.find('}')?];
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@'));
    valid.then_some(name)
}

/// The variable of this name, in any case if none has exactly it.
fn find<'v>(variables: &'v BTreeMap<String, String>, name: &str) -> Option<&'v str> {
    let found = variables.get(name).or_else(|| variables.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v));
    found.map(String::as_str)
}

fn check_plain(name: &str, value: &str) -> Result<(), String> {
    let kinds: Vec<TokenKind> = tokenize(value).map(|tokens| tokens.into_iter().map(|t| t.kind).collect()).unwrap_or_default();
    match kinds.as_slice() {
        [TokenKind::Word { .. } | TokenKind::Number(_) | TokenKind::Text(_), TokenKind::End]
        | [TokenKind::Symbol(Symbol::Minus), TokenKind::Number(_), TokenKind::End]
            if !value.contains("--") && !value.contains("/*") =>
        {
            Ok(())
        }
        _ => Err(format!(
            "the variable ${{{name}}} stands for more than one name or literal: put ${{{name}}} in quotes, or give it another value"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> BTreeMap<String, String> {
        let pairs = [("t", "orders"), ("q", "it's"), ("n", "-5"), ("bad", "x; DROP"), ("s", "'a b'"), ("tick", "a`b")];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn values_take_their_place() {
        for (text, expected) in [
            ("SELECT ${n} FROM ${T}_x;", "SELECT -5 FROM orders_x;"),
            ("'${q} $${q} ${bad}'", "'it''s ${q} x; DROP'"),
            ("`${tick}` ${s}", "`a``b` 'a b'"),
            ("-- ${bad}\n/* ${bad} */ ${t}", "-- ${bad}\n/* ${bad} */ orders"),
            ("${unknown} ${9}", "${unknown} ${9}"),
            ("'a''${t}'", "'a''orders'"),
        ] {
            assert_eq!(substitute(text, &variables()).expect(text), expected);
        }
    }

    #[test]
    fn values_cannot_change_the_statement() {
        let fault = substitute("SELECT ${bad};", &variables()).expect_err("two tokens");
        assert!(fault.message.contains("${bad}"), "{}", fault.message);
        assert_eq!((fault.start, fault.end), (7, 13));
    }
}
