//! `BIGINT_FROM_BYTES(bytes[, byte order])`.

use calzone_types::{SqlType, Value};

use super::byte_order::{instance, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "BIGINT_FROM_BYTES",
        category::CONVERSIONS,
        "8 bytes read as a BIGINT.",
        overloads(SqlType::Bigint, |binding| instance(binding, |bytes| Value::Bigint(i64::from_be_bytes(bytes)))),
        &[("BIGINT_FROM_BYTES(TO_BYTES('000000012A05F200', 'hex'))", "5000000000")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn reads_both_orders() {
        let value: i64 = 5_000_000_000;
        let (big, little) = (Value::Bytes(value.to_be_bytes().to_vec()), Value::Bytes(value.to_le_bytes().to_vec()));
        check(
            definition,
            &[
                (std::slice::from_ref(&big), Value::Bigint(value)),
                (&[big.clone(), text("BIG_ENDIAN")], Value::Bigint(value)),
                (&[little, text("LITTLE_ENDIAN")], Value::Bigint(value)),
            ],
        );
        check_fails(definition, &[&[Value::Bytes(vec![1])], &[big, text("MIDDLE")]]);
    }
}
