//! `ENCODE(text, from, to)`.

use calzone_types::{SqlType, Value};

use super::encoding::{Encoding, decode_hex, hex};
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("str", SqlType::Varchar), ("inputEncoding", SqlType::Varchar), ("outputEncoding", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "ENCODE",
        category::STRING,
        "A text in one encoding, written in another: 'hex', 'utf8', 'ascii' or 'base64'. Hexadecimal input may be written 4A6F, \
         0x4A6F or X'4A6F'.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::Varchar), |binding| {
            per_row_of_values(&binding.returns, encode)
        })],
        &[("ENCODE('4A6F', 'hex', 'utf8')", "\"Jo\""), ("ENCODE('Jo', 'utf8', 'base64')", "\"Sm8=\"")],
    )
}

fn encode(values: &[Value]) -> Result<Value, String> {
    let (Some(text), Some(from), Some(to)) = (values[0].as_str(), values[1].as_str(), values[2].as_str()) else {
        return Ok(Value::Null);
    };
    let (from, to) = (Encoding::from_name(from)?, Encoding::from_name(to)?);
    if from == to {
        return Ok(Value::from(text));
    }
    let bytes = if from == Encoding::Hex { decode_hex_literal(text)? } else { from.decode(text)? };
    Ok(Value::Varchar(if to == Encoding::Hex { hex(&bytes, b"0123456789abcdef") } else { to.encode(&bytes) }))
}

/// Digits alone, behind `0x` (where an odd number gets a leading zero), or within `X'…'`.
fn decode_hex_literal(text: &str) -> Result<Vec<u8>, String> {
    let quoted = text.strip_prefix(['x', 'X']).and_then(|t| t.strip_prefix('\'')).and_then(|t| t.strip_suffix('\''));
    let bytes = match (quoted, text.strip_prefix("0x")) {
        (Some(digits), _) => decode_hex(digits),
        (None, Some(digits)) if digits.len() % 2 == 1 => decode_hex(&format!("0{digits}")),
        (None, Some(digits)) => decode_hex(digits),
        (None, None) => decode_hex(text),
    };
    bytes.ok_or_else(|| format!("'{text}' is not a hexadecimal number such as 4A6F, 0x4A6F or X'4A6F'."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn every_encoding_reads_and_writes() {
        for (input, from, to, output) in [
            ("4A6f", "hex", "utf8", "Jo"),
            ("0xA", "hex", "ascii", "\n"),
            ("X'4a'", "HEX", "base64", "Sg=="),
            ("c3a9", "hex", "ascii", "\u{FFFD}\u{FFFD}"),
            ("é", "ascii", "hex", "3f"),
            ("é", "utf8", "hex", "c3a9"),
            ("w6k=", "base64", "utf8", "é"),
            ("", "hex", "utf8", ""),
        ] {
            check(definition, &[(&[text(input), text(from), text(to)], text(output))]);
        }
        let case = |input: &str, from: &str| [text(input), text(from), text("utf8")];
        check_fails(definition, &[&case("4A6", "hex"), &case("X'4", "hex"), &case("x'4'", "hex"), &case("a", "utf7")]);
    }
}
