//! Numbers in text, read as Java reads them.

use std::borrow::Cow;

use calzone_types::Decimal;

/// The low 64 bits of a JSON number without its fraction: what `longValue` of Java's big numbers gives.
/// `literal` must be a JSON number.
pub(crate) fn literal_to_i64(literal: &str) -> i64 {
    let (negative, digits) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest.as_bytes()),
        None => (false, literal.as_bytes()),
    };
    let mut whole: i64 = 0;
    let mut at = 0;
    while let Some(digit) = digits.get(at).filter(|b| b.is_ascii_digit()) {
        whole = whole.wrapping_mul(10).wrapping_add((digit - b'0').into());
        at += 1;
    }
    if at < digits.len() {
        whole = fractional_to_i64(&digits[..at], &digits[at..]);
    }
    if negative { whole.wrapping_neg() } else { whole }
}

/// A JSON number as the nearest double.
pub(crate) fn literal_to_f64(literal: &str) -> f64 {
    plain_f64(literal).unwrap_or_else(|| literal.parse().unwrap_or(f64::NAN))
}

/// For the numbers that data mostly hold: no exponent, and so few digits that the digits and the power of ten are both
/// exact doubles; then their quotient is rounded once, and so correct.
fn plain_f64(literal: &str) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let (negative, unsigned) = match literal.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if unsigned.len() > POWERS.len() {
        return None;
    }
    let (mut digits, mut point) = (0u64, None);
    for (at, byte) in unsigned.iter().enumerate() {
        match byte {
            b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
            b'.' => point = Some(at),
            _ => return None,
        }
    }
    let fraction_len = point.map_or(0, |at| unsigned.len() - 1 - at);
    // Sixteen digits without a point may be more than 53 bits hold.
    if digits > 1 << 53 {
        return None;
    }
    let magnitude = digits as f64 / POWERS[fraction_len];
    Some(if negative { -magnitude } else { magnitude })
}

/// `whole`, then `rest` = `[.digits][e[+-]digits]`: the digits left of the point once the exponent has moved it.
fn fractional_to_i64(whole: &[u8], rest: &[u8]) -> i64 {
    let exponent_at = rest.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(rest.len());
    let fraction = rest[..exponent_at].strip_prefix(b".").unwrap_or_default();
    let exponent = match rest.get(exponent_at + 1..).map(|text| std::str::from_utf8(text).unwrap_or_default()) {
        None => 0,
        // An exponent beyond 64 bits: nothing is left of a small number, and of a large one only zeros below bit 64.
        Some(text) => text.parse::<i64>().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }),
    };
    let kept = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent);
    if kept <= 0 {
        return 0;
    }
    let mut value: i64 = 0;
    let mut left = kept;
    for digit in whole.iter().chain(fraction) {
        if left == 0 {
            return value;
        }
        value = value.wrapping_mul(10).wrapping_add((digit - b'0').into());
        left -= 1;
    }
    // 10^64 is a multiple of 2^64, so more zeros than that leave nothing.
    for _ in 0..left.min(64) {
        value = value.wrapping_mul(10);
    }
    value
}

/// Text to a double as `Double.parseDouble`: blanks around are ignored, a suffix `d` or `f` is allowed, the special
/// values are `NaN` and `Infinity`. Hexadecimal notation is not read.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    // Rust also reads `inf` and `nan`; a number starts with a digit or a point.
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    digits.parse().ok()
}

/// The number as a decimal of that precision and scale, unscaled. It must fit exactly: zeros may be added or
/// dropped at the end, other digits not.
pub(crate) fn parse_decimal(text: &str, precision: u16, scale: u16) -> Result<i128, String> {
    let exact: Decimal = text.parse().map_err(|_| format!("`{}` is not a number of at most 38 digits", excerpt(text)))?;
    match exact.fit(precision, scale) {
        Some(fitted) if fitted.compare(&exact).is_eq() => Ok(fitted.unscaled),
        Some(_) => Err(format!("{} has more than {scale} digits after the point", excerpt(text))),
        None => Err(format!("{} has more than {} digits before the point", excerpt(text), precision.saturating_sub(scale))),
    }
}

/// A JSON number as Java's exact number classes print it: integers plain, other numbers with their scale, and in
/// scientific notation below 10^-6 or where the exponent adds zeros. None where the exponent is absurd.
pub(crate) fn canonical_number(literal: &str) -> Option<Cow<'_, str>> {
    let (sign, unsigned) = literal.strip_prefix('-').map_or(("", literal), |rest| ("-", rest));
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if exponent == 0 && fraction.is_empty() && mantissa.len() == unsigned.len() {
        return Some(if unsigned == "0" { Cow::Borrowed("0") } else { Cow::Borrowed(literal) });
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let (sign, digits) = if digits.is_empty() { ("", "0") } else { (sign, digits) };
    let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    let adjusted = i64::try_from(digits.len()).ok()? - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        let scale = usize::try_from(scale).ok()?;
        if scale == 0 {
            return Some(format!("{sign}{digits}").into());
        }
        if digits.len() <= scale {
            return Some(format!("{sign}0.{digits:0>scale$}").into());
        }
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        return Some(format!("{sign}{whole}.{fraction}").into());
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    Some(format!("{sign}{first}{point}{rest}E{adjusted:+}").into())
}

/// The start of a text for an error message; data may be long.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    const CHARACTERS_MAX: usize = 40;
    match text.char_indices().nth(CHARACTERS_MAX) {
        None => text.into(),
        Some((at, _)) => format!("{}…", &text[..at]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_integers_as_in_java() {
        for (literal, value) in [
            ("0", 0),
            ("-0", 0),
            ("-17", -17),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775808", i64::MIN),
            ("18446744073709551617", 1),
            ("1.9", 1),
            ("-1.9", -1),
            ("12.34e1", 123),
            ("1e3", 1000),
            ("1.5E+2", 150),
            ("123e-2", 1),
            ("1e-5", 0),
            ("1e400", 0),
            ("1e99999999999999999999", 0),
            ("1e-99999999999999999999", 0),
        ] {
            assert_eq!(literal_to_i64(literal), value, "{literal}");
        }
    }

    #[test]
    fn doubles_are_read_as_in_java() {
        for (text, value) in [
            ("1", Some(1.0)),
            (" 1.5e3\t", Some(1500.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1d", Some(1.0)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("", None),
            ("1x", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_double(text), value, "{text}");
        }
        assert!(parse_double("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn literals_become_the_nearest_double() {
        for literal in [
            "0",
            "-0",
            "1",
            "0.1",
            "-12.34",
            "99.99",
            "9999999999999999",
            "0.30000000000000004",
            "123456789.1234567",
            "1e23",
            "1.7976931348623157e308",
            "1e400",
            "5e-324",
        ] {
            let (value, expected) = (literal_to_f64(literal), literal.parse::<f64>().unwrap());
            assert_eq!(value.to_bits(), expected.to_bits(), "{literal}");
        }
    }

    #[test]
    fn decimals_must_fit_exactly() {
        assert_eq!(parse_decimal("10", 6, 4), Ok(100_000));
        assert_eq!(parse_decimal("1.2300", 4, 2), Ok(123));
        assert_eq!(parse_decimal("-.5", 4, 2), Ok(-50));
        assert_eq!(parse_decimal("1.5e1", 4, 2), Ok(1500));
        assert!(parse_decimal("1.234", 4, 2).is_err());
        assert!(parse_decimal("100", 4, 2).is_err());
        assert!(parse_decimal("", 4, 2).is_err());
        assert!(parse_decimal("1e999999999999", 4, 2).is_err());
    }

    #[test]
    fn numbers_print_as_exact_numbers_of_java() {
        for (literal, text) in [
            ("12", "12"),
            ("-0", "0"),
            ("1.50", "1.50"),
            ("-0.0", "0.0"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1E-7"),
            ("1e3", "1E+3"),
            ("12.5e-1", "1.25"),
            ("125e1", "1.25E+3"),
            ("1e0", "1"),
        ] {
            assert_eq!(canonical_number(literal).as_deref(), Some(text), "{literal}");
        }
        assert_eq!(canonical_number("1e99999999999"), None);
    }
}
