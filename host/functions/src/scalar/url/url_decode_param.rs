//! `URL_DECODE_PARAM(text)`.

use calzone_types::{SqlType, Value};

use super::uri::escaped_byte;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "URL_DECODE_PARAM",
        category::URL,
        "What a parameter in the query of a URL stands for. The opposite of URL_ENCODE_PARAM.",
        vec![ScalarOverload::new("", Signature::of(&[("input", SqlType::Varchar)], SqlType::Varchar), |binding| {
            per_row_of_values(&binding.returns, |values| values[0].as_str().map_or(Ok(Value::Null), decode))
        })],
        &[("URL_DECODE_PARAM('a+b%26c')", "\"a b&c\"")],
    )
}

fn decode(text: &str) -> Result<Value, String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = match bytes[at] {
            b'+' => (b' ', 1),
            b'%' => match escaped_byte(&bytes[at + 1..]) {
                Some(byte) => (byte, 3),
                None => return Err(format!("'{text}' has a % without two hexadecimal digits behind it.")),
            },
            byte => (byte, 1),
        };
        decoded.push(byte);
        at += length;
    }
    Ok(Value::Varchar(String::from_utf8_lossy(&decoded).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn decodes_escapes_and_plus() {
        check(definition, &[(&[text("a+b%26%C3%a9é")], text("a b&éé"))]);
        check_fails(definition, &[&[text("%2")], &[text("%zz")]]);
    }
}
