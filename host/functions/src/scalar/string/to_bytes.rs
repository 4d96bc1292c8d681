//! `TO_BYTES(text, encoding)`.

use calzone_types::{SqlType, Value};

use super::encoding::Encoding;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("string", SqlType::Varchar), ("encoding", SqlType::Varchar)], SqlType::Bytes);
    ScalarDefinition::built_in(
        "TO_BYTES",
        category::STRING,
        "The bytes that a text in the encoding 'hex', 'utf8', 'ascii' or 'base64' stands for.",
        vec![ScalarOverload::new("", signature, |binding| {
            per_row_of_values(&binding.returns, |values| match (values[0].as_str(), values[1].as_str()) {
                (Some(text), Some(encoding)) => Encoding::from_name(encoding)?.decode(text).map(Value::Bytes),
                _ => Ok(Value::Null),
            })
        })],
        &[("TO_BYTES('Jo', 'utf8')", "\"Sm8=\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn decodes() {
        for (input, encoding) in [("4A6F", "hex"), ("Jo", "utf8"), ("Jo", "ascii"), ("Sm8=", "base64"), ("Sm\r\n8=", "BASE64")] {
            check(definition, &[(&[text(input), text(encoding)], Value::Bytes(b"Jo".to_vec()))]);
        }
        check_fails(definition, &[&[text("4"), text("hex")], &[text("a"), text("latin1")]]);
    }
}
