//! `DOUBLE_FROM_BYTES(bytes[, byte order])`.

use calzone_types::{SqlType, Value};

use super::byte_order::{instance, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "DOUBLE_FROM_BYTES",
        category::CONVERSIONS,
        "8 bytes read as a DOUBLE.",
        overloads(SqlType::Double, |binding| instance(binding, |bytes| Value::Double(f64::from_be_bytes(bytes)))),
        &[("DOUBLE_FROM_BYTES(TO_BYTES('3FF8000000000000', 'hex'))", "1.5")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn reads_both_orders() {
        let value: f64 = 532.8738323;
        let (big, little) = (Value::Bytes(value.to_be_bytes().to_vec()), Value::Bytes(value.to_le_bytes().to_vec()));
        check(
            definition,
            &[
                (std::slice::from_ref(&big), Value::Double(value)),
                (&[big.clone(), text("BIG_ENDIAN")], Value::Double(value)),
                (&[little, text("LITTLE_ENDIAN")], Value::Double(value)),
            ],
        );
        check_fails(definition, &[&[Value::Bytes(vec![1])], &[big, text("MIDDLE")]]);
    }
}
