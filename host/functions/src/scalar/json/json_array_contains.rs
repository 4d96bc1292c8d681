//! `JSON_ARRAY_CONTAINS(json, value)`.

use calzone_types::{Decimal, SqlType, Value};
use serde_json::Value as Json;

use super::document;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters =
        vec![Parameter::new("jsonArray", SqlType::Varchar, ""), Parameter::new("value", ParameterType::Generic('T'), "")];
    ScalarDefinition::built_in(
        "JSON_ARRAY_CONTAINS",
        category::JSON,
        "Whether a JSON array has an element equal to the value. False for other JSON and for invalid text.",
        vec![ScalarOverload::new("", Signature::new(parameters, SqlType::Boolean.into()), |binding| {
            per_row(&binding.returns, |values| {
                let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
                Ok(Value::Boolean(match document::read(text) {
                    Ok(Some(Json::Array(items))) => items.iter().any(|item| equal(item, &values[1])),
                    _ => false,
                }))
            })
        })],
        &[("JSON_ARRAY_CONTAINS('[1, 2]', 2)", "true"), ("JSON_ARRAY_CONTAINS('[1, 2]', '2')", "false")],
    )
}

/// Whole numbers equal whole numbers only, others with a point or an exponent the rest.
fn equal(item: &Json, value: &Value) -> bool {
    match (item, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Boolean(b)) => a == b,
        (Json::String(a), Value::Varchar(b)) => a == b,
        (Json::Number(number), Value::Integer(_) | Value::Bigint(_)) => number.as_i64() == value.as_i64(),
        (Json::Number(number), Value::Double(v)) => !is_whole(number) && number.as_f64() == Some(*v),
        (Json::Number(number), Value::Decimal(v)) => {
            !is_whole(number) && number.to_string().parse::<Decimal>().is_ok_and(|d| d.compare(v).is_eq())
        }
        _ => false,
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.to_string().bytes().all(|b| b == b'-' || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn types_must_agree() {
        let json = r#"[1, 2.5, "a", true, null, [7]]"#;
        for (value, found) in [
            (Value::Integer(1), true),
            (Value::Bigint(1), true),
            (Value::Double(2.5), true),
            (Value::Double(1.0), false),
            (Value::Integer(7), false),
            (text("a"), true),
            (text("1"), false),
            (Value::Boolean(true), true),
            (Value::Boolean(false), false),
            (Value::Null, true),
        ] {
            check(definition, &[(&[text(json), value], Value::Boolean(found))]);
        }
        for other in ["{}", "", "[1"] {
            check(definition, &[(&[text(other), Value::Integer(1)], Value::Boolean(false))]);
        }
    }
}
