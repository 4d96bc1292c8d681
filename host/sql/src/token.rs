//! Text to tokens. The tokenizer is sqlparser's, taught ksqlDB's identifiers; its tokens become the few kinds that the
//! grammar knows, with byte offsets instead of lines and columns.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token as Raw, Tokenizer};

use crate::error::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword or name. `folded` is upper case unless the word was quoted.
    Word {
        folded: String,
        quoted: bool,
    },
    /// Digits with an optional point and exponent; never a sign.
    Number(String),
    /// A text literal, unescaped.
    Text(String),
    Symbol(Symbol),
    /// The end of the statement's text.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    Comma,
    Semicolon,
    Period,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Concat,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `->`
    Arrow,
    /// `=>`
    LambdaArrow,
    /// `:=`
    Assign,
}

/// A token and the bytes of the text it stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

/// ksqlDB's identifiers: ASCII letters, digits, `_` and `@`, not starting with a digit or `@`; quoted by `"` or backticks.
#[derive(Debug)]
struct Ksql;

impl Dialect for Ksql {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        matches!(ch, '"' | '`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_ascii_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_ascii_alphanumeric() || matches!(ch, '_' | '@')
    }
}

/// The tokens of one statement, comments and white space dropped, an `End` last.
pub(crate) fn tokenize(text: &str) -> Result<Vec<Token>, Fault> {
    let mut offsets = Offsets::new(text);
    let raw = Tokenizer::new(&Ksql, text).tokenize_with_location().map_err(|error| {
        let at = Offsets::new(text).byte(error.location);
        unreadable(text, at, &error.message)
    })?;
    let mut tokens: Vec<Token> = Vec::with_capacity(raw.len() / 2 + 1);
    for token in raw {
        if matches!(token.token, Raw::Whitespace(_)) {
            continue;
        }
        let start = offsets.byte(token.span.start);
        let end = offsets.byte(token.span.end);
        push(&mut tokens, token.token, text, start, end)?;
    }
    tokens.push(Token { kind: TokenKind::End, start: text.len(), end: text.len() });
    Ok(tokens)
}

fn push(tokens: &mut Vec<Token>, raw: Raw, text: &str, start: usize, end: usize) -> Result<(), Fault> {
    let kind = match raw {
        Raw::Word(word) => {
            let quoted = word.quote_style.is_some();
            if !quoted && let Some(before) = tokens.last_mut().filter(|before| before.end == start) {
                match &mut before.kind {
                    // ksqlDB's names may start with digits: `1R`.
                    TokenKind::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                        before.kind = TokenKind::Word { folded: digits.clone() + &word.value.to_ascii_uppercase(), quoted };
                        before.end = end;
                        return Ok(());
                    }
                    TokenKind::Number(number) => {
                        let message =
                            format!("a number ends before a letter: '{number}{}' is neither number nor name", word.value);
                        return Err(Fault { message, start: before.start, end });
                    }
                    TokenKind::Word { folded, quoted: false } if folded.starts_with(|c: char| c.is_ascii_digit()) => {
                        folded.push_str(&word.value.to_ascii_uppercase());
                        before.end = end;
                        return Ok(());
                    }
                    _ => {}
                }
            }
            if quoted && word.value.is_empty() {
                return Err(Fault { message: "a quoted name needs at least one character".into(), start, end });
            }
            TokenKind::Word { folded: if quoted { word.value } else { word.value.to_ascii_uppercase() }, quoted }
        }
        // The tokenizer takes the L of `1L` for a mark of long integers, which SQL does not have.
        Raw::Number(digits, true) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            TokenKind::Word { folded: digits + "L", quoted: false }
        }
        Raw::Number(digits, true) => {
            let message = format!("a number ends before a letter: '{digits}L' is neither number nor name");
            return Err(Fault { message, start, end });
        }
        Raw::Number(digits, false) => TokenKind::Number(digits),
        Raw::SingleQuotedString(value) => TokenKind::Text(value),
        Raw::LParen => TokenKind::Symbol(Symbol::OpenParen),
        Raw::RParen => TokenKind::Symbol(Symbol::CloseParen),
        Raw::LBracket => TokenKind::Symbol(Symbol::OpenBracket),
        Raw::RBracket => TokenKind::Symbol(Symbol::CloseBracket),
        Raw::Comma => TokenKind::Symbol(Symbol::Comma),
        Raw::SemiColon => TokenKind::Symbol(Symbol::Semicolon),
        Raw::Period => TokenKind::Symbol(Symbol::Period),
        Raw::Plus => TokenKind::Symbol(Symbol::Plus),
        Raw::Minus => TokenKind::Symbol(Symbol::Minus),
        Raw::Mul => TokenKind::Symbol(Symbol::Star),
        Raw::Div => TokenKind::Symbol(Symbol::Slash),
        Raw::Mod => TokenKind::Symbol(Symbol::Percent),
        Raw::StringConcat => TokenKind::Symbol(Symbol::Concat),
        Raw::Eq => TokenKind::Symbol(Symbol::Equal),
        Raw::Neq => TokenKind::Symbol(Symbol::NotEqual),
        Raw::Lt => TokenKind::Symbol(Symbol::Less),
        Raw::LtEq => TokenKind::Symbol(Symbol::LessOrEqual),
        Raw::Gt => TokenKind::Symbol(Symbol::Greater),
        Raw::GtEq => TokenKind::Symbol(Symbol::GreaterOrEqual),
        Raw::Arrow => TokenKind::Symbol(Symbol::Arrow),
        Raw::RArrow => TokenKind::Symbol(Symbol::LambdaArrow),
        Raw::Assignment => TokenKind::Symbol(Symbol::Assign),
        // Two closing brackets of nested types.
        Raw::ShiftRight => {
            tokens.push(Token { kind: TokenKind::Symbol(Symbol::Greater), start, end: start + 1 });
            tokens.push(Token { kind: TokenKind::Symbol(Symbol::Greater), start: start + 1, end });
            return Ok(());
        }
        Raw::DoubleEq => return Err(Fault { message: "'==' is no operator here: equality is '='".into(), start, end }),
        _ => return Err(unreadable(text, start, "")),
    };
    tokens.push(Token { kind, start, end });
    Ok(())
}

/// The fault for text that is no token at all.
fn unreadable(text: &str, at: usize, reason: &str) -> Fault {
    let rest = text.get(at..).unwrap_or("");
    let first = rest.chars().next();
    let end = at + first.map_or(0, char::len_utf8);
    let message = match first {
        Some('\'') => "this text literal has no closing quote (a quote inside it is written twice)".into(),
        Some('"' | '`') => "this quoted name has no closing quote".into(),
        _ if reason.contains("multi-line comment") => "a comment that starts with /* has no closing */".into(),
        Some('$') if rest.starts_with("${") => match rest.find('}') {
            Some(close) => format!(
                "the variable {} is not defined: give it a value with DEFINE or with the request's session variables",
                &rest[..=close]
            ),
            None => "a variable is written ${name}".into(),
        },
        Some(c) if !c.is_ascii() => format!("'{c}' cannot stand here: a name with such a letter must be in backticks"),
        Some(c) => format!("'{c}' cannot stand here"),
        None => "the statement ends in the middle of a token".into(),
    };
    Fault { message, start: at, end }
}

/// Turns the tokenizer's lines and columns into byte offsets. Locations must come in ascending order.
struct Offsets<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Offsets<'a> {
        Offsets { text, byte: 0, line: 1, column: 1 }
    }

    fn byte(&mut self, location: Location) -> usize {
        for c in self.text[self.byte..].chars() {
            if (self.line, self.column) >= (location.line, location.column) {
                break;
            }
            self.byte += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_know_their_bytes() {
        let text = "a -- x\r\n  /* y */ 'ä''' >> `b``c`.1";
        let tokens = tokenize(text).expect("valid tokens");
        let pieces: Vec<&str> = tokens.iter().map(|t| &text[t.start..t.end]).collect();
        assert_eq!(pieces, ["a", "'ä'''", ">", ">", "`b``c`", ".1", ""]);
        assert_eq!(tokens[1].kind, TokenKind::Text("ä'".into()));
        assert_eq!(tokens[4].kind, TokenKind::Word { folded: "b`c".into(), quoted: true });
    }

    #[test]
    fn names_may_start_with_digits() {
        for (text, name) in [("1r", "1R"), ("1_000", "1_000"), ("10L", "10L"), ("10Lx", "10LX"), ("2e", "2E")] {
            let tokens = tokenize(text).expect("valid tokens");
            assert_eq!(tokens[0].kind, TokenKind::Word { folded: name.into(), quoted: false });
            assert_eq!((tokens[0].start, tokens[0].end, tokens.len()), (0, text.len(), 2));
        }
    }

    #[test]
    fn what_is_no_token_is_explained() {
        for (text, part) in [
            ("SELECT 'abc", "closing quote"),
            ("SELECT `abc", "closing quote"),
            ("SELECT ä", "backticks"),
            ("SELECT 1.5abc", "ends before a letter"),
            ("SELECT 1.5L", "ends before a letter"),
            ("SELECT ${x}", "${x} is not defined"),
            ("SELECT a == b", "equality is '='"),
            ("SELECT /* a", "closing */"),
            ("SELECT a # b", "'#'"),
        ] {
            let fault = tokenize(text).expect_err(text);
            assert!(fault.message.contains(part), "{text}: {}", fault.message);
        }
    }
}
