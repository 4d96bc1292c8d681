//! From a script to its statements, and the ways in and out of this crate.

use std::collections::BTreeMap;

use crate::ast::{Expr, Parsed, Statement, TypeName};
use crate::error::{Fault, ParseError};
use crate::expression::expression;
use crate::parser::{Parser, Parsing};
use crate::token::Symbol;
use crate::variables::{comment_bytes, substitute};
use crate::{expression as expressions, statement as statements, types};

/// Largest script in bytes. Scripts are written by people; anything larger is a mistake that would only cost memory.
pub const SCRIPT_BYTES_MAX: usize = 16 << 20;

/// Largest statement in bytes, variables put in.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// All statements of a script. `${name}` is replaced by the value of `variables`; DEFINE and UNDEFINE in the script act
/// on the statements after them.
pub fn parse(text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<Parsed>, ParseError> {
    if text.len() > SCRIPT_BYTES_MAX {
        let message = format!("the script has {} bytes, at most {SCRIPT_BYTES_MAX} are read: split it", text.len());
        return Err(Fault { message, start: 0, end: 0 }.into_error("", "", 0));
    }
    let mut variables = variables.clone();
    let mut parsed = Vec::new();
    let mut rest = split_statements(text);
    while let Some((start, end)) = rest.next_range() {
        let raw = &text[start..end];
        let substituted = substitute(raw, &variables).map_err(|fault| fault.into_error(raw, text, start))?;
        let one = one_statement(&substituted, true).map_err(|fault| fault.into_error(&substituted, text, start))?;
        match &one.statement {
            Statement::Define { variable, value } => {
                variables.insert(variable.clone(), value.clone());
            }
            Statement::Undefine { variable } => {
                variables.remove(variable);
            }
            _ => {}
        }
        parsed.push(one);
    }
    Ok(parsed)
}

/// Exactly one statement; its semicolon may be missing. No variables are replaced.
pub fn parse_statement(text: &str) -> Result<Parsed, ParseError> {
    one_statement(text, false).map_err(|fault| fault.into_error(text, text, 0))
}

/// Exactly one expression.
pub fn parse_expression(text: &str) -> Result<Expr, ParseError> {
    whole(text, expression)
}

/// Exactly one type.
pub fn parse_type(text: &str) -> Result<TypeName, ParseError> {
    whole(text, types::type_name)
}

fn whole<T>(text: &str, rule: fn(&mut Parser) -> Parsing<T>) -> Result<T, ParseError> {
    let read = || {
        check_size(text)?;
        let mut p = Parser::new(text)?;
        let result = rule(&mut p)?;
        if *p.peek() == crate::token::TokenKind::End { Ok(result) } else { Err(p.expected("the end of the text")) }
    };
    read().map_err(|fault: Fault| fault.into_error(text, text, 0))
}

fn check_size(text: &str) -> Parsing<()> {
    if text.len() <= STATEMENT_BYTES_MAX {
        return Ok(());
    }
    let message = format!("the statement has {} bytes, at most {STATEMENT_BYTES_MAX} are read", text.len());
    Err(Fault { message, start: 0, end: 0 })
}

fn one_statement(text: &str, needs_semicolon: bool) -> Parsing<Parsed> {
    check_size(text)?;
    let mut p = Parser::new(text)?;
    let start = p.start();
    p.rebase();
    let statement = statements::statement(&mut p)?;
    if !p.at_end() {
        return Err(p.unexpected_rest());
    }
    if !p.take_symbol(Symbol::Semicolon) && needs_semicolon {
        return Err(p.fault_here("the statement has no ';' at its end".into()));
    }
    let end = p.previous_end();
    if *p.peek() != crate::token::TokenKind::End {
        return Err(p.expected("one statement only"));
    }
    Ok(Parsed { statement, text: text[start..end].to_owned() })
}

/// The texts of a script's statements, each with its semicolon, without the comments and white space around them. What
/// follows the last semicolon is the last text. Quotes and comments may hold semicolons.
pub fn split_statements(text: &str) -> Statements<'_> {
    Statements { text, at: 0 }
}

/// See [`split_statements`].
#[derive(Clone, Debug)]
pub struct Statements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Statements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.next_range().map(|(start, end)| &self.text[start..end])
    }
}

impl Statements<'_> {
    /// Where the next statement starts and ends.
    pub(crate) fn next_range(&mut self) -> Option<(usize, usize)> {
        let mut start = None;
        // The end of the last character that is neither comment nor white space.
        let mut end = self.at;
        let mut quote: Option<char> = None;
        while let Some(c) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            let skipped = if quote.is_none() { comment_bytes(rest) } else { 0 };
            if skipped > 0 && rest.starts_with("/*") && !rest[2..].contains("*/") {
                // Nobody means to leave out what follows: the parser says what is missing.
                start = start.or(Some(self.at));
                self.at = self.text.len();
                end = self.at;
                break;
            }
            if skipped > 0 {
                self.at += skipped;
                continue;
            }
            let at = self.at;
            self.at += c.len_utf8();
            if quote.is_none() && c.is_whitespace() {
                continue;
            }
            start = start.or(Some(at));
            end = self.at;
            match quote {
                Some(open) if open == c => quote = None,
                Some(_) => {}
                None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
                None if c == ';' => break,
                None => {}
            }
        }
        start.map(|start| (start, end))
    }
}

/// The statement's canonical text, as ksqlDB lays it out, with a semicolon. Parsing it gives an equal tree.
pub fn format_statement(statement: &Statement) -> String {
    let mut out = String::new();
    statements::format(&mut out, statement);
    out.push(';');
    out
}

/// The expression as ksqlDB prints it: each operator in parentheses.
pub fn format_expression(expr: &Expr) -> String {
    let mut out = String::new();
    expressions::text::format(&mut out, expr);
    out
}

/// The type as ksqlDB prints it.
pub fn format_type(ty: &TypeName) -> String {
    let mut out = String::new();
    types::format_type(&mut out, ty);
    out
}

impl Parser<'_> {
    /// The fault for what follows a statement that was complete.
    fn unexpected_rest(&self) -> Fault {
        let mut fault = self.expected("';' at the end of the statement");
        if let Some((word, meant)) = self.misspelt_before() {
            fault.message.push_str(&format!(". Did you mean {meant} instead of '{word}'?"));
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn scripts_split_at_semicolons_outside_quotes() {
        let text = " -- a;b\n SELECT ';' FROM `;` /* ; */ ;\n\nSHOW STREAMS;-- end\n DROP -- x";
        let parts: Vec<&str> = split_statements(text).collect();
        assert_eq!(parts, ["SELECT ';' FROM `;` /* ; */ ;", "SHOW STREAMS;", "DROP"]);
        assert_eq!(split_statements(" \n-- only\n/* comments */").count(), 0);
        assert_eq!(split_statements("SHOW STREAMS; /* DROP STREAM a;").nth(1), Some("/* DROP STREAM a;"));
    }

    #[test]
    fn statements_know_their_text_and_spans() {
        let parsed = parse("SHOW STREAMS; /* x */ DROP STREAM a ; ", &BTreeMap::new()).expect("a script");
        assert_eq!(parsed[1].text, "DROP STREAM a ;");
        let Statement::DropSource(source) = &parsed[1].statement else { panic!("not a DROP") };
        let Span { start, end } = source.name.span;
        assert_eq!(&parsed[1].text[start as usize..end as usize], "a");
    }

    #[test]
    fn variables_defined_in_a_script_act_after() {
        let parsed = parse("DEFINE t='x'; DROP STREAM ${t}; UNDEFINE t;", &BTreeMap::new()).expect("a script");
        assert_eq!(parsed[1].text, "DROP STREAM x;");
        assert!(parse("DROP STREAM ${t}; DEFINE t='x';", &BTreeMap::new()).is_err());
    }

    #[test]
    fn errors_know_their_place_in_the_script() {
        let error = parse("SHOW STREAMS;\n  SELECT a\n  FORM b;", &BTreeMap::new()).expect_err("misspelt");
        assert_eq!((error.line, error.column), (3, 3));
        assert_eq!(error.text, "SELECT a\n  FORM b;");
        assert!(error.to_string().ends_with("\n    FORM b;\n    ^^^^"), "{error}");
    }

    #[test]
    fn huge_input_is_refused() {
        let text = format!("SELECT '{}' FROM a;", "x".repeat(STATEMENT_BYTES_MAX));
        assert!(parse(&text, &BTreeMap::new()).is_err());
        assert!(parse(&" ".repeat(SCRIPT_BYTES_MAX + 1), &BTreeMap::new()).is_err());
    }

    #[test]
    fn deep_input_is_refused_without_overflow() {
        for text in [
            format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)),
            format!("{}1", "- ".repeat(100_000)),
            format!("{}1", "NOT ".repeat(100_000)),
            format!("1{}", " + 1".repeat(100_000)),
            format!("a{}", "->a".repeat(100_000)),
            format!("{}1", "f(x => ".repeat(100_000)),
            format!("{}1", "CASE WHEN ".repeat(100_000)),
            format!("CAST(1 AS {}INT{})", "ARRAY<".repeat(100_000), ">".repeat(100_000)),
        ] {
            let error = parse_expression(&text).expect_err("too deep");
            assert!(error.message.contains("nested too deeply") || error.message.contains("levels"), "{}", error.message);
        }
        assert!(parse_statement(&"EXPLAIN ".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_deep_but_allowed_prints_and_reads_back() {
        for text in [
            format!("1{}", " + 1".repeat(240)),
            format!("{}1", "f(1 + ".repeat(120)) + &")".repeat(120),
            format!("{}1{}", "1 + (".repeat(240), ")".repeat(240)),
            format!("{}a", "- ".repeat(240)),
        ] {
            let expr = parse_expression(&text).expect("within the limits");
            assert_eq!(parse_expression(&format_expression(&expr)).expect("printed text"), expr);
        }
    }
}
