//! `INT_FROM_BYTES(bytes[, byte order])`.

use calzone_types::{SqlType, Value};

use super::byte_order::{instance, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "INT_FROM_BYTES",
        category::CONVERSIONS,
        "4 bytes read as an INTEGER.",
        overloads(SqlType::Integer, |binding| instance(binding, |bytes| Value::Integer(i32::from_be_bytes(bytes)))),
        &[("INT_FROM_BYTES(TO_BYTES('000007E5', 'hex'))", "2021")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn reads_both_orders() {
        let value: i32 = -2021;
        let (big, little) = (Value::Bytes(value.to_be_bytes().to_vec()), Value::Bytes(value.to_le_bytes().to_vec()));
        check(
            definition,
            &[
                (std::slice::from_ref(&big), Value::Integer(value)),
                (&[big.clone(), text("BIG_ENDIAN")], Value::Integer(value)),
                (&[little, text("LITTLE_ENDIAN")], Value::Integer(value)),
            ],
        );
        check_fails(definition, &[&[Value::Bytes(vec![1])], &[big, text("MIDDLE")]]);
    }
}
