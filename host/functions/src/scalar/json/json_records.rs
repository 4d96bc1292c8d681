//! `JSON_RECORDS(json)`.

use calzone_types::{SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "JSON_RECORDS",
        category::JSON,
        "The fields of a JSON object as a map; strings without quotes, everything else as JSON. Null for other JSON.",
        vec![ScalarOverload::new(
            "",
            Signature::of(&[("json", SqlType::Varchar)], SqlType::map(SqlType::Varchar, SqlType::Varchar)),
            |binding| {
                per_row(&binding.returns, |values| {
                    let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
                    Ok(match document::read(text)? {
                        Some(Json::Object(fields)) => Value::Map(
                            fields
                                .into_iter()
                                .map(|(name, value)| (Value::Varchar(name), Value::Varchar(document::to_text(value))))
                                .collect(),
                        ),
                        _ => Value::Null,
                    })
                })
            },
        )],
        &[("JSON_RECORDS('{\"b\":1,\"a\":\"x\"}')", "{\"b\":\"1\",\"a\":\"x\"}")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn other_values_give_null() {
        check(
            definition,
            &[(&[text(r#"{"b":[1],"a":"x"}"#)], Value::Map(vec![(text("b"), text("[1]")), (text("a"), text("x"))]))],
        );
        for other in ["[]", "123", "null", "\"a\"", ""] {
            check(definition, &[(&[text(other)], Value::Null)]);
        }
        check(definition, &[(&[Value::Null], Value::Null)]);
        check_fails(definition, &[&[text("abc")], &[text("[1")]]);
    }
}
