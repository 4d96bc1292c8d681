//! Runs of bytes that need no attention, sixteen at a time: ASCII, the plain part of a string, the digits of a number.

use std::str::{Utf8Error, from_utf8, from_utf8_unchecked};

/// The bytes as text, as [`from_utf8`] gives it, which looks at ASCII eight bytes at a time.
#[inline]
pub(super) fn text(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if bytes.iter().fold(0, |all, byte| all | byte) < 0x80 {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { from_utf8_unchecked(bytes) });
    }
    from_utf8(bytes)
}

/// Length of the start of a string that needs no attention: up to a quote, backslash or control character.
#[inline(always)]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    // Most strings end within the first sixteen bytes, and most texts go on behind them.
    if let Some(chunk) = bytes.first_chunk::<16>()
        && let Some(at) = first_special(chunk)
    {
        return at;
    }
    long_plain_len(bytes)
}

#[inline(never)]
fn long_plain_len(bytes: &[u8]) -> usize {
    let (chunks, tail) = bytes.as_chunks::<16>();
    for (i, chunk) in chunks.iter().enumerate() {
        if let Some(at) = first_special(chunk) {
            return i * 16 + at;
        }
    }
    let passed = chunks.len() * 16;
    let (words, tail) = tail.as_chunks::<8>();
    if let [word] = words {
        match special_bits(u64::from_le_bytes(*word)) {
            0 => {}
            bits => return passed + (bits.trailing_zeros() / 8) as usize,
        }
    }
    let plain = tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).unwrap_or(tail.len());
    passed + words.len() * 8 + plain
}

/// How many digits `bytes` begin with.
#[inline(always)]
pub(super) fn digits_len(bytes: &[u8]) -> usize {
    match bytes.first_chunk::<16>().map(first_no_digit) {
        Some(Some(at)) => at,
        _ => bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len()),
    }
}

/// SSE2 is a part of x86-64, so no check at run time is needed.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_special(chunk: &[u8; 16]) -> Option<usize> {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: the pointer is good for sixteen bytes and need not be aligned; the target has SSE2.
    let mask = unsafe {
        let bytes = _mm_loadu_si128(chunk.as_ptr().cast::<__m128i>());
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        let controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, backslashes), controls))
    };
    (mask != 0).then(|| mask.trailing_zeros() as usize)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_no_digit(chunk: &[u8; 16]) -> Option<usize> {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_set1_epi8, _mm_sub_epi8,
    };
    // SAFETY: the pointer is good for sixteen bytes and need not be aligned; the target has SSE2.
    let digits = unsafe {
        let values = _mm_sub_epi8(_mm_loadu_si128(chunk.as_ptr().cast::<__m128i>()), _mm_set1_epi8(b'0' as i8));
        _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values))
    };
    (digits != 0xFFFF).then(|| digits.trailing_ones() as usize)
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn first_no_digit(chunk: &[u8; 16]) -> Option<usize> {
    chunk.iter().position(|byte| !byte.is_ascii_digit())
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn first_special(chunk: &[u8; 16]) -> Option<usize> {
    let (words, _) = chunk.as_chunks::<8>();
    words.iter().enumerate().find_map(|(i, word)| match special_bits(u64::from_le_bytes(*word)) {
        0 => None,
        bits => Some(i * 8 + (bits.trailing_zeros() / 8) as usize),
    })
}

/// The lowest set bit is the highest bit of the first special byte. Those above it mean nothing: a borrow can set them.
#[inline]
fn special_bits(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    below(word, 0x20) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_found() {
        for special in [b'"', b'\\', 0x1f, 0] {
            for at in 0..30 {
                let mut bytes = vec![0xC3u8; 30];
                bytes[at] = special;
                assert_eq!(plain_len(&bytes), at);
            }
        }
        assert_eq!(plain_len(b"plain \x7f!# text"), 14);
        for len in 0..40 {
            for other in [b'/', b':', b' ', 0xB0] {
                let mut bytes = vec![b'7'; len];
                assert_eq!(digits_len(&bytes), len);
                bytes.extend([other; 20]);
                assert_eq!(digits_len(&bytes), len);
            }
        }
    }
}
