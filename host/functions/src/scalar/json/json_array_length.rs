//! `JSON_ARRAY_LENGTH(json)`.

use calzone_types::{SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "JSON_ARRAY_LENGTH",
        category::JSON,
        "How many elements a JSON array has. Null for other JSON.",
        vec![ScalarOverload::new("", Signature::of(&[("json", SqlType::Varchar)], SqlType::Integer), |binding| {
            per_row(&binding.returns, |values| {
                let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
                Ok(match document::read(text)? {
                    Some(Json::Array(items)) => Value::Integer(items.len() as i32),
                    _ => Value::Null,
                })
            })
        })],
        &[("JSON_ARRAY_LENGTH('[1,[2,3]]')", "2")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn other_values_give_null() {
        check(definition, &[(&[text(r#"[1,[2,3]]"#)], Value::Integer(2))]);
        for other in ["{}", "123", "null", "\"a\"", ""] {
            check(definition, &[(&[text(other)], Value::Null)]);
        }
        check(definition, &[(&[Value::Null], Value::Null)]);
        check_fails(definition, &[&[text("abc")], &[text("[1")]]);
    }
}
