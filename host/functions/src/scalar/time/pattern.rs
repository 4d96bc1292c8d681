//! Date and time patterns of Java's `DateTimeFormatter`: reading the pattern. [`super::format`] writes with one, and
//! [`super::parse`] reads with one.
//!
//! Letters: `G` era, `u` year, `y` year of era, `D` day of year, `M` `L` month, `d` day, `Q` `q` quarter, `Y` week-based
//! year, `w` week, `E` `e` `c` day of week, `a` half day, `h` `K` `k` `H` hour, `m` minute, `s` second, `S` fraction, `A`
//! millisecond of the day, `n` nanosecond, `N` nanosecond of the day, `V` `z` zone, `O` `X` `x` `Z` offset, `p` padding.
//! Names are English, weeks are those of ISO 8601.

/// A pattern that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) items: Vec<Item>,
    text: String,
}

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Literal(String),
    /// `[…]`: may be missing when reading, is left out when writing if a field is missing.
    Optional(Vec<Item>),
    Number {
        field: Field,
        min: usize,
        max: usize,
        sign: Sign,
    },
    /// The last two digits of a year from 2000 to 2099.
    ShortYear(Field),
    /// Digits behind the decimal point of the second.
    Fraction {
        digits: usize,
    },
    Text {
        field: Field,
        style: TextStyle,
    },
    /// `VV`.
    ZoneId,
    /// `z` to `zzzz`.
    ZoneName,
    Offset {
        style: OffsetStyle,
        /// What stands for no offset.
        zero: &'static str,
    },
    /// `O`, `OOOO`: `GMT+8`, `GMT+08:00`.
    LocalizedOffset {
        full: bool,
    },
    /// The next item, padded with blanks on the left.
    Padded {
        width: usize,
        item: Box<Item>,
    },
}

/// A number or name within a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Era,
    Year,
    YearOfEra,
    DayOfYear,
    Month,
    Day,
    Quarter,
    WeekYear,
    Week,
    WeekOfMonth,
    /// Monday is 1.
    DayOfWeek,
    /// 0 is AM.
    HalfDay,
    /// 1 to 12.
    ClockHourOfHalfDay,
    /// 0 to 11.
    HourOfHalfDay,
    /// 1 to 24.
    ClockHour,
    /// 0 to 23.
    Hour,
    Minute,
    Second,
    MillisecondOfDay,
    Nanosecond,
    NanosecondOfDay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Only negative numbers have a sign.
    Normal,
    /// Numbers longer than the minimum have one as well.
    ExceedsPad,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextStyle {
    Short,
    Full,
    Narrow,
}

/// What an offset has behind its hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetStyle {
    /// `+HH`, minutes only where there are some.
    OptionalMinutes,
    Minutes,
    ColonMinutes,
    /// `+HHMM`, seconds only where there are some.
    MinutesOptionalSeconds,
    ColonMinutesOptionalSeconds,
}

impl OffsetStyle {
    pub(super) fn colon(self) -> bool {
        matches!(self, OffsetStyle::ColonMinutes | OffsetStyle::ColonMinutesOptionalSeconds)
    }
}

impl Pattern {
    /// Reads a pattern. The error says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Pattern, String> {
        let characters: Vec<char> = pattern.chars().collect();
        let mut position = 0;
        let items = read_items(&characters, &mut position, 0)
            .map_err(|reason| format!("The date and time pattern '{pattern}' is not valid: {reason}."))?;
        Ok(Pattern { items, text: pattern.to_owned() })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn read_items(characters: &[char], position: &mut usize, depth: usize) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = Vec::new();
    while let Some(&c) = characters.get(*position) {
        let item = match c {
            'a'..='z' | 'A'..='Z' => read_letters(characters, position)?,
            '\'' => Item::Literal(read_quoted(characters, position)?),
            '[' if depth > 20 => return Err("'[' is nested too deep".into()),
            '[' => {
                *position += 1;
                Item::Optional(read_items(characters, position, depth + 1)?)
            }
            ']' if depth > 0 => {
                *position += 1;
                return Ok(items);
            }
            ']' => return Err("']' has no '[' before it".into()),
            '{' | '}' | '#' => return Err(format!("'{c}' must be quoted")),
            other => {
                *position += 1;
                Item::Literal(other.to_string())
            }
        };
        match (items.last_mut(), item) {
            (Some(Item::Literal(before)), Item::Literal(more)) => before.push_str(&more),
            (_, item) => items.push(item),
        }
    }
    // As in Java, an open '[' ends with the pattern.
    Ok(items)
}

/// Text in quotes; two quotes are one.
fn read_quoted(characters: &[char], position: &mut usize) -> Result<String, String> {
    *position += 1;
    if characters.get(*position) == Some(&'\'') {
        *position += 1;
        return Ok("'".into());
    }
    let mut text = String::new();
    while let Some(&c) = characters.get(*position) {
        *position += 1;
        if c != '\'' {
            text.push(c);
        } else if characters.get(*position) == Some(&'\'') {
            *position += 1;
            text.push('\'');
        } else {
            return Ok(text);
        }
    }
    Err("a quote is not closed".into())
}

fn read_letters(characters: &[char], position: &mut usize) -> Result<Item, String> {
    let letter = characters[*position];
    let count = characters[*position..].iter().take_while(|c| **c == letter).count();
    *position += count;
    if letter != 'p' {
        return letters(letter, count).ok_or_else(|| format!("'{}' is not a field", letter.to_string().repeat(count)));
    }
    match characters.get(*position) {
        Some(c) if c.is_ascii_alphabetic() && *c != 'p' => {
            Ok(Item::Padded { width: count, item: Box::new(read_letters(characters, position)?) })
        }
        _ => Err("'p' must stand before a field".into()),
    }
}

fn letters(letter: char, count: usize) -> Option<Item> {
    let number = |field, min, max, sign| Some(Item::Number { field, min, max, sign });
    let style = match count {
        4 => TextStyle::Full,
        5 => TextStyle::Narrow,
        _ => TextStyle::Short,
    };
    let text = |field| (count <= 5).then_some(Item::Text { field, style });
    let year = |field| match count {
        1 => number(field, 1, 19, Sign::Normal),
        2 => Some(Item::ShortYear(field)),
        3 => number(field, 3, 19, Sign::Normal),
        _ if count <= 19 => number(field, count, 19, Sign::ExceedsPad),
        _ => None,
    };
    // One letter takes as many digits as there are, two take exactly two.
    let small = |field| match count {
        1 => number(field, 1, 19, Sign::Normal),
        2 => number(field, 2, 2, Sign::Never),
        _ => None,
    };
    let offset = |zero| {
        let style = match count {
            1 => OffsetStyle::OptionalMinutes,
            2 => OffsetStyle::Minutes,
            3 => OffsetStyle::ColonMinutes,
            4 => OffsetStyle::MinutesOptionalSeconds,
            5 => OffsetStyle::ColonMinutesOptionalSeconds,
            _ => return None,
        };
        Some(Item::Offset { style, zero })
    };
    match letter {
        'G' => text(Field::Era),
        'u' => year(Field::Year),
        'y' => year(Field::YearOfEra),
        'Y' => year(Field::WeekYear),
        'D' if count == 3 => number(Field::DayOfYear, 3, 3, Sign::Never),
        'D' if count == 2 => number(Field::DayOfYear, 2, 3, Sign::Never),
        'D' if count == 1 => number(Field::DayOfYear, 1, 19, Sign::Normal),
        'M' | 'L' if count <= 2 => small(Field::Month),
        'M' | 'L' => text(Field::Month),
        'd' => small(Field::Day),
        'Q' | 'q' if count <= 2 => small(Field::Quarter),
        'Q' | 'q' => text(Field::Quarter),
        'w' => small(Field::Week),
        'W' if count == 1 => number(Field::WeekOfMonth, 1, 1, Sign::Never),
        'E' => text(Field::DayOfWeek),
        'e' if count <= 2 => number(Field::DayOfWeek, count, 2, Sign::Never),
        'c' if count == 1 => number(Field::DayOfWeek, 1, 2, Sign::Never),
        'c' if count == 2 => None,
        'e' | 'c' => text(Field::DayOfWeek),
        'a' if count == 1 => text(Field::HalfDay),
        'h' => small(Field::ClockHourOfHalfDay),
        'K' => small(Field::HourOfHalfDay),
        'k' => small(Field::ClockHour),
        'H' => small(Field::Hour),
        'm' => small(Field::Minute),
        's' => small(Field::Second),
        'S' if count <= 9 => Some(Item::Fraction { digits: count }),
        'A' if count <= 19 => number(Field::MillisecondOfDay, count, 19, Sign::Never),
        'n' if count <= 19 => number(Field::Nanosecond, count, 19, Sign::Never),
        'N' if count <= 19 => number(Field::NanosecondOfDay, count, 19, Sign::Never),
        'V' if count == 2 => Some(Item::ZoneId),
        'z' if count <= 4 => Some(Item::ZoneName),
        'O' if count == 1 || count == 4 => Some(Item::LocalizedOffset { full: count == 4 }),
        'X' => offset("Z"),
        'x' => offset(match count {
            1 => "+00",
            2 | 4 => "+0000",
            _ => "+00:00",
        }),
        'Z' if count <= 3 => Some(Item::Offset { style: OffsetStyle::Minutes, zero: "+0000" }),
        'Z' if count == 4 => Some(Item::LocalizedOffset { full: true }),
        'Z' if count == 5 => Some(Item::Offset { style: OffsetStyle::ColonMinutesOptionalSeconds, zero: "Z" }),
        _ => None,
    }
}

/// English names in the order of the field's numbers, from the field's least.
pub(super) fn names(field: Field, style: TextStyle) -> &'static [&'static str] {
    match (field, style) {
        (Field::Month, TextStyle::Full) => &[
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        (Field::Month, TextStyle::Short) => &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        (Field::Month, TextStyle::Narrow) => &["J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D"],
        (Field::DayOfWeek, TextStyle::Full) => &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        (Field::DayOfWeek, TextStyle::Short) => &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        (Field::DayOfWeek, TextStyle::Narrow) => &["M", "T", "W", "T", "F", "S", "S"],
        (Field::HalfDay, _) => &["AM", "PM"],
        (Field::Era, TextStyle::Full) => &["Before Christ", "Anno Domini"],
        (Field::Era, TextStyle::Short) => &["BC", "AD"],
        (Field::Era, TextStyle::Narrow) => &["B", "A"],
        (Field::Quarter, TextStyle::Full) => &["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"],
        (Field::Quarter, TextStyle::Short) => &["Q1", "Q2", "Q3", "Q4"],
        (Field::Quarter, TextStyle::Narrow) => &["1", "2", "3", "4"],
        _ => &[],
    }
}

/// The number of the first name of [`names`].
pub(super) fn first_number(field: Field) -> i64 {
    match field {
        Field::HalfDay | Field::Era => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_literals_join() {
        let pattern = Pattern::new("'T'-''d").expect("valid");
        assert_eq!(pattern.items[0], Item::Literal("T-'".into()));
        assert_eq!(pattern.items.len(), 2);
    }

    #[test]
    fn faults_are_told() {
        for pattern in ["yyyy-bb", "'open", "]", "{}", "HHH", "SSSSSSSSSS", "pp"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
