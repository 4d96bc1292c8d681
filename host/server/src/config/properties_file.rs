//! Java's `.properties` syntax.

/// The settings of a file, in its order.
///
/// # Errors
/// A broken `\uXXXX`, with its line.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, first)) = lines.next() {
        let start = first.trim_start_matches([' ', '\t', '\x0c']);
        if start.is_empty() || start.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = start.to_owned();
        while ends_with_open_escape(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, more)) => logical.push_str(more.trim_start_matches([' ', '\t', '\x0c'])),
                None => break,
            }
        }
        let (name, value) = split(&logical);
        let place = |e: String| format!("line {}: {e}", at + 1);
        pairs.push((unescape(name).map_err(place)?, unescape(value).map_err(place)?.trim_end().to_owned()));
    }
    Ok(pairs)
}

/// An odd number of backslashes at the end joins the next line.
fn ends_with_open_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// The name ends at the first `=`, `:` or blank that no backslash precedes.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\x0c');
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let rest = line[end..].trim_start_matches([' ', '\t', '\x0c']);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], value.trim_start_matches([' ', '\t', '\x0c']))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    // Java writes characters beyond the basic plane as two escapes.
    let mut units: Vec<u16> = Vec::new();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    units.push(unit.ok_or_else(|| format!("\\u{digits} is not four hexadecimal digits"))?);
                    continue;
                }
                other => {
                    flush(&mut units, &mut out);
                    match other {
                        Some('t') => out.push('\t'),
                        Some('n') => out.push('\n'),
                        Some('r') => out.push('\r'),
                        Some('f') => out.push('\x0c'),
                        Some(itself) => out.push(itself),
                        None => {}
                    }
                    continue;
                }
            }
        }
        flush(&mut units, &mut out);
        out.push(c);
    }
    flush(&mut units, &mut out);
    Ok(out)
}

fn flush(units: &mut Vec<u16>, out: &mut String) {
    out.extend(char::decode_utf16(units.drain(..)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_form_of_a_line() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("a=b", &[("a", "b")]),
            ("a = b ", &[("a", "b")]),
            ("a: b", &[("a", "b")]),
            ("a b c", &[("a", "b c")]),
            ("a", &[("a", "")]),
            ("# no\n! no\n\n  a=1\r\n", &[("a", "1")]),
            ("a=b=c:d", &[("a", "b=c:d")]),
            ("a\\=b=c", &[("a=b", "c")]),
            ("a=one,\\\n   two\nb=3", &[("a", "one,two"), ("b", "3")]),
            ("a=c:\\\\dir\\\\", &[("a", "c:\\dir\\")]),
            ("a=\\u00e9\\t\\uD83C\\uDF55", &[("a", "é\t🍕")]),
            ("a=x\\", &[("a", "x")]),
            ("listeners=http://0.0.0.0:8088", &[("listeners", "http://0.0.0.0:8088")]),
            (
                "sasl.jaas.config=x required username=\"u\" password=\"p\";",
                &[("sasl.jaas.config", "x required username=\"u\" password=\"p\";")],
            ),
        ];
        for (text, wanted) in cases {
            let wanted: Vec<_> = wanted.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            assert_eq!(parse(text).as_ref(), Ok(&wanted), "{text:?}");
        }
    }

    #[test]
    fn a_broken_escape_is_named_with_its_line() {
        assert_eq!(parse("a=1\nb=\\u12"), Err("line 2: \\u12 is not four hexadecimal digits".into()));
    }
}
