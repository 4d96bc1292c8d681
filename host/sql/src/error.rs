//! What is wrong with a text, and where.

use std::fmt;

use crate::Span;

/// A text that is not a statement. `Display` shows the message, the line of the statement and a caret under the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseError {
    /// What is wrong and what to do, without the place.
    pub message: String,
    /// The place in [`ParseError::text`].
    pub span: Span,
    /// Line in the whole script, from 1.
    pub line: u32,
    /// Character in that line, from 1.
    pub column: u32,
    /// The statement with the fault, after variables were substituted.
    pub text: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:{}: {}", self.line, self.column, self.message)?;
        if self.text.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", excerpt(&self.text, self.span))
    }
}

/// The line of `text` that holds the span's start, and a caret under it. For errors of later stages too, whose spans
/// point into [`crate::ast::Parsed::text`].
pub fn excerpt(text: &str, span: Span) -> String {
    let start = floor_boundary(text, span.start as usize);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let end = floor_boundary(text, (span.end as usize).clamp(start, line_end)).max(start);
    // A very long line is cut around the fault, or the caret would be far off any screen.
    let shown_start = floor_boundary(text, start.saturating_sub(EXCERPT_BYTES_BEFORE).max(line_start));
    let shown_end = floor_boundary(text, (start + EXCERPT_BYTES_AFTER).min(line_end)).max(start);
    let line = text[shown_start..shown_end].replace(['\t', '\r'], " ");
    let indent = text[shown_start..start].chars().count();
    let width = text[start..end.min(shown_end)].chars().count().max(1);
    format!("  {line}\n  {}{}", " ".repeat(indent), "^".repeat(width))
}

/// How much of a long line [`excerpt`] shows before and after the fault.
const EXCERPT_BYTES_BEFORE: usize = 120;
const EXCERPT_BYTES_AFTER: usize = 80;

/// The largest character boundary that is not after `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Line and column, both from 1, of a byte offset.
pub(crate) fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..floor_boundary(text, at)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    (line as u32, before[line_start..].chars().count() as u32 + 1)
}

/// A fault while parsing one statement: the message and its place in that statement's text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub message: String,
    pub start: usize,
    pub end: usize,
}

impl Fault {
    /// The error for a statement that starts at `offset` of `script`.
    pub fn into_error(self, text: &str, script: &str, offset: usize) -> ParseError {
        let (first_line, first_column) = line_and_column(script, offset);
        let (line, column) = line_and_column(text, self.start);
        ParseError {
            message: self.message,
            span: Span::new(self.start, self.end),
            line: first_line + line - 1,
            column: if line == 1 { first_column + column - 1 } else { column },
            text: text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_characters() {
        let text = "SELECT 'äö' FORM x";
        let at = text.find("FORM").map_or(0, |at| at);
        assert_eq!(excerpt(text, Span::new(at, at + 4)), "  SELECT 'äö' FORM x\n              ^^^^");
    }

    #[test]
    fn spans_outside_the_text_are_harmless() {
        assert_eq!(excerpt("ä", Span::new(1, 900)), "  ä\n  ^");
        assert_eq!(excerpt("", Span::new(5, 2)), "  \n  ^");
    }

    #[test]
    fn lines_count_through_the_script() {
        let fault = Fault { message: String::new(), start: 7, end: 8 };
        let error = fault.into_error("SELECT\n;", "SHOW STREAMS;\n SELECT\n;", 15);
        assert_eq!((error.line, error.column), (3, 1));
    }
}
