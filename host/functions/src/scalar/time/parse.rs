//! Reads dates and times with a [`Pattern`]. Letters match in either case.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, Timelike, Utc, Weekday};

use super::pattern::{Field, Item, OffsetStyle, Pattern, Sign, first_number, names};
use super::zone::Zone;

/// How many kinds of [`Field`] there are.
const FIELDS: usize = Field::NanosecondOfDay as usize + 1;

/// What was read so far.
#[derive(Clone, Default)]
struct Parsed {
    fields: [Option<i64>; FIELDS],
    zone: Option<Zone>,
    offset: Option<FixedOffset>,
}

impl Pattern {
    /// Reads an instant, in milliseconds since the epoch. `zone` counts if the text names none; fields that the pattern
    /// lacks are those of 1970-01-01T00:00.
    pub fn parse_timestamp(&self, text: &str, zone: Zone) -> Result<i64, String> {
        let parsed = self.read(text)?;
        let read = || {
            let date = match parsed.date()? {
                Some(date) => date,
                None => {
                    let part = |field, default| parsed.get(field).unwrap_or(default);
                    let year = parsed.year().unwrap_or(1970);
                    match parsed.get(Field::DayOfYear) {
                        Some(day) => from_day_of_year(year, day)?,
                        None => clamped_date(year, part(Field::Month, 1), part(Field::Day, 1))?,
                    }
                }
            };
            let time = parsed.time()?.unwrap_or(NaiveTime::MIN);
            let zone = parsed.offset.map(Zone::Fixed).or(parsed.zone).unwrap_or(zone);
            let instant: Option<DateTime<Utc>> = zone.instant_of(date.and_time(time));
            instant.map(|instant| instant.timestamp_millis()).ok_or_else(|| "the time does not exist".to_owned())
        };
        read().map_err(|reason| self.fault(text, &reason))
    }

    /// Reads a date, in days since 1970-01-01. A pattern with fields of the time of the day is an error.
    pub fn parse_date(&self, text: &str) -> Result<i32, String> {
        let parsed = self.read(text)?;
        if parsed.has_time() {
            return Err(self.fault(text, "a date has no time of the day"));
        }
        match parsed.date() {
            Ok(Some(date)) => Ok((date - NaiveDate::default()).num_days() as i32),
            Ok(None) => Err(self.fault(text, "year, month and day are needed")),
            Err(reason) => Err(self.fault(text, &reason)),
        }
    }

    /// Reads a time, in milliseconds of the day. A pattern with fields of the date is an error.
    pub fn parse_time(&self, text: &str) -> Result<i32, String> {
        let parsed = self.read(text)?;
        if parsed.has_date() {
            return Err(self.fault(text, "a time of the day has no date"));
        }
        match parsed.time() {
            Ok(Some(time)) => Ok(time.num_seconds_from_midnight() as i32 * 1000 + (time.nanosecond() / 1_000_000) as i32),
            Ok(None) => Err(self.fault(text, "the hour is needed")),
            Err(reason) => Err(self.fault(text, &reason)),
        }
    }

    fn read(&self, text: &str) -> Result<Parsed, String> {
        let mut parsed = Parsed::default();
        let rest = read_items(&self.items, text, &mut parsed).map_err(|reason| self.fault(text, &reason))?;
        if rest.is_empty() { Ok(parsed) } else { Err(self.fault(text, &format!("'{rest}' is left over"))) }
    }

    fn fault(&self, text: &str, reason: &str) -> String {
        format!("'{text}' cannot be read as '{}': {reason}.", self.as_str())
    }
}

/// Reads the items from the front of the text and gives the rest of it.
fn read_items<'a>(items: &[Item], text: &'a str, parsed: &mut Parsed) -> Result<&'a str, String> {
    let mut rest = text;
    for (i, item) in items.iter().enumerate() {
        rest = read_item(item, &items[i + 1..], rest, parsed)?;
    }
    Ok(rest)
}

fn read_item<'a>(item: &Item, following: &[Item], text: &'a str, parsed: &mut Parsed) -> Result<&'a str, String> {
    match item {
        Item::Literal(literal) => strip_ignoring_case(text, literal).ok_or_else(|| expected(literal, text)),
        Item::Optional(items) => {
            let before = parsed.clone();
            match read_items(items, text, parsed) {
                Ok(rest) => Ok(rest),
                Err(_) => {
                    *parsed = before;
                    Ok(text)
                }
            }
        }
        Item::Number { field, min, max, sign } => {
            let reserved = if min == max { 0 } else { reserved_digits(following) };
            let (value, rest) = read_number(text, *min, *max, *sign, reserved)?;
            parsed.set(*field, value)?;
            Ok(rest)
        }
        Item::ShortYear(field) => {
            let (value, rest) = read_number(text, 2, 2, Sign::Never, 0)?;
            parsed.set(*field, 2000 + value)?;
            Ok(rest)
        }
        Item::Fraction { digits } => {
            let (value, rest) = read_number(text, *digits, *digits, Sign::Never, 0)?;
            parsed.set(Field::Nanosecond, value * 10i64.pow(9 - *digits as u32))?;
            Ok(rest)
        }
        Item::Text { field, style } => {
            let names = names(*field, *style);
            let mut candidates: Vec<(usize, &str)> = names.iter().copied().enumerate().collect();
            // "May" must not win over a longer name that begins with it.
            candidates.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
            let found = candidates.into_iter().find_map(|(i, name)| strip_ignoring_case(text, name).map(|rest| (i, rest)));
            let (index, rest) = found.ok_or_else(|| expected("a name", text))?;
            parsed.set(*field, index as i64 + first_number(*field))?;
            Ok(rest)
        }
        Item::ZoneId | Item::ZoneName => {
            let (zone, length) = Zone::from_prefix(text).ok_or_else(|| expected("a time zone", text))?;
            parsed.zone = Some(zone);
            Ok(&text[length..])
        }
        Item::Offset { style, zero } => {
            let (seconds, rest) = read_offset(text, *style, zero).ok_or_else(|| expected("an offset from UTC", text))?;
            parsed.offset = Some(FixedOffset::east_opt(seconds).ok_or("the offset is too large")?);
            Ok(rest)
        }
        Item::LocalizedOffset { .. } => {
            let rest = strip_ignoring_case(text, "GMT").ok_or_else(|| expected("GMT", text))?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | ':'))).unwrap_or(rest.len());
            let (offset, rest) = rest.split_at(end);
            parsed.zone = Some(if offset.is_empty() { Zone::UTC } else { Zone::from_name(offset)? });
            Ok(rest)
        }
        Item::Padded { width, item } => {
            let end = text.char_indices().nth(*width).map_or(text.len(), |(at, _)| at);
            let (padded, rest) = text.split_at(end);
            let left = read_item(item, &[], padded.trim_start_matches(' '), parsed)?;
            if left.is_empty() { Ok(rest) } else { Err(expected("padding", left)) }
        }
    }
}

fn expected(what: &str, text: &str) -> String {
    if text.is_empty() { format!("{what} is missing at the end") } else { format!("{what} is missing before '{text}'") }
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in prefix.chars() {
        let found = rest.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(rest.as_str())
}

/// Digits that directly following numbers of fixed width need: `yyyyMMdd` leaves four to month and day.
fn reserved_digits(following: &[Item]) -> usize {
    let mut digits = 0;
    for item in following {
        digits += match item {
            Item::Number { min, max, .. } if min == max => *max,
            Item::ShortYear(_) => 2,
            Item::Fraction { digits } => *digits,
            _ => break,
        };
    }
    digits
}

fn read_number(text: &str, min: usize, max: usize, sign: Sign, reserved: usize) -> Result<(i64, &str), String> {
    let (negative, plus, digits) = match (text.as_bytes().first(), sign) {
        (Some(b'-'), Sign::Normal | Sign::ExceedsPad) => (true, false, &text[1..]),
        (Some(b'+'), Sign::ExceedsPad) => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let available = digits.bytes().take_while(u8::is_ascii_digit).count();
    let taken = available.saturating_sub(reserved).max(min).min(max).min(available);
    if taken < min {
        return Err(expected(&format!("a number of {min} digits"), text));
    }
    if sign == Sign::ExceedsPad && !negative && plus != (taken > min) {
        return Err(expected(&format!("a number of {min} digits, or a longer one with '+',"), text));
    }
    let (number, rest) = digits.split_at(taken);
    let value: i64 = number.parse().map_err(|_| format!("the number {number} is too large"))?;
    Ok((if negative { -value } else { value }, rest))
}

/// Seconds east of UTC.
fn read_offset<'a>(text: &'a str, style: OffsetStyle, zero: &str) -> Option<(i32, &'a str)> {
    if zero == "Z"
        && let Some(rest) = strip_ignoring_case(text, zero)
    {
        return Some((0, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two_digits = |text: &'a str| -> Option<(i32, &'a str)> {
        let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        Some((digits.parse().ok()?, &text[2..]))
    };
    let next = |text: &'a str| two_digits(if style.colon() { text.strip_prefix(':')? } else { text });
    let (hours, rest) = two_digits(&text[1..])?;
    let (minutes, rest) = match next(rest) {
        Some(found) => found,
        None if style == OffsetStyle::OptionalMinutes => (0, rest),
        None => return None,
    };
    let with_seconds = matches!(style, OffsetStyle::MinutesOptionalSeconds | OffsetStyle::ColonMinutesOptionalSeconds);
    let (seconds, rest) = if with_seconds { next(rest).unwrap_or((0, rest)) } else { (0, rest) };
    (hours <= 18 && minutes < 60 && seconds < 60).then_some((sign * (hours * 3600 + minutes * 60 + seconds), rest))
}

impl Parsed {
    fn get(&self, field: Field) -> Option<i64> {
        self.fields[field as usize]
    }

    /// Takes a field's value, which must lie in the field's range and agree with what was read before.
    fn set(&mut self, field: Field, value: i64) -> Result<(), String> {
        let (least, most) = match field {
            Field::Era | Field::HalfDay => (0, 1),
            Field::Year | Field::WeekYear => (-262_000, 262_000),
            Field::YearOfEra => (1, 262_000),
            Field::DayOfYear => (1, 366),
            Field::Month | Field::ClockHourOfHalfDay => (1, 12),
            Field::Day => (1, 31),
            Field::Quarter => (1, 4),
            Field::Week => (1, 53),
            Field::WeekOfMonth => (0, 5),
            Field::DayOfWeek => (1, 7),
            Field::HourOfHalfDay => (0, 11),
            Field::ClockHour => (1, 24),
            Field::Hour => (0, 23),
            Field::Minute | Field::Second => (0, 59),
            Field::MillisecondOfDay => (0, 86_399_999),
            Field::Nanosecond => (0, 999_999_999),
            Field::NanosecondOfDay => (0, 86_399_999_999_999),
        };
        if !(least..=most).contains(&value) {
            return Err(format!("{value} is not from {least} to {most}"));
        }
        match self.fields[field as usize].replace(value) {
            Some(before) if before != value => Err(format!("a field is both {before} and {value}")),
            _ => Ok(()),
        }
    }

    fn has_date(&self) -> bool {
        self.fields[..=Field::DayOfWeek as usize].iter().any(Option::is_some)
    }

    fn has_time(&self) -> bool {
        self.fields[Field::HalfDay as usize..].iter().any(Option::is_some)
    }

    fn year(&self) -> Option<i64> {
        let of_era = || {
            let year = self.get(Field::YearOfEra)?;
            Some(if self.get(Field::Era) == Some(0) { 1 - year } else { year })
        };
        self.get(Field::Year).or_else(of_era)
    }

    /// The date, if enough of it was read.
    fn date(&self) -> Result<Option<NaiveDate>, String> {
        let day_of_week = self.get(Field::DayOfWeek).and_then(|day| Weekday::try_from((day - 1) as u8).ok());
        let date = match (self.year(), self.get(Field::Month), self.get(Field::Day), self.get(Field::DayOfYear)) {
            (Some(year), Some(month), Some(day), _) => clamped_date(year, month, day)?,
            (Some(year), _, _, Some(day)) => from_day_of_year(year, day)?,
            _ => match (self.get(Field::WeekYear), self.get(Field::Week), day_of_week) {
                (Some(year), Some(week), Some(day)) => NaiveDate::from_isoywd_opt(year as i32, week as u32, day)
                    .ok_or_else(|| format!("the year {year} has no week {week}"))?,
                _ => return Ok(None),
            },
        };
        match day_of_week {
            Some(day) if day != date.weekday() => Err(format!("{date} is not that day of the week")),
            _ => Ok(Some(date)),
        }
    }

    /// The time of the day, if at least its hour was read.
    fn time(&self) -> Result<Option<NaiveTime>, String> {
        let of_day = self.get(Field::NanosecondOfDay).or(self.get(Field::MillisecondOfDay).map(|ms| ms * 1_000_000));
        if let Some(nanoseconds) = of_day {
            let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            return Ok(NaiveTime::from_num_seconds_from_midnight_opt(seconds as u32, rest as u32));
        }
        let half_day = self.get(Field::HalfDay).unwrap_or(0) * 12;
        let hour = self
            .get(Field::Hour)
            .or(self.get(Field::ClockHour).map(|hour| hour % 24))
            .or(self.get(Field::HourOfHalfDay).map(|hour| hour + half_day))
            .or(self.get(Field::ClockHourOfHalfDay).map(|hour| hour % 12 + half_day));
        if hour.is_none() && !self.has_time() {
            return Ok(None);
        }
        let part = |field| self.get(field).unwrap_or(0) as u32;
        let time = NaiveTime::from_hms_nano_opt(
            hour.unwrap_or(half_day) as u32,
            part(Field::Minute),
            part(Field::Second),
            part(Field::Nanosecond),
        );
        time.map(Some).ok_or_else(|| "there is no such time of the day".to_owned())
    }
}

/// The day of the month, or the month's last day where it has fewer.
fn clamped_date(year: i64, month: i64, day: i64) -> Result<NaiveDate, String> {
    let no_date = || format!("there is no month {month} of the year {year}");
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).map_err(|_| no_date())?, month as u32, 1).ok_or_else(no_date)?;
    first.with_day((day as u32).min(first.num_days_in_month().into())).ok_or_else(no_date)
}

fn from_day_of_year(year: i64, day: i64) -> Result<NaiveDate, String> {
    let date = i32::try_from(year).ok().and_then(|year| NaiveDate::from_yo_opt(year, day as u32));
    date.ok_or_else(|| format!("the year {year} has no day {day}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("valid")
    }

    #[test]
    fn timestamps_read_back() {
        let instant = 1_614_953_229_000;
        let paris = Zone::from_name("Europe/Paris").expect("exists");
        for text in [
            "yyyy-MM-dd HH:mm:ss",
            "yyyyMMddHHmmssSSS",
            "dd MMM yy, hh:mm:ss a",
            "EEEE, d MMMM yyyy k:m:s",
            "yyyy-DDD HH:mm:ss",
            "YYYY-'W'ww-e HH:mm:ss",
            "yyyy-MM-dd'T'HH:mm:ss.SX",
            "yyyy-MM-dd'T'HH:mm:ssXXX'['VV']'",
            "uuuu-M-d A",
            "yyyy.MM.dd G ppH:mm:ss Z",
        ] {
            let pattern = pattern(text);
            let written = pattern.format_timestamp(instant, paris).expect("writes");
            assert_eq!(pattern.parse_timestamp(&written, paris), Ok(instant), "{text}: {written}");
        }
    }

    #[test]
    fn zones_of_the_text_win() {
        for (text, zoned) in [
            ("2021-03-05 01:00 +0200", "yyyy-MM-dd HH:mm Z"),
            ("2021-03-05 01:00 EET", "yyyy-MM-dd HH:mm z"),
            ("2021-03-05 01:00 Europe/Helsinki", "yyyy-MM-dd HH:mm VV"),
            ("2021-03-04 15:00 pst", "yyyy-MM-dd HH:mm zzz"),
            ("2021-03-04 23:00 z", "yyyy-MM-dd HH:mm X"),
            ("2021-03-05 01:00 GMT+2", "yyyy-MM-dd HH:mm O"),
        ] {
            let zone = Zone::from_name("Asia/Tokyo").expect("exists");
            assert_eq!(pattern(zoned).parse_timestamp(text, zone), Ok(1_614_898_800_000), "{text}");
        }
    }

    #[test]
    fn missing_fields_are_those_of_the_epoch() {
        assert_eq!(pattern("yyyy").parse_timestamp("1971", Zone::UTC), Ok(31_536_000_000));
        assert_eq!(pattern("HH:mm[:ss]").parse_timestamp("00:01", Zone::UTC), Ok(60_000));
        assert_eq!(pattern("dd/MM").parse_timestamp("02/01", Zone::UTC), Ok(86_400_000));
    }

    #[test]
    fn dates_and_times_stand_alone() {
        assert_eq!(pattern("yyyy-MM-dd").parse_date("2021-02-31"), Ok(18_686));
        assert_eq!(pattern("d-MMM-yyyy").parse_date("1-jan-1970"), Ok(0));
        assert_eq!(pattern("HH:mm:ss.SSS").parse_time("23:59:59.999"), Ok(86_399_999));
        assert_eq!(pattern("h:mm a").parse_time("12:05 am"), Ok(300_000));
        for (text, pattern) in [("2021-02", "yyyy-MM"), ("2021-02-01 10", "yyyy-MM-dd HH"), ("21-02-01", "yyyy-MM-dd")] {
            assert!(super::Pattern::new(pattern).expect("valid").parse_date(text).is_err(), "{text}");
        }
        for text in ["24:00", "1:00", "01:00 ", "", "0１:00"] {
            assert!(pattern("HH:mm").parse_time(text).is_err(), "{text}");
        }
        assert!(pattern("EEE yyyy-MM-dd").parse_date("Mon 2021-03-05").is_err());
        assert!(pattern("yyyy HH").parse_time("2021 01").is_err());
    }
}
