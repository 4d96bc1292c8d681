//! `REGEXP_SPLIT_TO_ARRAY(text, pattern)`.

use calzone_types::{SqlType, Value};
use fancy_regex::Regex;

use super::dialect::compile;
use super::stopped;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("string", SqlType::Varchar), ("regexp", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "REGEXP_SPLIT_TO_ARRAY",
        category::REGULAR_EXPRESSION,
        "The parts of a text between the matches of a regular expression. One that matches nothing parts every character.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::array(SqlType::Varchar)), |binding| {
            let mut patterns = Cached::new(compile);
            per_row_of_values(&binding.returns, move |values| match (values[0].as_str(), values[1].as_str()) {
                (Some(text), Some(pattern)) => split(patterns.get(pattern)?, text),
                _ => Ok(Value::Null),
            })
        })],
        &[("REGEXP_SPLIT_TO_ARRAY('a1b22c', '\\d+')", "[\"a\",\"b\",\"c\"]")],
    )
}

fn split(regex: &Regex, text: &str) -> Result<Value, String> {
    let mut parts = Vec::new();
    let mut rest = 0;
    for found in regex.find_iter(text) {
        let found = found.map_err(stopped)?;
        let empty = found.start() == found.end();
        // An empty match at either end parts nothing.
        if empty && (found.start() == 0 || found.start() == text.len()) {
            continue;
        }
        parts.push(Value::from(&text[rest..found.start()]));
        rest = found.end();
    }
    parts.push(Value::from(&text[rest..]));
    Ok(Value::Array(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text, texts};

    #[test]
    fn parts_at_matches() {
        for (input, pattern, parts) in [
            ("a1b22c", r"\d+", &["a", "b", "c"][..]),
            ("1a1", "1", &["", "a", ""]),
            ("abc", "", &["a", "b", "c"]),
            ("abc", "x", &["abc"]),
            ("", "x", &[""]),
        ] {
            check(definition, &[(&[text(input), text(pattern)], texts(parts))]);
        }
    }
}
