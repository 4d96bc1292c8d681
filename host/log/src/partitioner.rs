//! Which partition a key belongs to.

/// The partition that Kafka's Java clients choose for a key: murmur2 of its bytes, sign dropped, modulo the number
/// of partitions. A null key has no partition of its own: it gets 0 here, and callers spread such records.
pub fn partition_for_key(key: Option<&[u8]>, partitions: i32) -> i32 {
    match key {
        Some(key) if partitions > 0 => (murmur2(key) & 0x7fff_ffff) as i32 % partitions,
        _ => 0,
    }
}

/// Kafka's variant of MurmurHash2: seed 0x9747b28c, little-endian.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (index, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_java_client() {
        // The vectors of Kafka's own documentation of the function.
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn partitions_are_in_range() {
        for number in 0..1_000u32 {
            assert!((0..7).contains(&partition_for_key(Some(&number.to_be_bytes()), 7)));
        }
        assert_eq!(partition_for_key(None, 4), 0);
        assert_eq!(partition_for_key(Some(b"x"), 0), 0);
    }
}
