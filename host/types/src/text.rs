//! Text of numbers and times, as Java and therefore ksqlDB print them.

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// `Double.toString` of Java: `1.0`, `1.0E10`, `1.0E-5`, `NaN`, `Infinity`; plain notation for
/// magnitudes from 10^-3 up to but not including 10^7.
pub fn double_to_java(v: f64) -> String {
    let mut text = String::new();
    push_double_java(&mut text, v);
    text
}

/// Appends [`double_to_java`] without allocating.
pub fn push_double_java(out: &mut String, v: f64) {
    if v.is_nan() {
        out.push_str("NaN");
        return;
    }
    if v.is_sign_negative() {
        out.push('-');
    }
    if v.is_infinite() {
        out.push_str("Infinity");
        return;
    }
    if v == 0.0 {
        out.push_str("0.0");
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let (mut digits, mut len, mut exponent) = scientific(buffer.format_finite(v.abs()));
    if len == 1 && v.is_subnormal() {
        // Java prints two digits at least, and chooses the second: `4.9E-324` where one digit would do (`5e-324`).
        (digits, len, exponent) = scientific(&format!("{:.1e}", v.abs()));
    }
    // The bytes are ASCII digits.
    let digits = std::str::from_utf8(&digits[..len]).unwrap_or("0");
    if !(-3..7).contains(&exponent) {
        let rest = &digits[1..];
        out.push_str(&digits[..1]);
        out.push('.');
        out.push_str(if rest.is_empty() { "0" } else { rest });
        out.push('E');
        out.push_str(itoa::Buffer::new().format(exponent));
        return;
    }
    if exponent < 0 {
        out.push_str("0.");
        (exponent..-1).for_each(|_| out.push('0'));
        out.push_str(digits);
        return;
    }
    let whole_len = exponent as usize + 1;
    if len <= whole_len {
        out.push_str(digits);
        (len..whole_len).for_each(|_| out.push('0'));
        out.push_str(".0");
        return;
    }
    out.push_str(&digits[..whole_len]);
    out.push('.');
    out.push_str(&digits[whole_len..]);
}

/// Digits without zeros around them, their number, and the power of ten of the first one, of a positive number in any
/// decimal notation of at most 17 digits that count.
fn scientific(text: &str) -> ([u8; 24], usize, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits = [b'0'; 24];
    let mut len = 0;
    let mut last_significant = 0;
    // Power of ten of the digit that comes next; found when the first digit that counts is met.
    let point = mantissa.find('.').unwrap_or(mantissa.len()) as i32;
    let mut power = point - 1;
    let mut first_power = 0;
    for byte in mantissa.bytes().filter(|b| *b != b'.') {
        if len > 0 || byte != b'0' {
            if len == 0 {
                first_power = power;
            }
            if len < digits.len() {
                digits[len] = byte;
                len += 1;
                if byte != b'0' {
                    last_significant = len;
                }
            }
        }
        power -= 1;
    }
    (digits, last_significant.max(1), first_power + exponent.parse::<i32>().unwrap_or(0))
}

/// Reads a double in decimal notation, surrounding blanks allowed. `NaN`, `Infinity`, hexadecimal and type suffixes
/// are not numbers of SQL.
pub fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let decimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if decimal { text.parse().ok() } else { None }
}

/// `2024-02-03` from days since the epoch.
pub fn format_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(days.into());
    format!("{}-{month:02}-{day:02}", format_year(year))
}

/// `04:05:06` from milliseconds of the day. As in ksqlDB, milliseconds are not written, nor are seconds of `04:05:00`.
pub fn format_time(ms: i32) -> String {
    let seconds = i64::from(ms).rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if second == 0 { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

/// `2024-02-03T04:05:06.789` from milliseconds since the epoch, in UTC.
pub fn format_timestamp(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let of_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}", format_year(year), of_day % 1000)
}

/// Reads `2024`, `2024-02`, `2024-02-03` as days since the epoch. A time of day other than midnight makes it no date.
pub fn parse_date(text: &str) -> Option<i32> {
    let ms = parse_timestamp(text)?;
    if ms.rem_euclid(DAY_MS) != 0 {
        return None;
    }
    i32::try_from(ms.div_euclid(DAY_MS)).ok()
}

/// Reads `04:05`, `04:05:06`, `04:05:06.789` as milliseconds of the day; digits below a millisecond are cut.
pub fn parse_time(text: &str) -> Option<i32> {
    text.contains(':').then(|| parse_time_of_day(text)).flatten()
}

/// Reads a timestamp whose end may be missing, from `2024` to `2024-02-03T04:05:06.789`; after a time there may be a
/// zone: `Z`, `+01`, `+0100` or `+01:00`. Without one it is UTC. Milliseconds since the epoch.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_once('T').unwrap_or((text, ""));
    let (time, zone) = match rest.find(['Z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?;
    if year.len() != 4 {
        return None;
    }
    let year = digits(year, 4)?;
    let month = parts.next().map_or(Some(1), |m| digits(m, 2))?;
    let day = parts.next().map_or(Some(1), |d| digits(d, 2))?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    let of_day = if time.is_empty() { 0 } else { i64::from(parse_time_of_day(time)?) };
    Some(days_from_civil(year, month, day) * DAY_MS + of_day - parse_zone_offset(zone)?)
}

/// `HH[:mm[:ss[.fraction]]]`.
fn parse_time_of_day(text: &str) -> Option<i32> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |m| digits(m, 2))?;
    let seconds = parts.next();
    let second = seconds.map_or(Some(0), |s| digits(s, 2))?;
    if hour > 23 || minute > 59 || second > 59 || (text.contains('.') && seconds.is_none()) {
        return None;
    }
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = fraction.bytes().chain(*b"000").take(3).fold(0, |ms, b| ms * 10 + i64::from(b - b'0'));
    i32::try_from(((hour * 60 + minute) * 60 + second) * 1000 + ms).ok()
}

/// Milliseconds that the zone is ahead of UTC.
fn parse_zone_offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') => return (zone.len() == 1).then_some(0),
        Some(b'+') => (1, &zone[1..]),
        _ => (-1, zone.get(1..)?),
    };
    let (hours, minutes) = match rest.len() {
        1 | 2 => (rest, "0"),
        4 => (rest.get(..2)?, rest.get(2..)?),
        5 => rest.split_once(':')?,
        _ => return None,
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// A number of 1 to `len_max` ASCII digits.
fn digits(text: &str, len_max: usize) -> Option<i64> {
    if text.is_empty() || text.len() > len_max || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Four digits at least; Java marks years beyond with a sign.
fn format_year(year: i64) -> String {
    match year {
        0..=9999 => format!("{year:04}"),
        10_000.. => format!("+{year}"),
        _ => format!("-{:04}", -year),
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since the epoch of a date in the proleptic Gregorian calendar. Years start in March here, so that the leap
/// day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        for (v, text) in [
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (2147483648.9, "2.1474836489E9"),
            (-12345.678, "-12345.678"),
            (-0.0, "-0.0"),
            (f64::from_bits(1), "4.9E-324"),
            (1e23, "1.0E23"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::MAX, "1.7976931348623157E308"),
            (1e22, "1.0E22"),
            (123456.0, "123456.0"),
            (0.00123, "0.00123"),
        ] {
            assert_eq!(double_to_java(v), text);
        }
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, ms) in [
            ("1970", Some(0)),
            ("1970-01-02", Some(DAY_MS)),
            ("2024-02-29T04:05:06.789", Some(1_709_179_506_789)),
            ("2024-02-29T04:05:06.7", Some(1_709_179_506_700)),
            ("2024-02-29T05:05:06.789+01:00", Some(1_709_179_506_789)),
            ("2024-02-29T03:35:06.789-0030", Some(1_709_179_506_789)),
            ("1969-12-31T23Z", Some(-3_600_000)),
            ("2023-02-29", None),
            ("2024-13", None),
            ("foo", None),
            ("2024-01-01 10:00", None),
            ("2024-01-01T25:00", None),
            ("", None),
        ] {
            assert_eq!(parse_timestamp(text), ms, "{text}");
        }
        assert_eq!(format_timestamp(1_709_179_506_789), "2024-02-29T04:05:06.789");
        assert_eq!(format_timestamp(-1), "1969-12-31T23:59:59.999");
        assert_eq!((format_date(-1), format_date(11_016)), ("1969-12-31".into(), "2000-02-29".into()));
        assert_eq!((format_time(5000), format_time(3_600_000)), ("00:00:05".into(), "01:00".into()));
        for (text, ms) in [("00:00:00.010", Some(10)), ("00:01", Some(60_000)), ("7", None), ("24:00", None), ("foo", None)] {
            assert_eq!(parse_time(text), ms, "{text}");
        }
        assert_eq!(
            (parse_date("1970-01"), parse_date("1970-01-02T00:00"), parse_date("1970-01-02T01:00")),
            (Some(0), Some(1), None)
        );
    }
}
