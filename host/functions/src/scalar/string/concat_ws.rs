//! `CONCAT_WS(separator, value, …)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::{check_size, per_row};
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = |ty: SqlType| {
        let parameters = vec![Parameter::new("separator", ty.clone(), ""), Parameter::new("inputs", ty.clone(), "")];
        Signature::variadic(parameters, ty.into())
    };
    ScalarDefinition::built_in(
        "CONCAT_WS",
        category::STRING,
        "The texts or bytes one after the other with the separator between them. Nulls are left out; a null separator gives null.",
        vec![
            ScalarOverload::new("", signature(SqlType::Varchar), |binding| {
                per_row(&binding.returns, |values| {
                    let Some(separator) = values[0].as_str() else { return Ok(Value::Null) };
                    let parts: Vec<&str> = values[1..].iter().filter_map(Value::as_str).collect();
                    let separators = parts.len().saturating_mul(separator.len());
                    check_size(parts.iter().map(|part| part.len()).sum::<usize>().saturating_add(separators))?;
                    Ok(Value::Varchar(parts.join(separator)))
                })
            }),
            ScalarOverload::new("", signature(SqlType::Bytes), |binding| {
                per_row(&binding.returns, |values| {
                    let Value::Bytes(separator) = &values[0] else { return Ok(Value::Null) };
                    let parts =
                        values[1..].iter().filter_map(|v| if let Value::Bytes(b) = v { Some(b.as_slice()) } else { None });
                    Ok(Value::Bytes(parts.collect::<Vec<&[u8]>>().join(separator.as_slice())))
                })
            }),
        ],
        &[("CONCAT_WS(', ', 'a', NULL, 'b')", "\"a, b\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn separates_what_is_there() {
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        check(
            definition,
            &[
                (&[text(", "), text("a"), Value::Null, text("b")], text("a, b")),
                (&[text(","), Value::Null], text("")),
                (&[Value::Null, text("a")], Value::Null),
                (&[bytes(&[0]), bytes(&[1]), bytes(&[]), bytes(&[2])], bytes(&[1, 0, 0, 2])),
            ],
        );
    }
}
