//! Where the values of a JSON text begin and end.

use std::borrow::Cow;
use std::fmt;

use super::fields::QuotedName;
use super::lane;
use super::plain::{digits_len, plain_len};

/// Deepest nesting of arrays and objects that is read: what ksqlDB's JSON library allows. Skipping needs one bit a level.
pub const NESTING_MAX: usize = 1000;

/// Walks over a JSON text and checks it on the way.
#[derive(Clone, Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value inside a text, from `start` up to `end`; of a string without its quotes. Like [`SyntaxError`] it is kept small,
/// so that both are returned in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    /// A number without fraction and exponent.
    Integral,
    Fractional,
    /// A string that stands for itself.
    Text,
    /// A string with escapes.
    EscapedText,
    Object,
    Array,
}

/// The text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    at: u32,
    expected: Expected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Value,
    Digit,
    ClosingQuote,
    EscapedControl,
    KnownEscape,
    Name,
    Colon,
    CommaOrBrace,
    CommaOrBracket,
    LessNesting,
    End,
    SmallerText,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match self.expected {
            Expected::Value => "a value",
            Expected::Digit => "a digit",
            Expected::ClosingQuote => "a closing quote",
            Expected::EscapedControl => "an escape in place of a control character",
            Expected::KnownEscape => "a known escape",
            Expected::Name => "a field name in quotes",
            Expected::Colon => "a colon",
            Expected::CommaOrBrace => "a comma or a closing brace",
            Expected::CommaOrBracket => "a comma or a closing bracket",
            Expected::LessNesting => "no deeper nesting",
            Expected::End => "the end of the text",
            Expected::SmallerText => "a text of less than 4 GiB",
        };
        write!(f, "Not valid JSON: expected {expected} at byte {}.", self.at)
    }
}

impl From<SyntaxError> for String {
    fn from(error: SyntaxError) -> String {
        error.to_string()
    }
}

impl Kind {
    /// What a user calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::True | Kind::False => "a boolean",
            Kind::Integral | Kind::Fractional => "a number",
            Kind::Text | Kind::EscapedText => "a string",
            Kind::Object => "an object",
            Kind::Array => "an array",
        }
    }
}

impl Span {
    pub(super) fn raw<'a>(&self, text: &'a str) -> &'a str {
        // The ends are next to ASCII characters, so they lie on boundaries of characters.
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The content of a string.
    pub(super) fn string<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.kind {
            Kind::EscapedText => Cow::Owned(unescape(self.raw(text))),
            _ => Cow::Borrowed(self.raw(text)),
        }
    }
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Result<Scanner<'a>, SyntaxError> {
        let small = u32::try_from(text.len()).is_ok();
        if small { Ok(Scanner { text, at: 0 }) } else { Err(SyntaxError { at: u32::MAX, expected: Expected::SmallerText }) }
    }

    /// A scanner that stands at the value of `span`.
    pub(super) fn inside(text: &'a str, span: &Span) -> Scanner<'a> {
        Scanner { text, at: span.start as usize }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The next character that is no blank; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        match self.byte() {
            byte if byte > b' ' => byte,
            _ => self.peek_after_blanks(),
        }
    }

    #[inline(never)]
    fn peek_after_blanks(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return other,
            }
        }
    }

    /// There must be nothing but blanks from here.
    pub(super) fn end(&mut self) -> Result<(), SyntaxError> {
        if self.peek() == 0 && self.at == self.text.len() { Ok(()) } else { Err(self.error(Expected::End)) }
    }

    /// Passes an opening brace or bracket, which [`Scanner::peek`] has seen.
    pub(super) fn open(&mut self) {
        self.at += 1;
    }

    /// Inside an object: passes the next name with its colon and returns the name, or passes the closing brace and
    /// returns None. The caller passes the value. `first` starts as true.
    #[inline]
    pub(super) fn next_name(&mut self, first: &mut bool) -> Result<Option<Span>, SyntaxError> {
        match self.peek() {
            b'}' => {
                self.at += 1;
                return Ok(None);
            }
            b',' if !*first => self.at += 1,
            _ if *first => {}
            _ => return Err(self.error(Expected::CommaOrBrace)),
        }
        *first = false;
        self.name().map(Some)
    }

    /// What [`Scanner::next_name`] would find: passes `name` and its colon if they are next.
    /// `first` is as for that.
    #[inline]
    pub(super) fn pass_name(&mut self, name: &QuotedName, first: &mut bool) -> bool {
        let start = self.at;
        // Mostly there are no blanks.
        if *first || self.byte() == b',' {
            let at = start + usize::from(!*first);
            if name.starts(self.text.as_bytes().get(at..).unwrap_or_default()) {
                self.at = at + name.len();
                *first = false;
                return true;
            }
        }
        if !*first && self.peek() == b',' {
            self.at += 1;
        } else if !*first {
            return false;
        }
        self.peek();
        if name.starts(self.rest()) {
            self.at += name.len();
            *first = false;
            return true;
        }
        self.at = start;
        false
    }

    /// Inside an array: true before an element, which the caller passes; false after passing the closing bracket.
    pub(super) fn next_element(&mut self, first: &mut bool) -> Result<bool, SyntaxError> {
        match self.peek() {
            b']' if *first => {
                self.at += 1;
                return Ok(false);
            }
            b']' => {
                self.at += 1;
                return Ok(false);
            }
            b',' if !*first => self.at += 1,
            _ if *first => {}
            _ => return Err(self.error(Expected::CommaOrBracket)),
        }
        *first = false;
        Ok(true)
    }

    /// Passes a whole value.
    #[inline(always)]
    pub(super) fn value(&mut self) -> Result<Span, SyntaxError> {
        let (bytes, at) = (self.text.as_bytes(), self.at);
        match self.byte() {
            b'"' => {
                if let Some(end) = lane::string_end(bytes, at) {
                    self.at = end + 1;
                    return Ok(self.span(at + 1, end, Kind::Text));
                }
            }
            b'1'..=b'9' => {
                if let Some((end, kind)) = lane::number_end(bytes, at) {
                    self.at = end;
                    return Ok(self.span(at, end, kind));
                }
            }
            b'{' => {
                if let Some(end) = lane::flat_object_end(bytes, at) {
                    self.at = end;
                    return Ok(self.span(at, end, Kind::Object));
                }
            }
            _ => {}
        }
        self.any_value()
    }

    #[inline(never)]
    fn any_value(&mut self) -> Result<Span, SyntaxError> {
        match self.peek() {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' | b'[' => self.container(),
            _ => self.literal(),
        }
    }

    #[inline]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// What has not been passed.
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[cold]
    fn error(&self, expected: Expected) -> SyntaxError {
        SyntaxError { at: self.at as u32, expected }
    }

    #[inline]
    fn span(&self, start: usize, end: usize, kind: Kind) -> Span {
        // The text has less than 4 GiB, see `new`.
        Span { start: start as u32, end: end as u32, kind }
    }

    #[inline]
    fn name(&mut self) -> Result<Span, SyntaxError> {
        if self.peek() != b'"' {
            return Err(self.error(Expected::Name));
        }
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    /// Passes a field name and its colon.
    #[inline]
    fn skip_name(&mut self) -> Result<(), SyntaxError> {
        if self.peek() != b'"' {
            return Err(self.error(Expected::Name));
        }
        self.pass_string()?;
        self.colon()
    }

    #[inline]
    fn colon(&mut self) -> Result<(), SyntaxError> {
        if self.peek() != b':' {
            return Err(self.error(Expected::Colon));
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self) -> Result<Span, SyntaxError> {
        let start = self.at;
        let rest = self.rest();
        for (word, kind) in [("null", Kind::Null), ("true", Kind::True), ("false", Kind::False)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(self.span(start, self.at, kind));
            }
        }
        Err(self.error(Expected::Value))
    }

    fn number(&mut self) -> Result<Span, SyntaxError> {
        let start = self.at;
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.error(Expected::Digit)),
        }
        let mut kind = Kind::Integral;
        if self.byte() == b'.' {
            self.at += 1;
            self.some_digits()?;
            kind = Kind::Fractional;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits()?;
            kind = Kind::Fractional;
        }
        Ok(self.span(start, self.at, kind))
    }

    #[inline]
    fn digits(&mut self) {
        self.at += digits_len(self.rest());
    }

    fn some_digits(&mut self) -> Result<(), SyntaxError> {
        if !self.byte().is_ascii_digit() {
            return Err(self.error(Expected::Digit));
        }
        self.digits();
        Ok(())
    }

    /// Passes a string, standing at its opening quote.
    #[inline(always)]
    fn string(&mut self) -> Result<Span, SyntaxError> {
        let start = self.at + 1;
        let kind = if self.pass_string()? { Kind::EscapedText } else { Kind::Text };
        Ok(self.span(start, self.at - 1, kind))
    }

    /// Passes a string, standing at its opening quote, and says whether it has escapes.
    #[inline(always)]
    fn pass_string(&mut self) -> Result<bool, SyntaxError> {
        self.at += 1;
        self.at += plain_len(self.rest());
        if self.byte() == b'"' {
            self.at += 1;
            return Ok(false);
        }
        self.pass_escaped_string()
    }

    /// The rest of a string whose plain start has been passed.
    #[cold]
    fn pass_escaped_string(&mut self) -> Result<bool, SyntaxError> {
        loop {
            match self.byte() {
                b'"' => {
                    self.at += 1;
                    return Ok(true);
                }
                b'\\' => self.escape()?,
                _ if self.at >= self.text.len() => return Err(self.error(Expected::ClosingQuote)),
                _ => return Err(self.error(Expected::EscapedControl)),
            }
            self.at += plain_len(self.rest());
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest().get(1..).unwrap_or_default();
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if rest.len() >= 5 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => self.at += 6,
            _ => return Err(self.error(Expected::KnownEscape)),
        }
        Ok(())
    }

    /// Passes an object or array without recursion, so that no input can exhaust the stack.
    fn container(&mut self) -> Result<Span, SyntaxError> {
        let start = self.at;
        let kind = if self.byte() == b'{' { Kind::Object } else { Kind::Array };
        // A set bit: the level is an object.
        let mut levels = [0u64; NESTING_MAX.div_ceil(64)];
        let mut depth = 0;
        'value: loop {
            match self.peek() {
                open @ (b'{' | b'[') => {
                    if depth == NESTING_MAX {
                        return Err(self.error(Expected::LessNesting));
                    }
                    let bit = 1 << (depth % 64);
                    levels[depth / 64] = if open == b'{' { levels[depth / 64] | bit } else { levels[depth / 64] & !bit };
                    depth += 1;
                    self.at += 1;
                    match (open, self.peek()) {
                        (b'{', b'}') | (b'[', b']') => {}
                        (b'{', _) => {
                            self.skip_name()?;
                            continue 'value;
                        }
                        _ => continue 'value,
                    }
                }
                b'"' => {
                    self.pass_string()?;
                }
                b'-' | b'0'..=b'9' => {
                    self.number()?;
                }
                _ => {
                    self.literal()?;
                }
            }
            // After a value, or at the end of an empty container.
            loop {
                let in_object = levels[(depth - 1) / 64] >> ((depth - 1) % 64) & 1 == 1;
                match (self.peek(), in_object) {
                    (b',', true) => {
                        self.at += 1;
                        self.skip_name()?;
                        continue 'value;
                    }
                    (b',', false) => {
                        self.at += 1;
                        continue 'value;
                    }
                    (b'}', true) | (b']', false) => {
                        self.at += 1;
                        depth -= 1;
                        if depth == 0 {
                            return Ok(self.span(start, self.at, kind));
                        }
                    }
                    (_, true) => return Err(self.error(Expected::CommaOrBrace)),
                    (_, false) => return Err(self.error(Expected::CommaOrBracket)),
                }
            }
        }
    }
}

/// Replaces the escapes of a string that a scanner has passed. Half a surrogate pair becomes U+FFFD.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        rest = rest.get(at + 2..).unwrap_or_default();
        out.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (character, used) = unicode_escape(rest);
                rest = rest.get(used..).unwrap_or_default();
                character
            }
            itself => char::from(itself),
        });
    }
    out.push_str(rest);
    out
}

/// The character of `XXXX` or, for a surrogate pair, `XXXX\uXXXX`, and how many bytes of the text that took.
fn unicode_escape(text: &str) -> (char, usize) {
    let unit = |text: Option<&str>| text.and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let first = unit(text.get(..4)).unwrap_or(0xFFFD);
    if (0xD800..0xDC00).contains(&first)
        && text.get(4..6) == Some("\\u")
        && let Some(second @ 0xDC00..0xE000) = unit(text.get(6..10))
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 10);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Span, SyntaxError> {
        let mut scanner = Scanner::new(text)?;
        let span = scanner.value()?;
        scanner.end()?;
        Ok(span)
    }

    #[test]
    fn valid_texts_are_passed_and_others_refused() {
        for (text, kind) in [
            (" null ", Kind::Null),
            ("-0.5e+10", Kind::Fractional),
            ("-120", Kind::Integral),
            (r#""a longer text without escapes""#, Kind::Text),
            (r#""with \" and \u00e4""#, Kind::EscapedText),
            (r#"{"a":[1,{"b":{}},[]],"c":"]"}"#, Kind::Object),
            ("[ ]", Kind::Array),
        ] {
            assert_eq!(scan(text).map(|span| span.kind), Ok(kind), "{text}");
        }
        for text in [
            "",
            " ",
            "nul",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "{",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "[}",
            "1 2",
            "\0",
            "1\0",
            "NaN",
            "'a'",
        ] {
            assert!(scan(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_fast_lane_ends_where_the_careful_way_does() {
        let values = [
            "1",
            "12.5",
            "01",
            "1.",
            "1.x",
            "1e5",
            "-3",
            "0.5",
            "1234567890123456789012345.25",
            "\"\"",
            "\"plain\"",
            "\"longer than sixteen bytes\"",
            "\"with \\\" quote\"",
            "\"no end",
            "{}",
            "{\"a\":1}",
            "{\"a\":\"b\",\"c\":2.5}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":{\"b\":2}}",
            "{\"a\" :1}",
            "{\"a\":1 }",
            "{\"a\":null}",
            "{\"a\"}",
            "{\"a\":",
            "[1]",
        ];
        for value in values {
            for after in ["", ",", "}", "]", " ,", "x", ",\"and more text behind it\":1}"] {
                let text = format!("{value}{after}");
                let (mut fast, mut careful) = (Scanner::new(&text).unwrap(), Scanner::new(&text).unwrap());
                assert_eq!(fast.value(), careful.any_value(), "{text}");
                assert_eq!(fast.at, careful.at, "{text}");
            }
        }
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(scan(&nested(NESTING_MAX)).is_ok());
        assert!(scan(&nested(NESTING_MAX + 1)).is_err());
        assert!(scan(&"{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn escapes_are_replaced() {
        for (raw, text) in [
            (r"a\n\t\/\\", "a\n\t/\\"),
            (r"\u00e4\ud83d\ude00", "ä😀"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
        ] {
            assert_eq!(unescape(raw), text);
        }
    }
}
