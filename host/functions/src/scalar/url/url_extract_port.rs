//! `URL_EXTRACT_PORT(url)`.

use calzone_types::{SqlType, Value};

use super::uri::Uri;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "URL_EXTRACT_PORT",
        category::URL,
        "The port of a URL, or null if it names none.",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Integer), |binding| {
            per_row_of_values(&binding.returns, |values| {
                let uri = values[0].as_str().and_then(Uri::read);
                Ok(uri.and_then(|uri| uri.port).map_or(Value::Null, Value::Integer))
            })
        })],
        &[("URL_EXTRACT_PORT('http://example.org:8080/a%20b?c=d%26#e')", "8080")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn takes_the_part_or_gives_null() {
        check(
            definition,
            &[
                (&[text("http://example.org:8080/a%20b?c=d%26#e")], Value::Integer(8080)),
                (&[text("not a uri")], Value::Null),
                (&[Value::Null], Value::Null),
                (&[text("mailto:x@y.z")], Value::Null),
            ],
        );
    }
}
