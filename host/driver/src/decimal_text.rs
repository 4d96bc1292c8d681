//! Numbers by their literal text, as Java's BigDecimal reads them: `1.0` and `1.00` differ.

/// `±digits × 10^-scale`, with the scale that the text has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecimalText {
    negative: bool,
    /// Without leading zeros; `0` for zero.
    digits: String,
    scale: i64,
}

impl DecimalText {
    /// Reads a JSON or Java number. None if the text is no number.
    pub fn parse(text: &str) -> Option<DecimalText> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() == 0 || !whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit()) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let trimmed = all.trim_start_matches('0');
        let digits = if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() };
        let negative = negative && digits != "0";
        Some(DecimalText { negative, digits, scale: fraction.len() as i64 - exponent })
    }

    /// Are these the same number and, if it is not whole by its scale, nothing else: as an integer literal demands?
    pub fn is_integer(&self, literal: &DecimalText) -> bool {
        self.scale <= 0 && self.expanded() == literal.expanded()
    }

    /// The whole part as 64 bits, cut off like Java's `longValue`.
    pub fn truncated(&self) -> i64 {
        let mut digits = self.digits.clone();
        if self.scale > 0 {
            digits.truncate(digits.len().saturating_sub(self.scale as usize));
        } else {
            digits.extend(std::iter::repeat_n('0', (-self.scale).min(40) as usize));
        }
        let value: i128 = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(i128::MAX) };
        (if self.negative { -value } else { value }) as i64
    }

    /// Sign and digits of a number without a fraction, zeros written out.
    fn expanded(&self) -> Option<(bool, String)> {
        let zeros = usize::try_from(-self.scale).ok().filter(|zeros| *zeros < 1000)?;
        let digits = if self.digits == "0" { "0".to_owned() } else { format!("{}{}", self.digits, "0".repeat(zeros)) };
        Some((self.negative, digits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> DecimalText {
        DecimalText::parse(text).expect("a number")
    }

    #[test]
    fn scale_counts_and_exponents_shift_it() {
        assert_ne!(decimal("1.0"), decimal("1.00"));
        assert_eq!(decimal("2.5E1"), decimal("25"));
        assert_eq!(decimal("-0.50"), decimal("-.50"));
        assert!(decimal("1E3").is_integer(&decimal("1000")));
        assert!(!decimal("1.0").is_integer(&decimal("1")));
        assert_eq!(decimal("-1.9").truncated(), -1);
        assert_eq!(decimal("12E2").truncated(), 1200);
        assert_eq!(DecimalText::parse("1e"), None);
        assert_eq!(DecimalText::parse("x"), None);
    }
}
