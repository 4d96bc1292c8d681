//! `URL_ENCODE_PARAM(text)`.

use std::fmt::Write;

use calzone_types::SqlType;

use crate::definition::category;
use crate::evaluate::{columnar, map_text};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "URL_ENCODE_PARAM",
        category::URL,
        "A text as it must be written for a parameter in the query of a URL (application/x-www-form-urlencoded).",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Varchar), |_| {
            columnar(|columns, _| {
                map_text(&columns[0], |text, out| {
                    for byte in text.bytes() {
                        // Writing into a builder cannot fail.
                        let _ = match byte {
                            b' ' => out.write_char('+'),
                            b'.' | b'-' | b'*' | b'_' => out.write_char(byte.into()),
                            _ if byte.is_ascii_alphanumeric() => out.write_char(byte.into()),
                            _ => write!(out, "%{byte:02X}"),
                        };
                    }
                })
            })
        })],
        &[("URL_ENCODE_PARAM('a b&c')", "\"a+b%26c\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn encodes_all_but_the_unreserved() {
        check(definition, &[(&[text("aZ0.-*_ ~é/")], text("aZ0.-*_+%7E%C3%A9%2F"))]);
    }
}
