//! `JSON_ITEMS(json)`.

use calzone_types::{SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "JSON_ITEMS",
        category::JSON,
        "The objects of a JSON array, each as JSON. Null for other JSON, also for an array with anything but objects.",
        vec![ScalarOverload::new(
            "",
            Signature::of(&[("json", SqlType::Varchar)], SqlType::array(SqlType::Varchar)),
            |binding| {
                per_row(&binding.returns, |values| {
                    let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
                    Ok(match document::read(text)? {
                        Some(Json::Array(items)) if items.iter().all(Json::is_object) => {
                            Value::Array(items.into_iter().map(|item| Value::Varchar(item.to_string())).collect())
                        }
                        _ => Value::Null,
                    })
                })
            },
        )],
        &[("JSON_ITEMS('[{\"a\": 1}]')", "[\"{\\\"a\\\":1}\"]")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn other_values_give_null() {
        check(definition, &[(&[text(r#"[{"a": 1}, {}]"#)], crate::scalar::testing::texts(&[r#"{"a":1}"#, "{}"]))]);
        for other in ["[1]", "{}", "123", "null", "\"a\"", ""] {
            check(definition, &[(&[text(other)], Value::Null)]);
        }
        check(definition, &[(&[Value::Null], Value::Null)]);
        check_fails(definition, &[&[text("abc")], &[text("[1")]]);
    }
}
