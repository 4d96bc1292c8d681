//! LIKE.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_buffer::BooleanBuffer;

use super::{Node, Outcome, Scope, also, booleans};

/// `%` is any text, `_` one character, the escape character makes the next one literal. Null operands do not match.
pub(super) fn like(operand: &mut Node, pattern: &mut Node, escape: Option<char>, scope: &Scope<'_>) -> Outcome {
    let (operand, pattern) = (operand.evaluate(scope), pattern.evaluate(scope));
    let matched = match (operand.column.as_string_opt::<i32>(), pattern.column.as_string_opt::<i32>()) {
        (Some(texts), Some(patterns)) => {
            // Patterns are mostly one literal: it is compiled once for the rows in a row that share it.
            let mut compiled: (Option<&str>, Vec<Token>) = (None, Vec::new());
            BooleanBuffer::collect_bool(scope.len, |row| {
                if texts.is_null(row) || patterns.is_null(row) {
                    return false;
                }
                let pattern = patterns.value(row);
                if compiled.0 != Some(pattern) {
                    compiled = (Some(pattern), tokens(pattern, escape));
                }
                matches(texts.value(row), &compiled.1)
            })
        }
        _ => BooleanBuffer::new_unset(scope.len),
    };
    Outcome { column: booleans(matched, None), errors: also(operand.errors, pattern.errors) }
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Character(char),
    One,
    Any,
}

fn tokens(pattern: &str, escape: Option<char>) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            c if Some(c) == escape => Token::Character(characters.next().unwrap_or(c)),
            '%' => Token::Any,
            '_' => Token::One,
            c => Token::Character(c),
        });
    }
    tokens
}

/// Greedy matching: only the last `%` seen is ever tried again, so the cost is at most text times pattern.
fn matches(text: &str, tokens: &[Token]) -> bool {
    let mut rest = text.chars();
    let mut at = 0;
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if tokens.get(at) == Some(&Token::Any) {
            at += 1;
            retry = Some((at, rest.clone()));
            continue;
        }
        let mut ahead = rest.clone();
        let fits = match (ahead.next(), tokens.get(at)) {
            (None, None) => return true,
            (Some(c), Some(Token::Character(expected))) => c == *expected,
            (Some(_), Some(Token::One)) => true,
            _ => false,
        };
        if fits {
            rest = ahead;
            at += 1;
            continue;
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        at = *after;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_as_in_sql() {
        for (text, pattern, escape, expected) in [
            ("", "", None, true),
            ("", "%", None, true),
            ("abc", "a%", None, true),
            ("abc", "%c", None, true),
            ("abc", "a_c", None, true),
            ("abc", "a_", None, false),
            ("aXbXc", "a%b%c", None, true),
            ("abab", "%ab", None, true),
            ("100%", "100!%", Some('!'), true),
            ("1000", "100!%", Some('!'), false),
            ("äöü", "_ö_", None, true),
            ("abc", "%d%", None, false),
        ] {
            assert_eq!(matches(text, &tokens(pattern, escape)), expected, "{text} LIKE {pattern}");
        }
    }
}
