//! `REGEXP_EXTRACT_ALL(pattern, text[, group])`.

use calzone_types::{SqlType, Value};

use super::dialect::compile;
use super::{group_number, stopped};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{Binding, Scalar, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("pattern", SqlType::Varchar), ("input", SqlType::Varchar), ("group", SqlType::Integer)];
    let returns = SqlType::array(SqlType::Varchar);
    ScalarDefinition::built_in(
        "REGEXP_EXTRACT_ALL",
        category::REGULAR_EXPRESSION,
        "All parts of a text that a regular expression matches, or what a group of it matched in each.",
        vec![
            ScalarOverload::new("", Signature::of(&parameters[..2], returns.clone()), make),
            ScalarOverload::new("", Signature::of(&parameters, returns), make),
        ],
        &[("REGEXP_EXTRACT_ALL('(\\w+) (\\w+)', 'hello there nice day', 2)", "[\"there\",\"day\"]")],
    )
}

fn make(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    let mut patterns = Cached::new(compile);
    per_row_of_values(&binding.returns, move |values| {
        let (Some(pattern), Some(text)) = (values[0].as_str(), values[1].as_str()) else { return Ok(Value::Null) };
        let regex = patterns.get(pattern)?;
        let Some(group) = group_number(values.get(2)).filter(|group| *group < regex.captures_len()) else {
            return Ok(Value::Null);
        };
        let mut found = Vec::new();
        for captures in regex.captures_iter(text) {
            let captures = captures.map_err(stopped)?;
            found.push(captures.get(group).map_or(Value::Null, |part| Value::from(part.as_str())));
        }
        Ok(Value::Array(found))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text, texts};

    #[test]
    fn gives_every_match() {
        let case = |pattern: &str, group: i32| [text(pattern), text("a1b22"), Value::Integer(group)];
        check(
            definition,
            &[
                (&[text(r"\d+"), text("a1b22")], texts(&["1", "22"])),
                (&[text("z"), text("a1b22")], texts(&[])),
                (&case(r"([a-z])\d", 1), texts(&["a", "b"])),
                (&case(r"([a-z])\d", 2), Value::Null),
            ],
        );
    }
}
