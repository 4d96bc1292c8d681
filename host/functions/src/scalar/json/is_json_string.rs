//! `IS_JSON_STRING(text)`.

use calzone_types::{SqlType, Value};
use serde::de::IgnoredAny;

use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "IS_JSON_STRING",
        category::JSON,
        "Whether a text is valid JSON. False for null.",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Boolean), |binding| {
            per_row(&binding.returns, |values| {
                let valid = values[0].as_str().is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
                Ok(Value::Boolean(valid))
            })
        })],
        &[("IS_JSON_STRING('[1]')", "true"), ("IS_JSON_STRING('[1')", "false")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn any_json_value_counts() {
        for (input, valid) in
            [("1", true), ("null", true), ("\"a\"", true), ("{}", true), ("", false), ("a", false), ("{} {}", false)]
        {
            check(definition, &[(&[text(input)], Value::Boolean(valid))]);
        }
        check(definition, &[(&[Value::Null], Value::Boolean(false))]);
    }
}
