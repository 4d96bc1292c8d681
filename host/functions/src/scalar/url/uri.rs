//! URIs as `java.net.URI` reads them: RFC 2396 with other Unicode characters allowed.

/// The parts of a URI, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uri<'a> {
    pub scheme: Option<&'a str>,
    pub host: Option<&'a str>,
    pub port: Option<i32>,
    /// `None` in a URI such as `mailto:a@b.c`.
    pub path: Option<&'a str>,
    pub query: Option<&'a str>,
    pub fragment: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// `None` if the text is not a URI.
    pub fn read(text: &'a str) -> Option<Uri<'a>> {
        if !has_valid_characters(text) {
            return None;
        }
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text, None),
        };
        if fragment.is_some_and(|f| f.contains('#')) {
            return None;
        }
        let scheme_end = rest.find(['/', '?', ':']).filter(|at| rest[*at..].starts_with(':'));
        let (scheme, rest) = match scheme_end {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        if let Some(scheme) = scheme {
            let mut letters = scheme.bytes();
            let valid = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
                && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
            if !valid || rest.is_empty() {
                return None;
            }
            if !rest.starts_with('/') {
                return Some(Uri { scheme: Some(scheme), fragment, ..Uri::default() });
            }
        }
        let (hierarchy, query) = match rest.split_once('?') {
            Some((hierarchy, query)) => (hierarchy, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match hierarchy.strip_prefix("//") {
            Some(after) => {
                let end = after.find('/').unwrap_or(after.len());
                (Some(&after[..end]), &after[end..])
            }
            None => (None, hierarchy),
        };
        if authority == Some("") && path.is_empty() {
            return None;
        }
        // Square brackets belong to IPv6 hosts and may stand in queries and fragments, but not in paths.
        if path.contains(['[', ']']) {
            return None;
        }
        let (host, port) = authority.and_then(read_server).unwrap_or((None, None));
        Some(Uri { scheme, host, port, path: Some(path), query, fragment })
    }
}

/// Host and port of `user@host:port`. `None` if it is another kind of authority, which Java accepts without a host.
fn read_server(authority: &str) -> Option<(Option<&str>, Option<i32>)> {
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let (host, port) = match server.strip_prefix('[') {
        Some(inside) => {
            let end = inside.find(']')? + 2;
            (&server[..end], server[end..].strip_prefix(':'))
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    (host.starts_with('[') || is_host_name(host)).then_some((Some(host), port))
}

/// Labels of letters, digits and inner dashes, the last beginning with a letter; or four numbers.
fn is_host_name(host: &str) -> bool {
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let valid = labels.iter().all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    });
    let address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    valid && (address || labels.last().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_alphabetic())))
}

/// Only characters that may stand in a URI, and whole percent escapes.
fn has_valid_characters(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.char_indices().all(|(at, c)| match c {
        '%' => bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
        c if c.is_ascii() => c.is_ascii_alphanumeric() || "_-!.~'()*,;:$&+=@/?[]#".contains(c),
        other => !other.is_whitespace() && !other.is_control(),
    })
}

/// The text with its percent escapes replaced by what they stand for.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = if bytes[at] == b'%' { escaped_byte(&bytes[at + 1..]) } else { None };
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The byte that two hexadecimal digits at the front stand for.
pub fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digit = |i: usize| digits.get(i).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_uris() {
        let uri = Uri::read("http://me@example.org:8080/a/b%20c?q=1&r#end").expect("valid");
        assert_eq!((uri.scheme, uri.host, uri.port), (Some("http"), Some("example.org"), Some(8080)));
        assert_eq!((uri.path, uri.query, uri.fragment), (Some("/a/b%20c"), Some("q=1&r"), Some("end")));
        let uri = Uri::read("www.example.org/x").expect("valid");
        assert_eq!((uri.scheme, uri.host, uri.path), (None, None, Some("www.example.org/x")));
        let uri = Uri::read("mailto:a@b.c").expect("valid");
        assert_eq!((uri.scheme, uri.path), (Some("mailto"), None));
        let uri = Uri::read("http://a_b/x").expect("valid, with an authority that is not a host");
        assert_eq!((uri.host, uri.path), (None, Some("/x")));
        assert_eq!(Uri::read("http://[::1]:80/").and_then(|u| u.host), Some("[::1]"));
        assert_eq!(Uri::read("").map(|u| u.path), Some(Some("")));
        for text in ["http://a b", "http:", "1http://a", "http://", "a%2", "a|b", "http://a/#b#c", "://a"] {
            assert_eq!(Uri::read(text), None, "{text}");
        }
        assert_eq!(decode("a%20b%C3%A9%ff+"), "a bé\u{FFFD}+");
    }
}
