//! `REGEXP_REPLACE(text, pattern, replacement)`.

use calzone_types::{SqlType, Value};
use fancy_regex::{Captures, Regex};

use super::dialect::compile;
use super::stopped;
use crate::definition::category;
use crate::evaluate::{check_size, per_row_of_values};
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("str", SqlType::Varchar), ("regexp", SqlType::Varchar), ("newStr", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "REGEXP_REPLACE",
        category::REGULAR_EXPRESSION,
        "The text with every match of a regular expression replaced. In newStr, $1 or ${name} stand for what a group matched, \
         and a backslash takes the meaning from the character behind it.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::Varchar), |binding| {
            let mut patterns = Cached::new(compile);
            per_row_of_values(&binding.returns, move |values| {
                match (values[0].as_str(), values[1].as_str(), values[2].as_str()) {
                    (Some(text), Some(pattern), Some(with)) => replace(patterns.get(pattern)?, text, with).map(Value::Varchar),
                    _ => Ok(Value::Null),
                }
            })
        })],
        &[("REGEXP_REPLACE('a1b22', '\\d+', '#')", "\"a#b#\"")],
    )
}

fn replace(regex: &Regex, text: &str, with: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for captures in regex.captures_iter(text) {
        let captures = captures.map_err(stopped)?;
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[copied..whole.start()]);
        expand(&captures, with, &mut out)?;
        check_size(out.len())?;
        copied = whole.end();
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

/// Appends the replacement of one match.
fn expand(captures: &Captures<'_, str>, with: &str, out: &mut String) -> Result<(), String> {
    let fault = |reason: &str| format!("The replacement '{with}' is not valid: {reason}.");
    let mut rest = with;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let literal = rest.chars().next().ok_or_else(|| fault("nothing follows the backslash"))?;
                out.push(literal);
                rest = &rest[literal.len_utf8()..];
            }
            '$' => {
                let group = if let Some(named) = rest.strip_prefix('{') {
                    let (name, after) = named.split_once('}').ok_or_else(|| fault("'}' is missing"))?;
                    rest = after;
                    captures.name(name)
                } else {
                    // As many digits as still name a group; the first always counts.
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let number = |length: usize| rest.get(..length)?.parse::<usize>().ok();
                    let length = (1..=digits).rev().find(|l| *l == 1 || number(*l).is_some_and(|n| n < captures.len()));
                    let group =
                        length.and_then(number).filter(|n| *n < captures.len()).ok_or_else(|| fault("there is no such group"))?;
                    rest = &rest[length.unwrap_or(0)..];
                    captures.get(group)
                };
                out.push_str(group.map_or("", |found| found.as_str()));
            }
            other => out.push(other),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn groups_stand_in_the_replacement() {
        for (input, pattern, with, expected) in [
            ("baababaa", "(ab)+", "-", "ba-aa"),
            ("ab", "(a)(b)", "$2$1$10", "baa0"),
            ("ab", "(?<x>a)", "${x}!", "a!b"),
            ("ab", "a", r"\$1", "$1b"),
            ("ab", "", "-", "-a-b-"),
            ("ab", "(c)?b", "[$1]", "a[]"),
        ] {
            check(definition, &[(&[text(input), text(pattern), text(with)], text(expected))]);
        }
        let case = |with: &str| [text("a"), text("a"), text(with)];
        check_fails(definition, &[&case("$1"), &case("$"), &case("\\"), &case("${")]);
    }
}
