//! `FROM_BYTES(bytes, encoding)`.

use calzone_types::{SqlType, Value};

use super::encoding::Encoding;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("bytes", SqlType::Bytes), ("encoding", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "FROM_BYTES",
        category::STRING,
        "Bytes as a text in the encoding 'hex', 'utf8', 'ascii' or 'base64'.",
        vec![ScalarOverload::new("", signature, |binding| {
            per_row_of_values(&binding.returns, |values| match (&values[0], values[1].as_str()) {
                (Value::Bytes(bytes), Some(encoding)) => Ok(Value::Varchar(Encoding::from_name(encoding)?.encode(bytes))),
                _ => Ok(Value::Null),
            })
        })],
        &[("FROM_BYTES(TO_BYTES('Jo', 'utf8'), 'hex')", "\"4A6F\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn encodes() {
        for (encoding, output) in [("hex", "4AFF"), ("utf8", "J\u{FFFD}"), ("ascii", "J\u{FFFD}"), ("base64", "Sv8=")] {
            check(definition, &[(&[Value::Bytes(vec![0x4A, 0xFF]), text(encoding)], text(output))]);
        }
    }
}
