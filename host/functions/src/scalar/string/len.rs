//! `LEN(text)` and `LEN(bytes)`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, PrimitiveArray};
use calzone_types::SqlType;

use super::utf16;
use crate::definition::category;
use crate::evaluate::columnar;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let of_text = Signature::of(&[("input", SqlType::Varchar)], SqlType::Integer);
    let of_bytes = Signature::of(&[("input", SqlType::Bytes)], SqlType::Integer);
    ScalarDefinition::built_in(
        "LEN",
        category::STRING,
        "The number of characters of a text, or of bytes.",
        vec![
            ScalarOverload::new("", of_text, |_| columnar(|columns, _| text_lengths(&columns[0]))),
            ScalarOverload::new("", of_bytes, |_| columnar(|columns, _| byte_lengths(&columns[0]))),
        ],
        &[("LEN('abc')", "3")],
    )
}

fn text_lengths(column: &ArrayRef) -> ArrayRef {
    let texts = column.as_string::<i32>();
    if texts.is_ascii() {
        let lengths = texts.offsets().windows(2).map(|w| w[1] - w[0]).collect();
        return Arc::new(PrimitiveArray::<Int32Type>::new(lengths, texts.nulls().cloned()));
    }
    Arc::new(texts.iter().map(|text| text.map(|text| utf16::length(text) as i32)).collect::<Int32Array>())
}

fn byte_lengths(column: &ArrayRef) -> ArrayRef {
    let bytes = column.as_binary::<i32>();
    let lengths = bytes.offsets().windows(2).map(|w| w[1] - w[0]).collect();
    Arc::new(PrimitiveArray::<Int32Type>::new(lengths, bytes.nulls().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};
    use calzone_types::Value;

    #[test]
    fn counts_utf16_units_or_bytes() {
        check(
            definition,
            &[
                (&[text("abc")], Value::Integer(3)),
                (&[text("é😀")], Value::Integer(3)),
                (&[Value::Bytes(vec![0, 255])], Value::Integer(2)),
            ],
        );
    }
}
