//! Times written as text beside ROWTIME, WINDOWSTART and WINDOWEND, with parts at the end left out.

/// Milliseconds since the epoch of `yyyy-MM-dd'T'HH:mm:ss.SSS` with an optional zone (`Z`, `+0100`, `+01:00`). Any part
/// after the year may be missing; UTC without a zone. Hour 24 is the next day's midnight.
pub(crate) fn parse_partial_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year: i64 = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |p| digits(p, 2))?;
    let day = parts.next().map_or(Some(1), |p| digits(p, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset_minutes) = split_zone(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut units = clock.split(':').filter(|p| !p.is_empty());
    let hour = units.next().map_or(Some(0), |p| digits(p, 2))?;
    let minute = units.next().map_or(Some(0), |p| digits(p, 2))?;
    let second = units.next().map_or(Some(0), |p| digits(p, 2))?;
    if units.next().is_some() || hour > 24 || minute > 59 || second > 59 || (hour == 24 && (minute, second) != (0, 0)) {
        return None;
    }
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset_minutes;
    Some((minutes * 60 + second) * 1000 + millis)
}

fn digits(text: &str, max: usize) -> Option<i64> {
    if text.is_empty() || text.len() > max || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The clock's part, and the zone's distance from UTC in minutes.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let sign = if time[at..].starts_with('-') { -1 } else { 1 };
    let zone: String = time[at + 1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match zone.len() {
        2 => (digits(&zone, 2)?, 0),
        4 => (digits(zone.get(..2)?, 2)?, digits(zone.get(2..)?, 2)?),
        _ => return None,
    };
    if hours > 18 || minutes > 59 { None } else { Some((&time[..at], sign * (hours * 60 + minutes))) }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of the Gregorian calendar, counted in years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse_partial_timestamp as parse;

    #[test]
    fn parts_at_the_end_may_be_left_out() {
        for (text, millis) in [
            ("1970", Some(0)),
            ("1970-01-02", Some(86_400_000)),
            ("2020-02-23T23:45:12.000", Some(1_582_501_512_000)),
            ("2020-02-23T22:45:12.000-0100", Some(1_582_501_512_000)),
            ("2020-02-23T24", Some(1_582_502_400_000)),
            ("2020-02-23T23:45Z", Some(1_582_501_500_000)),
            ("2020-02-10T08:31:44.001+0000", Some(1_581_323_504_001)),
            ("2021-02-29", None),
            ("yesterday", None),
            ("2020-1-1T1:2:3.5", Some(1_577_840_523_500)),
        ] {
            assert_eq!(parse(text), millis, "{text}");
        }
    }
}
