//! A HyperLogLog sketch: how many distinct hashes were added, about, in at most 4 KiB.
//!
//! The bytes are state on disk, so the layout and the hash never change: the first byte is [`SPARSE`] or [`DENSE`]; a
//! sparse sketch goes on with the hashes themselves, little endian; a dense one with a register a byte.

use calzone_types::Value;

const SPARSE: u8 = 0;
const DENSE: u8 = 1;

/// Up to here the hashes are kept and the count is exact.
const HASHES_MAX: usize = 128;

/// The first bits of a hash choose the register.
const INDEX_BITS: u32 = 12;
const REGISTERS: usize = 1 << INDEX_BITS;

/// A sketch of nothing.
pub(super) fn empty() -> Vec<u8> {
    vec![SPARSE]
}

pub(super) fn add(sketch: &mut Vec<u8>, hash: u64) {
    if sketch.first() == Some(&DENSE) {
        raise(&mut sketch[1..], hash);
        return;
    }
    let bytes = hash.to_le_bytes();
    if sketch.is_empty() {
        sketch.push(SPARSE);
    }
    if sketch[1..].chunks_exact(8).any(|seen| seen == bytes) {
        return;
    }
    sketch.extend_from_slice(&bytes);
    if sketch.len() > 1 + 8 * HASHES_MAX {
        let mut dense = vec![0; 1 + REGISTERS];
        dense[0] = DENSE;
        hashes(sketch).for_each(|hash| raise(&mut dense[1..], hash));
        *sketch = dense;
    }
}

/// Adds all of `other` to `sketch`.
pub(super) fn merge(sketch: &mut Vec<u8>, other: &[u8]) {
    if other.first() != Some(&DENSE) {
        hashes(other).for_each(|hash| add(sketch, hash));
        return;
    }
    let mut dense = other.to_vec();
    if sketch.first() == Some(&DENSE) {
        dense[1..].iter_mut().zip(&sketch[1..]).for_each(|(a, b)| *a = (*a).max(*b));
    } else {
        hashes(sketch).for_each(|hash| raise(&mut dense[1..], hash));
    }
    *sketch = dense;
}

pub(super) fn estimate(sketch: &[u8]) -> i64 {
    if sketch.first() != Some(&DENSE) {
        return hashes(sketch).count() as i64;
    }
    let registers = &sketch[1..];
    let m = registers.len() as f64;
    let sum: f64 = registers.iter().map(|register| 2f64.powi(-i32::from(*register))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let zeros = registers.iter().filter(|register| **register == 0).count();
    let small = raw <= 2.5 * m && zeros > 0;
    (if small { m * (m / zeros as f64).ln() } else { raw }).round() as i64
}

fn hashes(sparse: &[u8]) -> impl Iterator<Item = u64> {
    sparse
        .get(1..)
        .unwrap_or_default()
        .chunks_exact(8)
        .map(|bytes| bytes.iter().rev().fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
}

fn raise(registers: &mut [u8], hash: u64) {
    let index = (hash >> (64 - INDEX_BITS)) as usize;
    // One bit more than the leading zeros behind the index; the set bit bounds them.
    let rank = ((hash << INDEX_BITS) | (1 << (INDEX_BITS - 1))).leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(rank);
    }
}

/// FNV-1a of values, with a last mix that spreads the bits.
pub(super) struct Hash(u64);

impl Default for Hash {
    fn default() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    pub(super) fn write(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes(&[0]),
            Value::Boolean(v) => self.bytes(&[1, u8::from(*v)]),
            Value::Integer(v) => self.tagged(2, i64::from(*v) as u64),
            Value::Bigint(v) => self.tagged(2, *v as u64),
            Value::Double(v) => self.tagged(3, v.to_bits()),
            Value::Decimal(v) => {
                self.bytes(&[4]);
                self.bytes(&v.unscaled.to_le_bytes());
            }
            Value::Varchar(v) => self.sized(5, v.as_bytes()),
            Value::Bytes(v) => self.sized(6, v),
            Value::Date(v) => self.tagged(7, i64::from(*v) as u64),
            Value::Time(v) => self.tagged(8, i64::from(*v) as u64),
            Value::Timestamp(v) => self.tagged(9, *v as u64),
            Value::Array(items) | Value::Struct(items) => {
                self.tagged(10, items.len() as u64);
                items.iter().for_each(|item| self.write(item));
            }
            Value::Map(entries) => {
                // The order of entries does not matter, so their hashes are added.
                let total = entries.iter().fold(0u64, |total, (k, v)| {
                    let mut entry = Hash::default();
                    entry.write(k);
                    entry.write(v);
                    total.wrapping_add(entry.finish())
                });
                self.tagged(11, total);
            }
        }
    }

    pub(super) fn finish(&self) -> u64 {
        let mut bits = self.0;
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        bits ^ (bits >> 33)
    }

    fn tagged(&mut self, tag: u8, number: u64) {
        self.bytes(&[tag]);
        self.bytes(&number.to_le_bytes());
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.tagged(tag, bytes.len() as u64);
        self.bytes(bytes);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: std::ops::Range<i64>) -> Vec<u8> {
        let mut sketch = empty();
        for n in numbers {
            let mut hash = Hash::default();
            hash.write(&Value::Bigint(n));
            add(&mut sketch, hash.finish());
        }
        sketch
    }

    #[test]
    fn counts_are_exact_when_small_and_close_when_large() {
        assert_eq!(estimate(&empty()), 0);
        for n in [1, 2, 128] {
            assert_eq!(estimate(&of(0..n)), n);
        }
        for n in [129i64, 1000, 10_000, 200_000] {
            let error = (estimate(&of(0..n)) - n).abs() as f64 / n as f64;
            assert!(error < 0.06, "{n}: off by {error}");
        }
    }

    #[test]
    fn merged_sketches_count_the_union() {
        for (a, b) in [(10, 20), (10, 1000), (1000, 10), (1000, 3000)] {
            let mut sketch = of(0..a);
            merge(&mut sketch, &of(a / 2..b));
            assert_eq!(estimate(&sketch), estimate(&of(0..a.max(b))));
        }
    }

    #[test]
    fn the_hash_is_the_one_on_disk() {
        let mut hash = Hash::default();
        hash.write(&"abc".into());
        assert_eq!(hash.finish(), 11_443_218_346_580_018_436);
    }
}
