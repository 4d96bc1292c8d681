//! `SPLIT(text, delimiter)`, and of bytes.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = |ty: SqlType| Signature::of(&[("string", ty.clone()), ("delimiter", ty.clone())], SqlType::array(ty));
    let overloads = [SqlType::Varchar, SqlType::Bytes].map(|ty| {
        ScalarOverload::new("", signature(ty), |binding| per_row_of_values(&binding.returns, |values| Ok(split(values))))
    });
    ScalarDefinition::built_in(
        "SPLIT",
        category::STRING,
        "The parts of a text, or of bytes, between the delimiters. An empty delimiter parts every character or byte.",
        overloads.into(),
        &[("SPLIT('a,,b', ',')", "[\"a\",\"\",\"b\"]")],
    )
}

fn split(values: &[Value]) -> Value {
    match (&values[0], &values[1]) {
        (Value::Varchar(text), Value::Varchar(delimiter)) => Value::Array(if text.is_empty() {
            vec![Value::from("")]
        } else if delimiter.is_empty() {
            text.chars().map(|c| Value::Varchar(c.to_string())).collect()
        } else {
            text.split(delimiter.as_str()).map(Value::from).collect()
        }),
        (Value::Bytes(bytes), Value::Bytes(delimiter)) => Value::Array(if bytes.is_empty() {
            vec![Value::Bytes(Vec::new())]
        } else if delimiter.is_empty() {
            bytes.iter().map(|b| Value::Bytes(vec![*b])).collect()
        } else {
            split_bytes(bytes, delimiter).into_iter().map(|part| Value::Bytes(part.to_vec())).collect()
        }),
        _ => Value::Null,
    }
}

fn split_bytes<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
        parts.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text, texts};

    #[test]
    fn empty_parts_stay() {
        for (input, delimiter, parts) in [
            ("a--b", "-", &["a", "", "b"][..]),
            ("-a-", "-", &["", "a", ""]),
            ("ab", "", &["a", "b"]),
            ("ab", "x", &["ab"]),
            ("", "-", &[""]),
        ] {
            check(definition, &[(&[text(input), text(delimiter)], texts(parts))]);
        }
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        let parts = Value::Array(vec![bytes(&[]), bytes(&[1]), bytes(&[])]);
        check(definition, &[(&[bytes(&[9, 9, 1, 9, 9]), bytes(&[9, 9])], parts)]);
    }
}
