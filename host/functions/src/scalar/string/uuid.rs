//! `UUID()` and `UUID(bytes)`.

use std::hash::{BuildHasher, Hasher, RandomState};

use calzone_types::{SqlType, Value};

use super::encoding::hex;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "UUID",
        category::STRING,
        "A new random UUID, or 16 bytes written as one.",
        vec![
            ScalarOverload::new("", Signature::of(&[], SqlType::Varchar), |binding| {
                per_row(&binding.returns, |_| {
                    let mut bytes = (u128::from(random()) << 64 | u128::from(random())).to_be_bytes();
                    // Version 4, variant 1 of RFC 4122.
                    bytes[6] = bytes[6] & 0x0f | 0x40;
                    bytes[8] = bytes[8] & 0x3f | 0x80;
                    Ok(Value::Varchar(write(&bytes)))
                })
            }),
            ScalarOverload::new("", Signature::of(&[("bytes", SqlType::Bytes)], SqlType::Varchar), |binding| {
                per_row(&binding.returns, |values| match &values[0] {
                    Value::Bytes(bytes) if bytes.len() == 16 => Ok(Value::Varchar(write(bytes))),
                    _ => Ok(Value::Null),
                })
            }),
        ],
        &[("UUID(TO_BYTES('00112233445566778899AABBCCDDEEFF', 'hex'))", "\"00112233-4455-6677-8899-aabbccddeeff\"")],
    )
}

/// 64 bits that nobody can foretell: a keyed hash whose keys the standard library draws from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn write(bytes: &[u8]) -> String {
    let digits = hex(bytes, b"0123456789abcdef");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn sixteen_bytes_make_a_uuid() {
        let bytes: Vec<u8> = (0..16).collect();
        check(definition, &[(&[Value::Bytes(bytes)], text("00010203-0405-0607-0809-0a0b0c0d0e0f"))]);
        check(definition, &[(&[Value::Bytes(vec![1])], Value::Null)]);
        assert_ne!(random(), random());
    }
}
