//! `MD5(text)`.

use calzone_types::{SqlType, Value};

use super::encoding::hex;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "MD5",
        category::STRING,
        "The MD5 digest of a text, as 32 hexadecimal digits. Not for security.",
        vec![ScalarOverload::new("", Signature::of(&[("s", SqlType::Varchar)], SqlType::Varchar), |binding| {
            let constants = constants();
            per_row_of_values(&binding.returns, move |values| {
                let text = values[0].as_str().unwrap_or_default();
                Ok(Value::Varchar(hex(&digest(text.as_bytes(), &constants), b"0123456789abcdef")))
            })
        })],
        &[("MD5('abc')", "\"900150983cd24fb0d6963f7d28e17f72\"")],
    )
}

/// Left rotations of the four rounds, four steps each.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The 64 additive constants: 2^32 × |sin(step + 1)|.
fn constants() -> [u32; 64] {
    std::array::from_fn(|step| ((step as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32)
}

/// RFC 1321.
fn digest(message: &[u8], constants: &[u32; 64]) -> [u8; 16] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64) + if padded.len() % 64 > 56 { 64 } else { 0 }, 0);
    let length_at = padded.len() - 8;
    padded[length_at..].copy_from_slice(&(message.len() as u64).wrapping_mul(8).to_le_bytes());

    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |i: usize| u32::from_le_bytes([block[4 * i], block[4 * i + 1], block[4 * i + 2], block[4 * i + 3]]);
        let [mut a, mut b, mut c, mut d] = state;
        for (step, constant) in constants.iter().enumerate() {
            let (mixed, index) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let sum = mixed.wrapping_add(a).wrapping_add(*constant).wrapping_add(word(index));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(ROTATIONS[step / 16][step % 4]));
        }
        for (total, part) in state.iter_mut().zip([a, b, c, d]) {
            *total = total.wrapping_add(part);
        }
    }
    let mut bytes = [0; 16];
    bytes.chunks_exact_mut(4).zip(state).for_each(|(chunk, word)| chunk.copy_from_slice(&word.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn the_vectors_of_the_rfc() {
        let digits = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        for (input, output) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
            (digits, "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            check(definition, &[(&[text(input)], text(output))]);
        }
    }
}
