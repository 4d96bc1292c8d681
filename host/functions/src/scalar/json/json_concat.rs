//! `JSON_CONCAT(json, …)`.

use calzone_types::{SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::variadic(vec![Parameter::new("jsonStrings", SqlType::Varchar, "")], SqlType::Varchar.into());
    ScalarDefinition::built_in(
        "JSON_CONCAT",
        category::JSON,
        "Objects joined into one, where later fields win; or, if anything else is among the values, all of them joined into one \
         array. Null if an argument is null or not JSON.",
        vec![ScalarOverload::new("", signature, |binding| per_row_of_values(&binding.returns, concat))],
        &[("JSON_CONCAT('{\"a\":1}', '{\"b\":2}')", "\"{\\\"a\\\":1,\\\"b\\\":2}\""), ("JSON_CONCAT('[1]', '2')", "\"[1,2]\"")],
    )
}

fn concat(values: &[Value]) -> Result<Value, String> {
    let mut documents = Vec::with_capacity(values.len());
    for value in values {
        match document::read(value.as_str().unwrap_or_default())? {
            Some(document) => documents.push(document),
            None => return Ok(Value::Null),
        }
    }
    if documents.is_empty() {
        return Ok(Value::Null);
    }
    let joined = if documents.iter().all(Json::is_object) {
        let mut all = serde_json::Map::new();
        for document in documents {
            if let Json::Object(fields) = document {
                all.extend(fields);
            }
        }
        Json::Object(all)
    } else {
        let lists = documents.into_iter().map(|document| match document {
            Json::Array(items) => items,
            other => vec![other],
        });
        Json::Array(lists.flatten().collect())
    };
    Ok(Value::Varchar(joined.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn objects_join_and_all_else_makes_an_array() {
        for (parts, expected) in [
            (&[r#"{"a":1}"#, r#"{"b":2, "a":{"c":3}}"#][..], r#"{"a":{"c":3},"b":2}"#),
            (&["[1]", "[[2]]"], "[1,[2]]"),
            (&["null", "{}", "\"x\""], r#"[null,{},"x"]"#),
            (&["1.50"], "[1.50]"),
            (&["[]", "[]"], "[]"),
        ] {
            let arguments: Vec<Value> = parts.iter().map(|p| text(p)).collect();
            check(definition, &[(&arguments, text(expected))]);
        }
        check(definition, &[(&[text("1"), text("")], Value::Null), (&[text("1"), Value::Null], Value::Null)]);
        check_fails(definition, &[&[text("1"), text("abc")]]);
    }
}
