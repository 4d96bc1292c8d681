//! Writes dates and times with a [`Pattern`].

use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};

use super::pattern::{Field, Item, OffsetStyle, Pattern, Sign, first_number, names};
use super::zone::Zone;

/// What there is to write; a pattern that asks for more fails.
struct Parts {
    date: Option<NaiveDate>,
    time: Option<NaiveTime>,
    zone: Option<(Zone, DateTime<Utc>)>,
}

impl Pattern {
    /// Writes an instant, in milliseconds since the epoch, as the zone shows it.
    pub fn format_timestamp(&self, timestamp_ms: i64, zone: Zone) -> Result<String, String> {
        let instant = DateTime::from_timestamp_millis(timestamp_ms).ok_or("The timestamp is too far from 1970 to be written.")?;
        let local = instant
            .naive_utc()
            .checked_add_signed(TimeDelta::seconds(zone.offset_at(instant).into()))
            .ok_or("The timestamp is too far from 1970 to be written.")?;
        self.write(&Parts { date: Some(local.date()), time: Some(local.time()), zone: Some((zone, instant)) })
    }

    /// Writes a date, in days since 1970-01-01.
    pub fn format_date(&self, days: i32) -> Result<String, String> {
        let date = NaiveDate::from_ymd_opt(1970, 1, 1)
            .and_then(|epoch| epoch.checked_add_signed(TimeDelta::try_days(days.into())?))
            .ok_or("The date is too far from 1970 to be written.")?;
        self.write(&Parts { date: Some(date), time: None, zone: None })
    }

    /// Writes a time, in milliseconds of the day.
    pub fn format_time(&self, time_ms: i32) -> Result<String, String> {
        let ms = u32::try_from(time_ms).map_err(|_| format!("{time_ms} ms is not a time of the day."))?;
        let time = NaiveTime::from_num_seconds_from_midnight_opt(ms / 1000, ms % 1000 * 1_000_000)
            .ok_or_else(|| format!("{time_ms} ms is not a time of the day."))?;
        self.write(&Parts { date: None, time: Some(time), zone: None })
    }

    fn write(&self, parts: &Parts) -> Result<String, String> {
        let mut out = String::new();
        write_items(&self.items, parts, &mut out)
            .map_err(|reason| format!("The value cannot be written as '{}': {reason}.", self.as_str()))?;
        Ok(out)
    }
}

fn write_items(items: &[Item], parts: &Parts, out: &mut String) -> Result<(), String> {
    items.iter().try_for_each(|item| write_item(item, parts, out))
}

fn write_item(item: &Item, parts: &Parts, out: &mut String) -> Result<(), String> {
    let zone = || parts.zone.ok_or("there is no time zone");
    match item {
        Item::Literal(text) => out.push_str(text),
        Item::Optional(items) => {
            let before = out.len();
            if write_items(items, parts, out).is_err() {
                out.truncate(before);
            }
        }
        Item::Number { field, min, max, sign } => write_number(number(*field, parts)?, *min, *max, *sign, out)?,
        Item::ShortYear(field) => {
            let _ = write!(out, "{:02}", number(*field, parts)?.rem_euclid(100));
        }
        Item::Fraction { digits } => {
            let nanoseconds = format!("{:09}", number(Field::Nanosecond, parts)?);
            out.push_str(&nanoseconds[..*digits]);
        }
        Item::Text { field, style } => {
            let number = number(*field, parts)?;
            let name = usize::try_from(number - first_number(*field)).ok().and_then(|i| names(*field, *style).get(i));
            out.push_str(name.ok_or("a field has no name")?);
        }
        Item::ZoneId => out.push_str(&zone()?.0.id()),
        Item::ZoneName => {
            let (zone, instant) = zone()?;
            out.push_str(&zone.abbreviation_at(instant));
        }
        Item::Offset { style, zero } => {
            let (zone, instant) = zone()?;
            write_offset(zone.offset_at(instant), *style, zero, out);
        }
        Item::LocalizedOffset { full } => {
            let (zone, instant) = zone()?;
            write_localized_offset(zone.offset_at(instant), *full, out);
        }
        Item::Padded { width, item } => {
            let mut inner = String::new();
            write_item(item, parts, &mut inner)?;
            let length = inner.chars().count();
            if length > *width {
                return Err(format!("'{inner}' is longer than its {width} characters"));
            }
            out.extend(std::iter::repeat_n(' ', width - length));
            out.push_str(&inner);
        }
    }
    Ok(())
}

fn number(field: Field, parts: &Parts) -> Result<i64, String> {
    let date = || parts.date.ok_or("there is no date");
    let time = || parts.time.ok_or("there is no time of the day");
    let hour = || time().map(|t| i64::from(t.hour()));
    Ok(match field {
        Field::Era => i64::from(date()?.year() > 0),
        Field::Year => date()?.year().into(),
        Field::YearOfEra => match i64::from(date()?.year()) {
            year if year > 0 => year,
            year => 1 - year,
        },
        Field::DayOfYear => date()?.ordinal().into(),
        Field::Month => date()?.month().into(),
        Field::Day => date()?.day().into(),
        Field::Quarter => i64::from(date()?.month0() / 3 + 1),
        Field::WeekYear => date()?.iso_week().year().into(),
        Field::Week => date()?.iso_week().week().into(),
        Field::WeekOfMonth => {
            let date = date()?;
            // ISO: the week with the month's first Thursday is the first.
            let monday_of_first = (i64::from(date.day()) - i64::from(date.weekday().num_days_from_monday())).rem_euclid(7);
            let first = if monday_of_first == 0 { 7 } else { monday_of_first };
            let weeks_begun = (i64::from(date.day()) - first).div_euclid(7) + 1;
            weeks_begun + i64::from(first > 4)
        }
        Field::DayOfWeek => date()?.weekday().number_from_monday().into(),
        Field::HalfDay => hour()? / 12,
        Field::ClockHourOfHalfDay => (hour()? + 11) % 12 + 1,
        Field::HourOfHalfDay => hour()? % 12,
        Field::ClockHour => (hour()? + 23) % 24 + 1,
        Field::Hour => hour()?,
        Field::Minute => time()?.minute().into(),
        Field::Second => time()?.second().into(),
        Field::MillisecondOfDay => {
            i64::from(time()?.num_seconds_from_midnight()) * 1000 + i64::from(time()?.nanosecond() / 1_000_000)
        }
        Field::Nanosecond => time()?.nanosecond().into(),
        Field::NanosecondOfDay => {
            i64::from(time()?.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time()?.nanosecond())
        }
    })
}

fn write_number(value: i64, min: usize, max: usize, sign: Sign, out: &mut String) -> Result<(), String> {
    let digits = value.unsigned_abs().to_string();
    if digits.len() > max {
        return Err(format!("{value} has more than {max} digits"));
    }
    match (value < 0, sign) {
        (true, Sign::Never) => return Err(format!("{value} is negative")),
        (true, _) => out.push('-'),
        (false, Sign::ExceedsPad) if digits.len() > min => out.push('+'),
        _ => {}
    }
    let _ = write!(out, "{digits:0>min$}");
    Ok(())
}

fn write_offset(seconds: i32, style: OffsetStyle, zero: &str, out: &mut String) {
    if seconds == 0 {
        out.push_str(zero);
        return;
    }
    let total = seconds.unsigned_abs();
    let (hours, minutes, seconds_left) = (total / 3600, total / 60 % 60, total % 60);
    let colon = if style.colon() { ":" } else { "" };
    let _ = write!(out, "{}{hours:02}", if seconds < 0 { '-' } else { '+' });
    if style != OffsetStyle::OptionalMinutes || minutes != 0 {
        let _ = write!(out, "{colon}{minutes:02}");
    }
    let with_seconds = matches!(style, OffsetStyle::MinutesOptionalSeconds | OffsetStyle::ColonMinutesOptionalSeconds);
    if with_seconds && seconds_left != 0 {
        let _ = write!(out, "{colon}{seconds_left:02}");
    }
}

fn write_localized_offset(seconds: i32, full: bool, out: &mut String) {
    out.push_str("GMT");
    if seconds == 0 {
        return;
    }
    let total = seconds.unsigned_abs();
    let (hours, minutes) = (total / 3600, total / 60 % 60);
    let sign = if seconds < 0 { '-' } else { '+' };
    let _ = match (full, minutes) {
        (true, _) => write!(out, "{sign}{hours:02}:{minutes:02}"),
        (false, 0) => write!(out, "{sign}{hours}"),
        (false, _) => write!(out, "{sign}{hours}:{minutes:02}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2021-03-05T14:07:09.123Z, a Friday.
    const INSTANT: i64 = 1_614_953_229_123;

    #[test]
    fn every_letter_writes() {
        let paris = Zone::from_name("Europe/Paris").expect("exists");
        for (pattern, expected) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2021-03-05T15:07:09.123"),
            ("uuuu y yy yyy yyyyy", "2021 2021 21 2021 02021"),
            ("M MM MMM MMMM MMMMM", "3 03 Mar March M"),
            ("d dd D DDD", "5 05 64 064"),
            ("Q QQQ QQQQ", "1 Q1 1st quarter"),
            ("E EEEE EEEEE e", "Fri Friday F 5"),
            ("YYYY-'W'ww W", "2021-W09 1"),
            ("G GGGG", "AD Anno Domini"),
            ("h hh K k H a", "3 03 3 15 15 PM"),
            ("S SS SSSSSS n A", "1 12 123000 123000000 54429123"),
            ("VV z zzz", "Europe/Paris CET CET"),
            ("X XX XXX x xx xxx Z ZZZZ ZZZZZ O OOOO", "+01 +0100 +01:00 +01 +0100 +01:00 +0100 GMT+01:00 +01:00 GMT+1 GMT+01:00"),
            ("[yyyy]['x'] ''", "2021x '"),
            ("ppppd|pphh", "   5|03"),
        ] {
            let pattern = Pattern::new(pattern).expect("valid");
            assert_eq!(pattern.format_timestamp(INSTANT, paris).as_deref(), Ok(expected), "{}", pattern.as_str());
        }
        let utc = Pattern::new("X x Z O XXX").expect("valid");
        assert_eq!(utc.format_timestamp(0, Zone::UTC).as_deref(), Ok("Z +00 +0000 GMT Z"));
    }

    #[test]
    fn dates_have_no_time_and_times_no_date() {
        let pattern = |text: &str| Pattern::new(text).expect("valid");
        assert_eq!(pattern("dd/MM/yyyy").format_date(-1).as_deref(), Ok("31/12/1969"));
        assert_eq!(pattern("HH.mm.ss.SSS").format_time(86_399_999).as_deref(), Ok("23.59.59.999"));
        assert_eq!(pattern("HH:mm[ VV]").format_time(0).as_deref(), Ok("00:00"));
        assert!(pattern("HH").format_date(0).is_err());
        assert!(pattern("yyyy").format_time(0).is_err());
        assert!(pattern("HH").format_time(-1).is_err());
        assert!(pattern("yyyy").format_timestamp(i64::MAX, Zone::UTC).is_err());
    }
}
