//! Time zones by the names that Java takes: IANA names, offsets, and its short names.

use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{OffsetName, Tz};

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

/// Java's short names of zones, and the abbreviations that its formatter reads for `z`.
const SHORT_NAMES: [(&str, Tz); 34] = [
    ("ACT", Tz::Australia__Darwin),
    ("AEDT", Tz::Australia__Sydney),
    ("AEST", Tz::Australia__Sydney),
    ("AET", Tz::Australia__Sydney),
    ("AGT", Tz::America__Argentina__Buenos_Aires),
    ("AKDT", Tz::America__Anchorage),
    ("AKST", Tz::America__Anchorage),
    ("ART", Tz::Africa__Cairo),
    ("AST", Tz::America__Anchorage),
    ("BET", Tz::America__Sao_Paulo),
    ("BST", Tz::Europe__London),
    ("CAT", Tz::Africa__Harare),
    ("CDT", Tz::America__Chicago),
    ("CEST", Tz::Europe__Paris),
    ("CNT", Tz::America__St_Johns),
    ("CST", Tz::America__Chicago),
    ("CTT", Tz::Asia__Shanghai),
    ("EAT", Tz::Africa__Addis_Ababa),
    ("ECT", Tz::Europe__Paris),
    ("EDT", Tz::America__New_York),
    ("EEST", Tz::Europe__Helsinki),
    ("IET", Tz::America__Indiana__Indianapolis),
    ("IST", Tz::Asia__Kolkata),
    ("JST", Tz::Asia__Tokyo),
    ("MDT", Tz::America__Denver),
    ("MIT", Tz::Pacific__Apia),
    ("MSK", Tz::Europe__Moscow),
    ("NST", Tz::Pacific__Auckland),
    ("PDT", Tz::America__Los_Angeles),
    ("PNT", Tz::America__Phoenix),
    ("PRT", Tz::America__Puerto_Rico),
    ("PST", Tz::America__Los_Angeles),
    ("SST", Tz::Pacific__Guadalcanal),
    ("VST", Tz::Asia__Ho_Chi_Minh),
];

/// Abbreviations that are also IANA names without summer time.
const REGIONS: [(&str, Tz); 3] = [("EST", Tz::America__New_York), ("MST", Tz::America__Denver), ("HST", Tz::Pacific__Honolulu)];

impl Zone {
    pub const UTC: Zone = Zone::Named(Tz::UTC);

    /// The zone of that name: `Europe/Paris`, `UTC`, `Z`, `+02:00`, `GMT+2`, `PST`.
    pub fn from_name(name: &str) -> Result<Zone, String> {
        let unknown = || format!("There is no time zone named '{name}'. Use a name such as 'Europe/Paris', 'UTC' or '+02:00'.");
        let trimmed = name.trim();
        if trimmed.eq_ignore_ascii_case("Z") {
            return Ok(Zone::UTC);
        }
        if let Ok(tz) = Tz::from_str(trimmed) {
            return Ok(Zone::Named(tz));
        }
        if let Some((_, tz)) = SHORT_NAMES.iter().find(|(short, _)| *short == trimmed) {
            return Ok(Zone::Named(*tz));
        }
        let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| trimmed.strip_prefix(prefix)).unwrap_or(trimmed);
        parse_offset(offset).map(Zone::Fixed).ok_or_else(unknown)
    }

    /// Name or abbreviation at the beginning of a text, in any case of letters, and how many bytes it takes.
    pub fn from_prefix(text: &str) -> Option<(Zone, usize)> {
        let word =
            text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':'))).unwrap_or(text.len());
        let mut end = word;
        while end > 0 {
            let name = &text[..end];
            // Within a text, these mean the region with its summer time, not the fixed offset.
            let region = REGIONS.iter().find(|(short, _)| name.eq_ignore_ascii_case(short));
            let known = || chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(name));
            if let Some(tz) = region.map(|(_, tz)| tz).or_else(known) {
                return Some((Zone::Named(*tz), end));
            }
            if let Ok(zone) = Zone::from_name(&name.to_ascii_uppercase()) {
                return Some((zone, end));
            }
            // Shorter pieces, for a name directly followed by other text.
            end -= 1;
        }
        None
    }

    /// `Europe/Paris`, `Z`, `+02:00`.
    pub fn id(&self) -> String {
        match self {
            Zone::Named(tz) => tz.name().to_owned(),
            Zone::Fixed(offset) if offset.local_minus_utc() == 0 => "Z".into(),
            Zone::Fixed(offset) => offset.to_string(),
        }
    }

    /// Offset from UTC in seconds at an instant.
    pub fn offset_at(&self, instant: DateTime<Utc>) -> i32 {
        match self {
            Zone::Named(tz) => tz.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc(),
            Zone::Fixed(offset) => offset.local_minus_utc(),
        }
    }

    /// `PDT`, `CET`, `+03:00`: what the zone is called at an instant.
    pub fn abbreviation_at(&self, instant: DateTime<Utc>) -> String {
        match self {
            Zone::Named(tz) => {
                let offset = tz.offset_from_utc_datetime(&instant.naive_utc());
                offset.abbreviation().map_or_else(|| offset.fix().to_string(), str::to_owned)
            }
            Zone::Fixed(_) => self.id(),
        }
    }

    /// The instant of a local time. Of two, the earlier; within a gap, as far behind it as the time lies in it.
    pub fn instant_of(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self {
            Zone::Fixed(offset) => offset.from_local_datetime(&local).single().map(|t| t.with_timezone(&Utc)),
            Zone::Named(tz) => match tz.from_local_datetime(&local).earliest() {
                Some(found) => Some(found.with_timezone(&Utc)),
                None => {
                    // The offset before the gap moves the time behind it. No gap is longer than a day.
                    let before = tz.offset_from_utc_datetime(&local.checked_sub_signed(TimeDelta::days(1))?).fix();
                    before.from_local_datetime(&local).single().map(|t| t.with_timezone(&Utc))
                }
            },
        }
    }
}

/// `+H`, `+HH`, `+HHMM`, `+HH:MM`, `+HH:MM:SS`; at most 18 hours.
fn parse_offset(text: &str) -> Option<FixedOffset> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let parts: Vec<&str> = if digits.contains(':') {
        digits.split(':').collect()
    } else if digits.len() <= 2 {
        vec![digits]
    } else {
        digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok()).collect::<Option<_>>()?
    };
    if parts.len() > 3 || parts.iter().any(|p| p.is_empty() || p.len() > 2 || !p.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let number = |i: usize| parts.get(i).map_or(Some(0), |p| p.parse::<i32>().ok());
    let (hours, minutes, seconds) = (number(0)?, number(1)?, number(2)?);
    if hours > 18 || minutes > 59 || seconds > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds() {
        for (name, id) in [
            ("Europe/Paris", "Europe/Paris"),
            ("UTC", "UTC"),
            ("Z", "UTC"),
            ("+2", "+02:00"),
            ("GMT-0330", "-03:30"),
            ("PST", "America/Los_Angeles"),
            ("+00:00", "Z"),
        ] {
            assert_eq!(Zone::from_name(name).map(|z| z.id()), Ok(id.to_owned()), "{name}");
        }
        assert!(Zone::from_name("Mars/Olympus").is_err());
        assert!(Zone::from_name("+19").is_err());
    }

    #[test]
    fn local_times_in_gaps_move_behind_them() {
        let paris = Zone::from_name("Europe/Paris").expect("exists");
        let local = |text: &str| NaiveDateTime::parse_from_str(text, "%F %T").expect("valid");
        let utc = |text: &str| paris.instant_of(local(text)).map(|t| t.naive_utc());
        assert_eq!(utc("2021-03-28 02:30:00"), Some(local("2021-03-28 01:30:00")));
        assert_eq!(utc("2021-10-31 02:30:00"), Some(local("2021-10-31 00:30:00")));
    }
}
