//! JSON values to SQL values, with the coercions of ksqlDB.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use calzone_types::text::{DAY_MS, parse_date, parse_time, parse_timestamp};
use calzone_types::{Field, SqlType, Value};

use super::fields::folds_to;
use super::loose_text;
use super::scan::{Kind, Scanner, Span};
use crate::cell::Cell;
use crate::number::{excerpt, literal_to_f64, literal_to_i64, parse_decimal, parse_double};
use crate::text;

/// How DATE, TIME and TIMESTAMP may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporals {
    /// As in records: days, milliseconds.
    Numbers,
    /// As in requests: also `2024-02-03`, `04:05:06`, `2024-02-03T04:05:06.789`.
    NumbersAndTexts,
}

/// A value of a request (such as a row of `/inserts-stream`) as a value of that type. Numbers may be texts, any scalar
/// becomes a STRING, dates and times may be numbers or ISO texts. The error is a part of a sentence.
pub fn value_from_json(json: &serde_json::Value, ty: &SqlType) -> Result<Value, String> {
    let text = serde_json::to_string(json).map_err(|error| error.to_string())?;
    let span = Scanner::new(&text)?.value()?;
    Ok(cell(&text, &span, ty, Temporals::NumbersAndTexts)?.into_value(ty))
}

/// A JSON text in storage form, as [`super::write_value`] writes it, as a value of that type.
pub fn value_from_text(json: &str, ty: &SqlType) -> Result<Value, String> {
    let mut scanner = Scanner::new(json)?;
    let span = scanner.value()?;
    scanner.end()?;
    Ok(cell(json, &span, ty, Temporals::Numbers)?.into_value(ty))
}

/// The value at `span` as a cell of that type. The error is a part of a sentence, without its full stop.
pub(super) fn cell<'a>(json: &'a str, span: &Span, ty: &SqlType, temporals: Temporals) -> Result<Cell<'a>, String> {
    if span.kind == Kind::Null {
        return Ok(Cell::Null);
    }
    match ty {
        SqlType::Varchar => loose_text::string(json, span).map(Cell::Text),
        SqlType::Bigint => long(json, span, ty).map(Cell::Long),
        // Java's `intValue` keeps the low 32 bits of a number, but its text must be in range.
        SqlType::Integer if is_number(span.kind) => Ok(Cell::Int(literal_to_i64(span.raw(json)) as i32)),
        SqlType::Integer => parse_text(json, span, ty, |text| text.parse().ok()).map(Cell::Int),
        SqlType::Double if is_number(span.kind) => Ok(Cell::Double(literal_to_f64(span.raw(json)))),
        SqlType::Double => parse_text(json, span, ty, parse_double).map(Cell::Double),
        SqlType::Decimal { precision, scale } => decimal(json, span, ty, *precision, *scale).map(Cell::Decimal),
        SqlType::Boolean => match span.kind {
            Kind::True => Ok(Cell::Boolean(true)),
            Kind::False => Ok(Cell::Boolean(false)),
            _ => parse_text(json, span, ty, parse_boolean).map(Cell::Boolean),
        },
        SqlType::Bytes => parse_text(json, span, ty, text::parse_base64).map(|bytes| Cell::Bytes(Cow::Owned(bytes))),
        SqlType::Timestamp => match iso(json, span, temporals, parse_timestamp) {
            Some(ms) => Ok(Cell::Long(ms)),
            None => long(json, span, ty).map(Cell::Long),
        },
        SqlType::Date => match iso(json, span, temporals, parse_date) {
            Some(days) => Ok(Cell::Int(days)),
            None => date_from_days(long(json, span, ty)?).map(Cell::Int),
        },
        SqlType::Time => match iso(json, span, temporals, parse_time) {
            Some(ms) => Ok(Cell::Int(ms)),
            None => time_from_ms(long(json, span, ty)?).map(Cell::Int),
        },
        SqlType::Array(element) => array(json, span, ty, element, temporals),
        SqlType::Map(key, value) => map(json, span, ty, (key, value), temporals),
        SqlType::Struct(fields) => structure(json, span, ty, fields, temporals),
    }
}

/// Days since the epoch.
pub(crate) fn date_from_days(days: i64) -> Result<i32, String> {
    i32::try_from(days).map_err(|_| format!("{days} days since 1970-01-01 are beyond the range of a DATE"))
}

/// Milliseconds of the day.
pub(crate) fn time_from_ms(ms: i64) -> Result<i32, String> {
    match i32::try_from(ms) {
        Ok(time) if (0..DAY_MS).contains(&ms) => Ok(time),
        _ => Err(format!("{ms} is no TIME: a day has milliseconds 0 to {}", DAY_MS - 1)),
    }
}

/// `true` or `false`, in any case.
fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Integral | Kind::Fractional)
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::EscapedText)
}

fn mismatch(json: &str, span: &Span, ty: &SqlType) -> String {
    match span.kind {
        Kind::Object | Kind::Array => format!("{} cannot be read as {ty}", span.kind.name()),
        kind => format!("{} ({}) cannot be read as {ty}", kind.name(), excerpt(span.raw(json))),
    }
}

fn parse_text<T>(json: &str, span: &Span, ty: &SqlType, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
    let parsed = if is_text(span.kind) { parse(&span.string(json)) } else { None };
    parsed.ok_or_else(|| mismatch(json, span, ty))
}

fn long(json: &str, span: &Span, ty: &SqlType) -> Result<i64, String> {
    if is_number(span.kind) {
        return Ok(literal_to_i64(span.raw(json)));
    }
    parse_text(json, span, ty, |text| text.parse().ok())
}

fn decimal(json: &str, span: &Span, ty: &SqlType, precision: u16, scale: u16) -> Result<i128, String> {
    if !is_number(span.kind) && !is_text(span.kind) {
        return Err(mismatch(json, span, ty));
    }
    parse_decimal(&span.string(json), precision, scale).map_err(|error| format!("{error}, so it is no {ty}"))
}

fn iso<T>(json: &str, span: &Span, temporals: Temporals, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    (temporals == Temporals::NumbersAndTexts && is_text(span.kind)).then(|| parse(&span.string(json))).flatten()
}

fn array<'a>(json: &'a str, span: &Span, ty: &SqlType, element: &SqlType, temporals: Temporals) -> Result<Cell<'a>, String> {
    if span.kind != Kind::Array {
        return Err(mismatch(json, span, ty));
    }
    let mut scanner = Scanner::inside(json, span);
    scanner.open();
    let (mut first, mut items) = (true, Vec::new());
    while scanner.next_element(&mut first)? {
        let item = scanner.value()?;
        items.push(cell(json, &item, element, temporals).map_err(|error| format!("element {}: {error}", items.len() + 1))?);
    }
    Ok(Cell::Array(items))
}

fn map<'a>(
    json: &'a str,
    span: &Span,
    ty: &SqlType,
    entry: (&SqlType, &SqlType),
    temporals: Temporals,
) -> Result<Cell<'a>, String> {
    if span.kind != Kind::Object {
        return Err(mismatch(json, span, ty));
    }
    let (key_type, value_type) = entry;
    let mut scanner = Scanner::inside(json, span);
    scanner.open();
    let (mut first, mut entries) = (true, Vec::new());
    let mut positions: HashMap<Cow<'_, str>, usize> = HashMap::new();
    while let Some(name) = scanner.next_name(&mut first)? {
        let value = scanner.value()?;
        let value =
            cell(json, &value, value_type, temporals).map_err(|error| format!("entry '{}': {error}", name.string(json)))?;
        // The last of equal names counts, in the place of the first.
        match positions.entry(name.string(json)) {
            Entry::Occupied(position) => {
                let (_, old): &mut (Cell<'a>, Cell<'a>) = &mut entries[*position.get()];
                *old = value;
            }
            Entry::Vacant(position) => {
                position.insert(entries.len());
                entries.push((cell(json, &name, key_type, temporals)?, value));
            }
        }
    }
    Ok(Cell::Map(entries))
}

fn structure<'a>(json: &'a str, span: &Span, ty: &SqlType, fields: &[Field], temporals: Temporals) -> Result<Cell<'a>, String> {
    if span.kind != Kind::Object {
        return Err(mismatch(json, span, ty));
    }
    // For each field its value, and whether the name was exactly the field's: such a value goes before others.
    let mut found: Vec<Option<(Span, bool)>> = vec![None; fields.len()];
    let mut scanner = Scanner::inside(json, span);
    scanner.open();
    let mut first = true;
    while let Some(name) = scanner.next_name(&mut first)? {
        let value = scanner.value()?;
        let name = name.string(json);
        for (field, found) in fields.iter().zip(&mut found) {
            if *field.name == *name {
                *found = Some((value, true));
            } else if folds_to(&name, &field.name) && !matches!(found, Some((_, true))) {
                *found = Some((value, false));
            }
        }
    }
    let mut cells = Vec::with_capacity(fields.len());
    for (field, found) in fields.iter().zip(found) {
        cells.push(match found {
            None => Cell::Null,
            Some((span, _)) => {
                cell(json, &span, &field.ty, temporals).map_err(|error| format!("field `{}`: {error}", field.name))?
            }
        });
    }
    Ok(Cell::Struct(cells))
}
