//! `URL_EXTRACT_HOST(url)`.

use calzone_types::{SqlType, Value};

use super::uri::Uri;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "URL_EXTRACT_HOST",
        category::URL,
        "The host of a URL, or null.",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Varchar), |binding| {
            per_row_of_values(&binding.returns, |values| {
                let uri = values[0].as_str().and_then(Uri::read);
                Ok(uri.and_then(|uri| uri.host).map_or(Value::Null, Value::from))
            })
        })],
        &[("URL_EXTRACT_HOST('http://example.org:8080/a%20b?c=d%26#e')", "\"example.org\"")],
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
                (&[text("http://example.org:8080/a%20b?c=d%26#e")], text("example.org")),
                (&[text("not a uri")], Value::Null),
                (&[Value::Null], Value::Null),
                (&[text("mailto:x@y.z")], Value::Null),
            ],
        );
    }
}
