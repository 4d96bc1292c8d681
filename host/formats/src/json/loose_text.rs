//! Any JSON value as a STRING: ksqlDB reads every value into a column of text.

use std::borrow::Cow;
use std::collections::HashMap;

use super::scan::{Kind, Scanner, Span};
use super::write::write_string;
use crate::number::canonical_number;

/// Scalars as their text; objects as JSON without blanks, fields in their order; arrays as their elements' texts between
/// brackets, with `, ` between.
pub(super) fn string<'a>(json: &'a str, span: &Span) -> Result<Cow<'a, str>, String> {
    match span.kind {
        Kind::Text | Kind::EscapedText => Ok(span.string(json)),
        Kind::Integral | Kind::Fractional => number(span.raw(json)),
        Kind::Null | Kind::True | Kind::False => Ok(Cow::Borrowed(span.raw(json))),
        Kind::Object | Kind::Array => {
            let mut out = String::new();
            element(&mut Scanner::inside(json, span), &mut out)?;
            Ok(Cow::Owned(out))
        }
    }
}

/// The scanner has passed this text before and limited its nesting, so recursion is bounded.
fn element(scanner: &mut Scanner<'_>, out: &mut String) -> Result<(), String> {
    match scanner.peek() {
        b'[' => {
            scanner.open();
            out.push('[');
            let mut first = true;
            let mut separator = "";
            while scanner.next_element(&mut first)? {
                out.push_str(separator);
                separator = ", ";
                element(scanner, out)?;
            }
            out.push(']');
            Ok(())
        }
        b'{' => compact(scanner, out),
        _ => {
            let span = scanner.value()?;
            out.push_str(&string(scanner.text(), &span)?);
            Ok(())
        }
    }
}

/// JSON without blanks; of fields with one name the last counts, where the first stood.
fn compact(scanner: &mut Scanner<'_>, out: &mut String) -> Result<(), String> {
    match scanner.peek() {
        b'[' => {
            scanner.open();
            out.push('[');
            let mut first = true;
            let mut separator = "";
            while scanner.next_element(&mut first)? {
                out.push_str(separator);
                separator = ",";
                compact(scanner, out)?;
            }
            out.push(']');
        }
        b'{' => {
            scanner.open();
            let mut first = true;
            let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
            let mut fields: Vec<(Cow<'_, str>, String)> = Vec::new();
            while let Some(name) = scanner.next_name(&mut first)? {
                let mut value = String::new();
                compact(scanner, &mut value)?;
                let name = name.string(scanner.text());
                match places.get(&name) {
                    Some(place) => fields[*place].1 = value,
                    None => {
                        places.insert(name.clone(), fields.len());
                        fields.push((name, value));
                    }
                }
            }
            out.push('{');
            let mut separator = "";
            for (name, value) in fields {
                out.push_str(separator);
                separator = ",";
                push_quoted(&name, out);
                out.push(':');
                out.push_str(&value);
            }
            out.push('}');
        }
        _ => {
            let span = scanner.value()?;
            match span.kind {
                Kind::Text | Kind::EscapedText => push_quoted(&span.string(scanner.text()), out),
                _ => out.push_str(&string(scanner.text(), &span)?),
            }
        }
    }
    Ok(())
}

fn push_quoted(text: &str, out: &mut String) {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut quoted);
    out.push_str(&String::from_utf8_lossy(&quoted));
}

fn number(literal: &str) -> Result<Cow<'_, str>, String> {
    canonical_number(literal).ok_or_else(|| "the exponent of a number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_becomes_text() {
        for (json, text) in [
            (r#""a\nb""#, "a\nb"),
            ("12", "12"),
            ("1.50", "1.50"),
            ("1e3", "1E+3"),
            ("true", "true"),
            (r#"{ "b" : [1, "x", null, {}], "a" : {"d":1, "c":"\""} }"#, r#"{"b":[1,"x",null,{}],"a":{"d":1,"c":"\""}}"#),
            (r#"{"a":1,"b":3,"a":2}"#, r#"{"a":2,"b":3}"#),
            (r#"[1, "x", [true,null], {"b":1,"a":"y"}]"#, r#"[1, x, [true, null], {"b":1,"a":"y"}]"#),
            ("[]", "[]"),
        ] {
            let span = Scanner::new(json).unwrap().value().unwrap();
            assert_eq!(string(json, &span).as_deref(), Ok(text), "{json}");
        }
    }
}
