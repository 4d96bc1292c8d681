//! Regular expressions of `java.util.regex`, rewritten for the engine here.
//!
//! Most syntax is the same. Different are the predefined classes (ASCII only in Java), POSIX names within `\p{…}`, quoting
//! with `\Q…\E` and some escapes.

use fancy_regex::{Regex, RegexBuilder};

/// Steps after which a match that backtracks is given up, so that no expression can hold up a query.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Compiles an expression.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(pattern))
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .map_err(|e| format!("The regular expression '{pattern}' is not valid: {e}."))
}

/// The expression in the engine's syntax.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class_depth = 0usize;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = translate_escape(rest, class_depth > 0, &mut out),
            '[' => {
                class_depth += 1;
                out.push('[');
                // A bracket that comes first is itself.
                if let Some(after) = rest.strip_prefix("^]") {
                    out.push_str("^\\]");
                    rest = after;
                } else if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            ']' if class_depth > 0 => {
                class_depth -= 1;
                out.push(']');
            }
            // Operators of the engine that Java does not have.
            '~' | '-' if class_depth > 0 && rest.starts_with(c) => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

/// Writes what a backslash escape means and gives the rest behind it.
fn translate_escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let after = &rest[c.len_utf8()..];
    let mut class = |members: &str, negated: bool| {
        match (in_class, negated) {
            (true, false) => out.push_str(members),
            (_, true) => out.push_str(&format!("[^{members}]")),
            (false, false) => out.push_str(&format!("[{members}]")),
        }
        after
    };
    const WORD: &str = "a-zA-Z0-9_";
    const SPACE: &str = r" \t\n\x0B\x0C\r";
    const HORIZONTAL: &str = r" \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";
    const VERTICAL: &str = r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}";
    match c {
        'd' => class("0-9", false),
        'D' => class("0-9", true),
        'w' => class(WORD, false),
        'W' => class(WORD, true),
        's' => class(SPACE, false),
        'S' => class(SPACE, true),
        'h' => class(HORIZONTAL, false),
        'H' => class(HORIZONTAL, true),
        'v' => class(VERTICAL, false),
        'V' => class(VERTICAL, true),
        'R' => {
            out.push_str(r"(?:\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])");
            after
        }
        'e' => {
            out.push_str(r"\x1B");
            after
        }
        'Q' => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&fancy_regex::escape(quoted));
            after
        }
        'E' => after,
        'u' => match after.get(..4).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(hex) => {
                out.push_str(&format!(r"\x{{{hex}}}"));
                &after[4..]
            }
            None => {
                out.push_str("\\u");
                after
            }
        },
        '0' => {
            let digits = after.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            out.push_str(&format!(r"\x{{{:x}}}", u32::from_str_radix(&after[..digits], 8).unwrap_or(0)));
            &after[digits..]
        }
        'c' => match after.chars().next() {
            Some(control) if control.is_ascii() => {
                out.push_str(&format!(r"\x{{{:x}}}", control as u32 ^ 64));
                &after[1..]
            }
            _ => {
                out.push_str("\\c");
                after
            }
        },
        'p' | 'P' => match after.strip_prefix('{').and_then(|name| name.split_once('}')) {
            Some((name, rest)) => {
                match posix(name) {
                    Some(members) if in_class && c == 'p' => out.push_str(members),
                    Some(members) => out.push_str(&format!("[{}{members}]", if c == 'P' { "^" } else { "" })),
                    // `IsLatin`, `IsAlphabetic`, `javaLowerCase`: without the prefix these are Unicode's own names.
                    None => {
                        let name = match name {
                            "javaLowerCase" => "Lowercase",
                            "javaUpperCase" => "Uppercase",
                            "javaWhitespace" => "White_Space",
                            other => other.strip_prefix("Is").unwrap_or(other),
                        };
                        out.push_str(&format!("\\{c}{{{name}}}"));
                    }
                }
                rest
            }
            None => {
                out.push_str(&format!("\\{c}"));
                after
            }
        },
        other => {
            // Java lets any character but a letter or digit be escaped.
            if other.is_ascii_alphanumeric() || (other.is_ascii() && !matches!(other, '<' | '>')) {
                out.push('\\');
            }
            out.push(other);
            after
        }
    }
}

/// Members of the ASCII classes that Java writes as `\p{Alpha}`.
fn posix(name: &str) -> Option<&'static str> {
    Some(match name {
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "ASCII" => r"\x00-\x7F",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "a-zA-Z0-9",
        "Punct" => r"!-/:-@\[-`{-~",
        "Graph" => "!-~",
        "Print" => " -~",
        "Blank" => r" \t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r" \t\n\x0B\x0C\r",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_syntax_matches_as_in_java() {
        for (pattern, text, matches) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢", false),
            (r"^\w\W$", "aé", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[^\s]$", " ", false),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^\p{Alpha}+\p{Punct}$", "ab!", true),
            (r"^[\p{Lower}0-9]+$", "a1", true),
            (r"^\p{IsGreek}$", "λ", true),
            (r"^\p{L}$", "é", true),
            (r"^\u0041\x42\0103\t$", "ABC\t", true),
            (r"^[a-z&&[^b]]+$", "ac", true),
            (r"^[a-z&&[^b]]+$", "ab", false),
            (r"^[]a]+$", "]a", true),
            (r"(?<x>a)\k<x>", "aa", true),
            (r"(a)\1", "aa", true),
            (r"^(?=a)a++b$", "aab", true),
            (r"(?i)ABC", "abc", true),
            (r"^\h\R$", "\t\r\n", true),
            (r"^\<\-\é\/\>$", "<-é/>", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(regex.is_match(text).ok(), Some(matches), "{pattern} on {text:?}: {}", regex.as_str());
        }
        for pattern in ["(", "[a", "*", r"\p{Nonsense}"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }
}
