//! Dates and times of typed literals.

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Days since the epoch of `2024-02-03`, `2024-02` or `2024`.
pub(crate) fn date(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=days).contains(&day) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Milliseconds of the day of `04:05:06.789`, `04:05:06`, `04:05` or `04`.
pub(crate) fn time(text: &str) -> Option<i32> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    let second = parts.next().map_or(Some(0), |part| digits(part, 2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms = format!("{fraction:0<3}")[..3].parse::<i32>().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

/// Milliseconds since the epoch of a date, optionally `T` (or a space) and a time, optionally `Z` or an offset `+01:00`.
pub(crate) fn timestamp(text: &str) -> Option<i64> {
    let Some((day, rest)) = text.split_once(['T', ' ']) else { return Some(i64::from(date(text)?) * DAY_MS) };
    let (clock, offset_ms) = match rest.find(['Z', '+', '-']) {
        Some(at) => (&rest[..at], offset(&rest[at..])?),
        None => (rest, 0),
    };
    Some(i64::from(date(day)?) * DAY_MS + i64::from(time(clock)?) - offset_ms)
}

fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let rest: String = text.get(1..)?.chars().filter(|c| *c != ':').collect();
    let hours = digits(rest.get(..2)?, 2)?;
    let minutes = if rest.len() > 2 { digits(rest.get(2..)?, 2)? } else { 0 };
    (hours <= 18 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes) * 60_000)
}

/// Exactly `length` digits.
fn digits(text: &str, length: usize) -> Option<i32> {
    if text.len() == length && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar: years begin in March, so that leap days come last.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) fn date_text(days: i32) -> String {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

pub(crate) fn time_text(ms: i32) -> String {
    let (seconds, ms) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if ms == 0 { text } else { format!("{text}.{ms:03}") }
}

pub(crate) fn timestamp_text(ms: i64) -> String {
    let days = ms.div_euclid(DAY_MS).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    let clock = ms.rem_euclid(DAY_MS) as i32;
    let seconds = clock / 1000;
    format!("{}T{:02}:{:02}:{:02}.{:03}", date_text(days), seconds / 3600, seconds / 60 % 60, seconds % 60, clock % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_and_print() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2024-02-29").map(date_text).as_deref(), Some("2024-02-29"));
        assert_eq!(date("2023-02-29"), None);
        assert_eq!(time("04:05:06.7").map(time_text).as_deref(), Some("04:05:06.700"));
        assert_eq!(timestamp("1970-01-02T00:00:00.001+01:00"), Some(DAY_MS + 1 - 3_600_000));
        assert_eq!(timestamp_text(-1), "1969-12-31T23:59:59.999");
    }

    #[test]
    fn every_day_reads_back() {
        for days in (-719_000..2_900_000).step_by(97) {
            assert_eq!(date(&date_text(days)), Some(days));
        }
    }
}
