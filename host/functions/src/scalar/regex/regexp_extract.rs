//! `REGEXP_EXTRACT(pattern, text[, group])`.

use calzone_types::{SqlType, Value};

use super::dialect::compile;
use super::{group_number, stopped};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{Binding, Scalar, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("pattern", SqlType::Varchar), ("input", SqlType::Varchar), ("group", SqlType::Integer)];
    ScalarDefinition::built_in(
        "REGEXP_EXTRACT",
        category::REGULAR_EXPRESSION,
        "The first part of a text that a regular expression matches, or what a group of it matched. Null if nothing matches.",
        vec![
            ScalarOverload::new("", Signature::of(&parameters[..2], SqlType::Varchar), make),
            ScalarOverload::new("", Signature::of(&parameters, SqlType::Varchar), make),
        ],
        &[("REGEXP_EXTRACT('(.*) (.*)', 'hello there', 2)", "\"there\"")],
    )
}

fn make(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    let mut patterns = Cached::new(compile);
    per_row_of_values(&binding.returns, move |values| {
        let (Some(pattern), Some(text)) = (values[0].as_str(), values[1].as_str()) else { return Ok(Value::Null) };
        let Some(group) = group_number(values.get(2)) else { return Ok(Value::Null) };
        let captures = patterns.get(pattern)?.captures(text).map_err(stopped)?;
        Ok(captures.and_then(|c| c.get(group).map(|found| Value::from(found.as_str()))).unwrap_or(Value::Null))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn gives_the_match_or_a_group() {
        let group = |group: i32| [text("(a+)(b)?"), text("xaay aab"), Value::Integer(group)];
        check(
            definition,
            &[
                (&[text("a+b"), text("xaay aab")], text("aab")),
                (&[text("z"), text("xaay")], Value::Null),
                (&group(0), text("aa")),
                (&group(1), text("aa")),
                (&group(2), Value::Null),
                (&group(3), Value::Null),
                (&group(-1), Value::Null),
                (&[Value::Null, text("a")], Value::Null),
            ],
        );
        check_fails(definition, &[&[text("("), text("a")]]);
    }
}
