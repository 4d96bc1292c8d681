//! Is what came out what was expected? As ksqlDB's own test runner compares.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;

use crate::actual::Actual;
use crate::decimal_text::DecimalText;

/// Largest difference of two doubles that count as equal.
const DOUBLE_TOLERANCE: f64 = 1e-6;

/// Compares a value; the error says where and what differs.
pub fn value(expected: &Json, actual: &Actual) -> Result<(), String> {
    at("", expected, actual)
}

fn at(path: &str, expected: &Json, actual: &Actual) -> Result<(), String> {
    let differs = || {
        let place = if path.is_empty() { String::new() } else { format!("{path}: ") };
        Err(format!("{place}expected {expected}, found {actual}"))
    };
    match (expected, actual) {
        (Json::Null, Actual::Null) => Ok(()),
        (Json::Bool(wanted), Actual::Boolean(found)) if wanted == found => Ok(()),
        (Json::String(wanted), Actual::Text(found)) if wanted == found || is_base64_of(wanted, found) => Ok(()),
        (Json::String(wanted), Actual::Number(_) | Actual::Integer(_))
            if actual.as_decimal().is_some() && actual.as_decimal() == DecimalText::parse(wanted) =>
        {
            Ok(())
        }
        (Json::Number(wanted), _) if number(&wanted.to_string(), actual) => Ok(()),
        (Json::Array(wanted), Actual::Array(found)) => {
            if wanted.len() != found.len() {
                return differs();
            }
            wanted.iter().zip(found).enumerate().try_for_each(|(i, (wanted, found))| at(&format!("{path}[{i}]"), wanted, found))
        }
        (Json::Object(wanted), Actual::Map(found)) => {
            if wanted.len() != found.len() {
                return differs();
            }
            wanted.iter().try_for_each(|(name, wanted)| {
                let field = |name: &str| found.iter().find(|(other, _)| other == name).map(|(_, value)| value);
                // A field that is missing is as good as null: the original looks it up in a map.
                let found = field(name).or_else(|| field(&name.to_uppercase())).unwrap_or(&Actual::Null);
                at(&format!("{path}.{name}"), wanted, found)
            })
        }
        _ => differs(),
    }
}

fn number(literal: &str, actual: &Actual) -> bool {
    let Some(expected) = DecimalText::parse(literal) else { return false };
    match actual {
        // A whole number looks at the whole part of what is expected, in its own width.
        Actual::Integer(found) => match i32::try_from(*found) {
            Ok(found) => expected.truncated() as i32 == found,
            Err(_) => expected.truncated() == *found,
        },
        Actual::Number(found) => {
            let is_whole = |text: &str| !text.contains(['.', 'e', 'E']);
            let Some(found_number) = DecimalText::parse(found) else { return false };
            if is_whole(found) {
                return false;
            }
            if is_whole(literal) { found_number.is_integer(&expected) } else { found_number == expected }
        }
        Actual::Double(found) => literal.parse::<f64>().is_ok_and(|expected| (expected - found).abs() < DOUBLE_TOLERANCE),
        _ => false,
    }
}

fn is_base64_of(wanted: &str, found: &str) -> bool {
    BASE64_STANDARD.decode(wanted).is_ok_and(|bytes| bytes == found.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actual::{Numbers, of_json};

    fn same(expected: &str, actual: &str, numbers: Numbers) -> bool {
        let json = |text: &str| serde_json::from_str::<Json>(text).expect("JSON");
        value(&json(expected), &of_json(&json(actual), numbers)).is_ok()
    }

    #[test]
    fn values_compare_as_the_original_runner_does() {
        for (expected, actual, equal) in [
            ("1", "1", true),
            ("1.0", "1", true),
            ("1.5", "1", true),
            ("1", "1.0", false),
            ("1.0", "1.0", true),
            ("1.00", "1.0", false),
            ("\"1.10\"", "1.10", true),
            ("{\"a\": null}", "{}", false),
            ("{\"a\": null}", "{\"A\": null}", true),
            ("{\"a\": null}", "{\"B\": null}", true),
            ("{\"a\": 1}", "{\"A\": 1, \"B\": 2}", false),
            ("[1, 2]", "[2, 1]", false),
            ("4294967297", "4294967297", true),
            ("null", "null", true),
            ("null", "0", false),
        ] {
            assert_eq!(same(expected, actual, Numbers::Exact), equal, "{expected} and {actual}");
        }
        assert!(same("0.3", "0.30000000000000004", Numbers::Approximate));
        assert!(!same("0.3", "0.30000000000000004", Numbers::Exact));
    }
}
