//! A line of delimited text into its fields.

use std::borrow::Cow;

/// Calls `each` with every field of the first line that is not empty, and returns how many there were; lines after it
/// are ignored. A field in quotes may hold delimiters and line ends, and quotes as pairs of quotes; elsewhere a quote is
/// a character like any other. The error is a whole sentence.
pub(super) fn fields<'a>(text: &'a str, delimiter: u8, mut each: impl FnMut(usize, Cow<'a, str>)) -> Result<usize, String> {
    let mut rest = text.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return Ok(0);
    }
    let mut count = 0;
    loop {
        let after = if rest.starts_with('"') {
            let (content, after) = quoted(rest, delimiter)?;
            each(count, content);
            after
        } else {
            let end = rest.bytes().position(|b| b == delimiter || is_line_end(b)).unwrap_or(rest.len());
            each(count, Cow::Borrowed(&rest[..end]));
            &rest[end..]
        };
        count += 1;
        match after.bytes().next() {
            Some(b) if b == delimiter => rest = &after[1..],
            _ => return Ok(count),
        }
    }
}

/// The content of a field that starts with a quote, and the text from the delimiter or line end behind it.
fn quoted(text: &str, delimiter: u8) -> Result<(Cow<'_, str>, &str), String> {
    let mut content = Cow::Borrowed("");
    let mut rest = &text[1..];
    loop {
        let Some(at) = rest.find('"') else { return Err("A quoted field has no closing quote.".to_owned()) };
        let (part, after) = (&rest[..at], &rest[at + 1..]);
        if content.is_empty() {
            content = Cow::Borrowed(part);
        } else {
            content.to_mut().push_str(part);
        }
        if let Some(more) = after.strip_prefix('"') {
            content.to_mut().push('"');
            rest = more;
            continue;
        }
        // Blanks may follow the closing quote.
        let blanks = after.bytes().take_while(|&b| b != delimiter && (b == b' ' || b == b'\t')).count();
        let after = &after[blanks..];
        return match after.bytes().next() {
            Some(b) if b != delimiter && !is_line_end(b) => {
                Err("A quoted field has more text after its closing quote.".to_owned())
            }
            _ => Ok((content, after)),
        };
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, delimiter: u8) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        fields(text, delimiter, |_, field| out.push(field.into_owned())).map(|_| out)
    }

    #[test]
    fn lines_are_split() {
        for (text, delimiter, expected) in [
            ("a,b", b',', vec!["a", "b"]),
            ("a", b',', vec!["a"]),
            ("", b',', vec![]),
            ("\r\n", b',', vec![]),
            (",", b',', vec!["", ""]),
            ("\na,b\r\nc,d", b',', vec!["a", "b"]),
            (r#""a,b","c""d",e"f"#, b',', vec!["a,b", "c\"d", "e\"f"]),
            ("\"a\nb\"|ä|", b'|', vec!["a\nb", "ä", ""]),
            ("\"a\" ,\"\"", b',', vec!["a", ""]),
            ("\"a\"\t\"b\"", b'\t', vec!["a", "b"]),
            (r#""""a""""#, b',', vec![r#""a""#]),
        ] {
            assert_eq!(split(text, delimiter), Ok(expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
        assert!(split("\"a", b',').is_err());
        assert!(split("\"a\"b", b',').is_err());
    }
}
