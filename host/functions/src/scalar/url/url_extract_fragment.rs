//! `URL_EXTRACT_FRAGMENT(url)`.

use calzone_types::{SqlType, Value};

use super::uri::{Uri, decode};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "URL_EXTRACT_FRAGMENT",
        category::URL,
        "The fragment of a URL, decoded, or null.",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Varchar), |binding| {
            per_row_of_values(&binding.returns, |values| {
                let uri = values[0].as_str().and_then(Uri::read);
                Ok(uri.and_then(|uri| uri.fragment).map_or(Value::Null, |part| Value::Varchar(decode(part))))
            })
        })],
        &[("URL_EXTRACT_FRAGMENT('http://example.org:8080/a%20b?c=d%26#e')", "\"e\"")],
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
                (&[text("http://example.org:8080/a%20b?c=d%26#e")], text("e")),
                (&[text("not a uri")], Value::Null),
                (&[Value::Null], Value::Null),
                (&[text("mailto:x@y.z")], Value::Null),
            ],
        );
    }
}
