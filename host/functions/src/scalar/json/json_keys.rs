//! `JSON_KEYS(json)`.

use calzone_types::{SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "JSON_KEYS",
        category::JSON,
        "The names of the fields of a JSON object, in their order. Null for other JSON.",
        vec![ScalarOverload::new(
            "",
            Signature::of(&[("json", SqlType::Varchar)], SqlType::array(SqlType::Varchar)),
            |binding| {
                per_row(&binding.returns, |values| {
                    let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
                    Ok(match document::read(text)? {
                        Some(Json::Object(fields)) => {
                            Value::Array(fields.into_iter().map(|(name, _)| Value::Varchar(name)).collect())
                        }
                        _ => Value::Null,
                    })
                })
            },
        )],
        &[("JSON_KEYS('{\"b\":1,\"a\":2}')", "[\"b\",\"a\"]")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn other_values_give_null() {
        check(definition, &[(&[text(r#"{"b":1,"a":{"c":2}}"#)], crate::scalar::testing::texts(&["b", "a"]))]);
        for other in ["[]", "123", "null", "\"a\"", ""] {
            check(definition, &[(&[text(other)], Value::Null)]);
        }
        check(definition, &[(&[Value::Null], Value::Null)]);
        check_fails(definition, &[&[text("abc")], &[text("[1")]]);
    }
}
