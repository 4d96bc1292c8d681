//! The cursor over a statement's tokens: what every rule of the grammar is written with.

use crate::ast::Name;
use crate::error::Fault;
use crate::keywords::{is_reserved, time_unit};
use crate::token::{Symbol, Token, TokenKind, tokenize};
use crate::{Span, Spanned};

/// How deep rules may nest. Far more than a person writes, and the parser's stack stays under a megabyte.
pub(crate) const NESTING_MAX: usize = 512;

/// How high an expression's tree may be, chains like `a + b + c` included: later stages walk it recursively. A printed
/// tree has at most two nested rules per level, so that it parses again within [`NESTING_MAX`].
pub(crate) const EXPRESSION_HEIGHT_MAX: usize = 250;

/// How many elements a chain of clauses (joins) may have.
pub(crate) const JOINS_MAX: usize = 100;

pub(crate) type Parsing<T> = Result<T, Fault>;

pub(crate) struct Parser<'a> {
    pub text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Where the innermost statement starts: spans count from here.
    base: usize,
    nesting: usize,
    /// Height of the expression that was parsed last.
    pub height: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Parsing<Parser<'a>> {
        Ok(Parser { text, tokens: tokenize(text)?, at: 0, base: 0, nesting: 0, height: 0 })
    }

    pub fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    /// The token `ahead` of the next one; `End` forever after the last.
    pub fn peek_at(&self, ahead: usize) -> &TokenKind {
        &self.token_at(ahead).kind
    }

    pub fn token_at(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Where the next token starts, for [`Parser::span_from`].
    pub fn start(&self) -> usize {
        self.token_at(0).start
    }

    /// Where the last consumed token ended.
    pub fn previous_end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |before| self.tokens[before].end)
    }

    /// The span from `start` to the last consumed token.
    pub fn span_from(&self, start: usize) -> Span {
        let base = self.base;
        Span::new(start.saturating_sub(base), self.previous_end().max(start).saturating_sub(base))
    }

    /// Spans count from here until [`Parser::restore_base`] with the value returned.
    pub fn rebase(&mut self) -> usize {
        let start = self.start();
        std::mem::replace(&mut self.base, start)
    }

    pub fn restore_base(&mut self, base: usize) {
        self.base = base;
    }

    /// Runs a rule one level deeper, or fails where the text nests too deeply.
    pub fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsing<T>) -> Parsing<T> {
        if self.nesting >= NESTING_MAX {
            return Err(self.fault_here("this is nested too deeply: split the statement".into()));
        }
        self.nesting += 1;
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    /// Notes the height of a tree just built, or fails where it is too high.
    pub fn set_height(&mut self, height: usize) -> Parsing<()> {
        self.height = height;
        if height > EXPRESSION_HEIGHT_MAX {
            let message = format!(
                "this expression has more than {EXPRESSION_HEIGHT_MAX} levels: use IN for long lists, or split it over two queries"
            );
            return Err(self.fault_here(message));
        }
        Ok(())
    }

    pub fn fault_here(&self, message: String) -> Fault {
        let token = self.token_at(0);
        Fault { message, start: token.start, end: token.end }
    }

    /// A fault over what was consumed since `start`.
    pub fn fault_from(&self, start: usize, message: String) -> Fault {
        Fault { message, start, end: self.previous_end() }
    }

    /// A fault at the place of a span, whose offsets count from the innermost statement.
    pub fn fault_at(&self, start: usize, end: usize, message: String) -> Fault {
        Fault { message, start: start + self.base, end: end + self.base }
    }

    /// "expected …, found …" at the next token.
    pub fn expected(&self, what: &str) -> Fault {
        self.fault_here(format!("expected {what}, found {}", self.found()))
    }

    /// "expected one of these words", with the nearest suggested where the next word looks misspelt.
    pub fn expected_words(&self, words: &[&str], place: &str) -> Fault {
        let list = match words {
            [] => String::new(),
            [one] => (*one).to_owned(),
            [most @ .., last] => format!("{} or {last}", most.join(", ")),
        };
        self.expected_one_of(words, &format!("{list}{}{place}", if place.is_empty() { "" } else { " " }))
    }

    /// "expected …", with the nearest of the words suggested where the next word looks misspelt.
    pub fn expected_one_of(&self, words: &[&str], what: &str) -> Fault {
        let mut fault = self.expected(what);
        if let TokenKind::Word { folded, quoted: false } = self.peek()
            && let Some(word) = nearest(folded, words)
        {
            fault.message.push_str(&format!(". Did you mean {word}?"));
        }
        fault
    }

    /// The word before the next token and the clause it probably meant, where it was taken for an alias.
    pub fn misspelt_before(&self) -> Option<(String, &'static str)> {
        const CLAUSES: &[&str] = &["WHERE", "WINDOW", "GROUP", "HAVING", "PARTITION", "EMIT", "LIMIT", "JOIN", "WITH", "WITHIN"];
        let before = &self.tokens[self.at.checked_sub(1)?];
        let TokenKind::Word { folded, quoted: false } = &before.kind else { return None };
        if is_reserved(folded) {
            return None;
        }
        nearest(folded, CLAUSES).map(|clause| (self.text[before.start..before.end].to_owned(), clause))
    }

    fn found(&self) -> String {
        let token = self.token_at(0);
        if token.kind == TokenKind::End {
            return "the end of the statement".into();
        }
        let text = &self.text[token.start..token.end];
        let short: String = text.chars().take(FOUND_CHARS_MAX).collect();
        let dots = if short.len() < text.len() { "…" } else { "" };
        match token.kind {
            TokenKind::Text(_) => format!("the text {short}{dots}"),
            _ => format!("'{short}{dots}'"),
        }
    }

    /// Is the next token this keyword, unquoted?
    pub fn is(&self, word: &str) -> bool {
        self.is_at(0, word)
    }

    pub fn is_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), TokenKind::Word { folded, quoted: false } if folded == word)
    }

    /// Are the next tokens these keywords?
    pub fn are(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.is_at(ahead, word))
    }

    /// Consumes the keyword if it is next.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.advance();
        }
        found
    }

    /// Consumes all the keywords if they are next.
    pub fn take_all(&mut self, words: &[&str]) -> bool {
        let found = self.are(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Consumes the keyword; `place` tells where it was expected: "after the select list".
    pub fn expect(&mut self, word: &str, place: &str) -> Parsing<()> {
        if self.take(word) { Ok(()) } else { Err(self.expected_words(&[word], place)) }
    }

    /// Consumes `IF NOT EXISTS` if it is next.
    pub fn if_not_exists(&mut self) -> Parsing<bool> {
        if !(self.is("IF") && self.is_at(1, "NOT")) {
            return Ok(false);
        }
        self.advance();
        self.advance();
        self.expect("EXISTS", "after IF NOT")?;
        Ok(true)
    }

    /// Consumes `IF EXISTS` if it is next.
    pub fn if_exists(&mut self) -> bool {
        self.take_all(&["IF", "EXISTS"])
    }

    pub fn is_symbol(&self, symbol: Symbol) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub fn is_symbol_at(&self, ahead: usize, symbol: Symbol) -> bool {
        *self.peek_at(ahead) == TokenKind::Symbol(symbol)
    }

    pub fn take_symbol(&mut self, symbol: Symbol) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// Consumes the symbol; `what` names it and its place: "')' after the columns".
    pub fn expect_symbol(&mut self, symbol: Symbol, what: &str) -> Parsing<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Is the next token the statement's end?
    pub fn at_end(&self) -> bool {
        self.is_symbol(Symbol::Semicolon) || *self.peek() == TokenKind::End
    }

    /// Can the next token be a name? Reserved words cannot.
    pub fn is_name(&self) -> bool {
        matches!(self.peek(), TokenKind::Word { folded, quoted } if *quoted || !is_reserved(folded))
    }

    /// A name: an identifier folded to upper case, or a quoted one as it stands.
    pub fn name(&mut self, what: &str) -> Parsing<Name> {
        let start = self.start();
        match self.peek() {
            TokenKind::Word { folded, quoted } if *quoted || !is_reserved(folded) => {
                let node = folded.clone();
                self.advance();
                Ok(Spanned { node, span: self.span_from(start) })
            }
            TokenKind::Word { .. } => {
                let word = &self.text[self.start()..self.token_at(0).end];
                Err(self.fault_here(format!(
                    "expected {what}, found '{word}', which is a reserved word: as a name it must be written `{word}`"
                )))
            }
            TokenKind::Text(_) => {
                Err(self.fault_here(format!("expected {what}, found {}: names are quoted with backticks", self.found())))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A name that keeps its case: a word, a quoted word, a text, or words joined by `-` and `.` without spaces.
    pub fn resource_name(&mut self, what: &str) -> Parsing<Name> {
        let start = self.start();
        if let TokenKind::Text(text) = self.peek() {
            let node = text.clone();
            self.advance();
            return Ok(Spanned { node, span: self.span_from(start) });
        }
        if let TokenKind::Word { folded, quoted: true } = self.peek() {
            let node = folded.clone();
            self.advance();
            return Ok(Spanned { node, span: self.span_from(start) });
        }
        if !matches!(self.peek(), TokenKind::Word { .. } | TokenKind::Number(_)) {
            return Err(self.expected(what));
        }
        let mut pieces = 1;
        while self.token_at(pieces).start == self.token_at(pieces - 1).end
            && matches!(
                self.peek_at(pieces),
                TokenKind::Word { quoted: false, .. } | TokenKind::Number(_) | TokenKind::Symbol(Symbol::Minus | Symbol::Period)
            )
        {
            pieces += 1;
        }
        if pieces == 1 {
            // A single word follows the rules of names, so that `PRINT FROM BEGINNING` is an error.
            let span = self.name(what)?.span;
            return Ok(Spanned { node: self.text[start..self.previous_end()].to_owned(), span });
        }
        for _ in 0..pieces {
            self.advance();
        }
        Ok(Spanned { node: self.text[start..self.previous_end()].to_owned(), span: self.span_from(start) })
    }

    /// A text literal.
    pub fn text_literal(&mut self, what: &str) -> Parsing<Spanned<String>> {
        let start = self.start();
        if let TokenKind::Text(text) = self.peek() {
            let node = text.clone();
            self.advance();
            return Ok(Spanned { node, span: self.span_from(start) });
        }
        Err(self.fault_here(format!("expected {what} in single quotes, found {}", self.found())))
    }

    /// A whole number that is not negative.
    pub fn whole_number(&mut self, what: &str) -> Parsing<Spanned<u64>> {
        let start = self.start();
        if let TokenKind::Number(digits) = self.peek()
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            let Ok(node) = digits.parse::<u64>() else {
                return Err(self.fault_here(format!("{digits} is too large for {what}")));
            };
            if i64::try_from(node).is_err() {
                return Err(self.fault_here(format!("{digits} is too large for {what}")));
            }
            self.advance();
            return Ok(Spanned { node, span: self.span_from(start) });
        }
        Err(self.expected(&format!("a whole number for {what}")))
    }

    /// `5 MINUTES`: milliseconds.
    pub fn duration(&mut self, what: &str) -> Parsing<i64> {
        let start = self.start();
        let number = self.whole_number(what)?.node;
        let unit = match self.peek() {
            TokenKind::Word { folded, quoted: false } => time_unit(folded),
            _ => None,
        };
        let Some((_, unit_ms)) = unit else {
            let words: Vec<&str> = crate::keywords::TIME_UNITS.iter().map(|(_, many, _)| *many).collect();
            return Err(self.expected_words(&words, &format!("after the number of {what}")));
        };
        self.advance();
        i64::try_from(number)
            .ok()
            .and_then(|n| n.checked_mul(unit_ms))
            .ok_or_else(|| self.fault_from(start, format!("{what} is longer than 292 million years")))
    }

    /// `element (, element)*`
    pub fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parsing<T>) -> Parsing<Vec<T>> {
        let mut elements = vec![element(self)?];
        while self.take_symbol(Symbol::Comma) {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// `( element (, element)* )`; `what` names the whole: "the columns".
    pub fn parenthesised<T>(&mut self, what: &str, element: impl FnMut(&mut Self) -> Parsing<T>) -> Parsing<Vec<T>> {
        self.expect_symbol(Symbol::OpenParen, &format!("'(' before {what}"))?;
        let elements = self.list(element)?;
        self.expect_symbol(Symbol::CloseParen, &format!("',' or ')' after {what}"))?;
        Ok(elements)
    }
}

/// How much of a long token an error message quotes.
const FOUND_CHARS_MAX: usize = 40;

/// The word that `found` was probably meant to be.
fn nearest<'w>(found: &str, words: &[&'w str]) -> Option<&'w str> {
    words
        .iter()
        .map(|word| (distance(found, word), *word))
        .filter(|(d, word)| *d > 0 && *d <= 2 && word.len() > 2 && *d * 2 < word.len() + 1)
        .min_by_key(|(d, _)| *d)
        .map(|(_, word)| word)
}

/// How many letters must be changed, added, dropped or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().take(32).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut cost = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(rows[i - 2][j - 2] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour() {
        assert_eq!(nearest("FORM", &["WHERE", "FROM"]), Some("FROM"));
        assert_eq!(nearest("SELEC", &["SELECT", "SET"]), Some("SELECT"));
        assert_eq!(nearest("BANANA", &["SELECT", "SET"]), None);
    }
}
