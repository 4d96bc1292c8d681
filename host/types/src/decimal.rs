//! Exact decimals, as Java's BigDecimal behaves within 38 digits.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use arrow_buffer::i256;

/// `unscaled × 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub unscaled: i128,
    pub scale: u16,
}

impl Decimal {
    pub fn new(unscaled: i128, scale: u16) -> Decimal {
        Decimal { unscaled, scale }
    }

    /// Number of digits of the unscaled value; 1 for zero.
    pub fn precision(&self) -> u16 {
        self.unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log as u16 + 1)
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        const EXACT_DIGITS: u128 = 1 << 53;
        const EXACT_POWER: u16 = 22;
        // Both are exact as doubles within these bounds, so the one division rounds once.
        if self.unscaled.unsigned_abs() <= EXACT_DIGITS && self.scale <= EXACT_POWER {
            return self.unscaled as f64 / 10f64.powi(self.scale.into());
        }
        // Otherwise through text: dividing would round twice.
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The same number with another scale, rounded half up (away from zero). None if it does not fit 128 bits.
    pub fn rescale(&self, scale: u16) -> Option<Decimal> {
        if scale >= self.scale {
            let factor = pow10(scale - self.scale)?;
            return Some(Decimal::new(self.unscaled.checked_mul(factor)?, scale));
        }
        let Some(factor) = pow10(self.scale - scale) else { return Some(Decimal::new(0, scale)) };
        let (quotient, rest) = (self.unscaled / factor, self.unscaled % factor);
        let up = rest.unsigned_abs() >= factor.unsigned_abs().div_ceil(2);
        Some(Decimal::new(quotient + if up { rest.signum() } else { 0 }, scale))
    }

    /// Rescales to `scale` and checks that at most `precision` digits are left. None if they are not.
    pub fn fit(&self, precision: u16, scale: u16) -> Option<Decimal> {
        let limit = pow10(precision).unwrap_or(i128::MAX);
        self.rescale(scale).filter(|d| -limit < d.unscaled && d.unscaled < limit)
    }

    pub fn compare(&self, other: &Decimal) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.rescale(scale), other.rescale(scale)) {
            (Some(a), Some(b)) => a.unscaled.cmp(&b.unscaled),
            _ => {
                let wide = |d: &Decimal| i256::from_i128(d.unscaled).checked_mul(pow10_wide(scale - d.scale)?);
                match (wide(self), wide(other)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => self.to_f64().total_cmp(&other.to_f64()),
                }
            }
        }
    }

    /// The part before the point.
    pub fn truncate(&self) -> i128 {
        pow10(self.scale).map_or(0, |factor| self.unscaled / factor)
    }

    /// The exact decimal that `BigDecimal.valueOf(double)` gives: the shortest text of the double.
    pub fn from_f64(v: f64) -> Option<Decimal> {
        if !v.is_finite() {
            return None;
        }
        crate::text::double_to_java(v).parse().ok()
    }
}

/// 10^n, or None where 128 bits do not hold it.
pub fn pow10(n: u16) -> Option<i128> {
    10i128.checked_pow(n.into())
}

/// 10^n, or None where 256 bits do not hold it.
pub(crate) fn pow10_wide(n: u16) -> Option<i256> {
    i256::from_i128(10).checked_pow(n.into())
}

/// Plain notation, the scale's digits all written: `1.50`, `-0.001`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.unscaled.unsigned_abs());
        let scale = usize::from(self.scale);
        if self.unscaled < 0 {
            f.write_str("-")?;
        }
        if scale == 0 {
            return f.write_str(digits);
        }
        if digits.len() <= scale {
            return write!(f, "0.{digits:0>scale$}");
        }
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

/// The text is not a decimal number, or has more digits than 128 bits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most 38 digits")]
pub struct ParseDecimalError;

/// Reads `[+-]digits[.digits][e[+-]digits]`; an exponent moves the point, a negative scale becomes zeros. Digits of the
/// fraction that 128 bits do not hold are cut.
impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Decimal, ParseDecimalError> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| ParseDecimalError)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(ParseDecimalError);
        }
        let mut unscaled: i128 = 0;
        let append = |unscaled: i128, b: u8| unscaled.checked_mul(10).and_then(|u| u.checked_add((b - b'0').into()));
        if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(ParseDecimalError);
        }
        for b in whole.bytes() {
            unscaled = append(unscaled, b).ok_or(ParseDecimalError)?;
        }
        let mut fraction_digits = 0;
        for b in fraction.bytes() {
            // Digits beyond what 128 bits hold lie far behind any DECIMAL's last one.
            let Some(longer) = append(unscaled, b) else { break };
            unscaled = longer;
            fraction_digits += 1;
        }
        if negative {
            unscaled = -unscaled;
        }
        let scale = i32::checked_sub(fraction_digits, exponent).ok_or(ParseDecimalError)?;
        if scale < 0 {
            let factor = u16::try_from(-scale).ok().and_then(pow10).ok_or(ParseDecimalError)?;
            return Ok(Decimal::new(unscaled.checked_mul(factor).ok_or(ParseDecimalError)?, 0));
        }
        Ok(Decimal::new(unscaled, u16::try_from(scale).map_err(|_| ParseDecimalError)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read() {
        for (text, expected) in [
            ("1.50", Some((150, 2))),
            ("-.5", Some((-5, 1))),
            ("+5.", Some((5, 0))),
            ("1e3", Some((1000, 0))),
            ("12.5e-3", Some((125, 4))),
            ("0.3333333333333333333333333333333333333333333333", Some((33333333333333333333333333333333333333, 38))),
            ("1e39", None),
            ("1e99999999999", None),
            ("", None),
            (".", None),
            ("1,5", None),
            ("--1", None),
        ] {
            let read = text.parse::<Decimal>().ok();
            assert_eq!(read, expected.map(|(unscaled, scale)| Decimal::new(unscaled, scale)), "{text}");
        }
    }

    #[test]
    fn halves_round_away_from_zero() {
        for (unscaled, expected) in [(125, 13), (-125, -13), (124, 12), (-124, -12)] {
            assert_eq!(Decimal::new(unscaled, 2).rescale(1), Some(Decimal::new(expected, 1)));
        }
        assert_eq!(Decimal::new(995, 2).fit(2, 1), None);
        assert_eq!(Decimal::new(5, 400).rescale(2), Some(Decimal::new(0, 2)));
        assert_eq!(Decimal::new(1, 0).rescale(39), None);
    }

    #[test]
    fn order_does_not_depend_on_scale() {
        let huge = Decimal::new(10i128.pow(37), 0);
        assert_eq!(huge.compare(&Decimal::new(1, 30)), Ordering::Greater);
        assert_eq!(Decimal::new(10, 1).compare(&Decimal::new(1, 0)), Ordering::Equal);
    }
}
