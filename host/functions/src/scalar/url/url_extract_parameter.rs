//! `URL_EXTRACT_PARAMETER(url, name)`.

use calzone_types::{SqlType, Value};

use super::uri::{Uri, decode};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("input", SqlType::Varchar), ("paramToFind", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "URL_EXTRACT_PARAMETER",
        category::URL,
        "The value of a parameter in the query of a URL, decoded. Empty if it has no value, null if there is no such parameter.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::Varchar), |binding| {
            per_row_of_values(&binding.returns, |values| {
                let (Some(url), Some(wanted)) = (values[0].as_str(), values[1].as_str()) else { return Ok(Value::Null) };
                let Some(query) = Uri::read(url).and_then(|uri| uri.query) else { return Ok(Value::Null) };
                // The query is decoded first and parted then, as in ksqlDB: an escaped & parts as well.
                let query = decode(query);
                let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                Ok(pairs.into_iter().find(|(name, _)| *name == wanted).map_or(Value::Null, |(_, value)| Value::from(value)))
            })
        })],
        &[("URL_EXTRACT_PARAMETER('http://example.org?a%20b=c%20d&e=f', 'a b')", "\"c d\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn names_and_values_are_decoded() {
        for (name, expected) in [("a b", text("c=d")), ("e", text("")), ("f", text("")), ("g", Value::Null)] {
            check(definition, &[(&[text("http://example.org?a%20b=c=d&e&f="), text(name)], expected)]);
        }
        check(definition, &[(&[text("http://example.org"), text("a")], Value::Null)]);
    }
}
