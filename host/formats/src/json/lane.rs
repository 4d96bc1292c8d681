//! The fast lane: values as they mostly are, in compact JSON. Everything else is `None`, and the scanner takes its careful way.
//!
//! Functions of bytes and a position, so that all of it stays in registers.

use super::plain::{digits_len, plain_len};
use super::scan::Kind;

/// The closing quote of a string without escapes, whose opening quote is at `at`.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at + 1..)?;
    let length = plain_len(rest);
    (rest.get(length) == Some(&b'"')).then_some(at + 1 + length)
}

/// The end of a number without sign and exponent that does not begin with 0.
#[inline(always)]
pub(super) fn number_end(bytes: &[u8], at: usize) -> Option<(usize, Kind)> {
    let end = at + digits_len(bytes.get(at..)?);
    match bytes.get(end)? {
        b',' | b'}' | b']' => Some((end, Kind::Integral)),
        b'.' => {
            let digits = digits_len(bytes.get(end + 1..)?);
            let end = end + 1 + digits;
            (digits > 0 && matches!(bytes.get(end)?, b',' | b'}' | b']')).then_some((end, Kind::Fractional))
        }
        _ => None,
    }
}

/// The end of an object of plain strings and numbers, whose brace is at `at`.
#[inline(never)]
pub(super) fn flat_object_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        if bytes.get(at + 1) != Some(&b'"') {
            return None;
        }
        at = string_end(bytes, at + 1)?;
        if bytes.get(at + 1) != Some(&b':') {
            return None;
        }
        at = match bytes.get(at + 2)? {
            b'"' => string_end(bytes, at + 2)? + 1,
            b'1'..=b'9' => number_end(bytes, at + 2)?.0,
            _ => return None,
        };
        match bytes.get(at)? {
            b',' => {}
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}
