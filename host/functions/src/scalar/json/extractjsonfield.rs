//! `EXTRACTJSONFIELD(json, path)`.

use calzone_types::{SqlType, Value};

use super::{document, path};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("input", SqlType::Varchar), ("path", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "EXTRACTJSONFIELD",
        category::JSON,
        "The value at a JSONPath such as $.names[0] within a JSON text. Strings come without quotes, everything else as JSON. \
         Null if there is nothing at the path.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut paths = Cached::new(path::read);
            per_row_of_values(&binding.returns, move |values| {
                let (Some(text), Some(path)) = (values[0].as_str(), values[1].as_str()) else { return Ok(Value::Null) };
                let found = document::pick(text, paths.get(path)?)?;
                Ok(found.map_or(Value::Null, |found| Value::Varchar(document::to_text(found))))
            })
        })],
        &[("EXTRACTJSONFIELD('{\"a\":{\"b\":[1,\"x\"]}}', '$.a.b[1]')", "\"x\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn follows_the_path() {
        let json = r#"{"a":{"b":[1.50,{"c":null}],"b c":true},"7":"seven"}"#;
        for (path, expected) in [
            ("$.a.b[0]", Some("1.50")),
            ("$.a.b[1]", Some(r#"{"c":null}"#)),
            ("$.a.b[1].c", Some("null")),
            ("$.a['b c']", Some("true")),
            ("$[7]", Some("seven")),
            ("$.a.b[0].x", None),
            ("$.a.b.x", None),
            ("$.a.b[-1]", None),
            ("$.a.b[2]", None),
            ("$.x.y", None),
            ("$.7.x", None),
        ] {
            check(definition, &[(&[text(json), text(path)], expected.map_or(Value::Null, text))]);
        }
        check(definition, &[(&[text(""), text("$.a")], Value::Null)]);
        check_fails(definition, &[&[text("{"), text("$.a")], &[text("{\"a\":1,}"), text("$.a")], &[text("{}"), text("a")]]);
    }
}
