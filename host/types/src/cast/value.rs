//! CAST of one cell.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::text::{
    DAY_MS, format_date, format_time, format_timestamp, parse_date, parse_double, parse_time, parse_timestamp, push_double_java,
};
use crate::{Decimal, SqlType, Value};

/// Converts a value of type `from` to type `to`. Null stays null. Text is trimmed before it is read as a number;
/// a number that loses digits before the point in a DECIMAL, and text that is not what it should be, are errors;
/// DOUBLE → INTEGER saturates, BIGINT → INTEGER keeps the low bits, as in Java.
///
/// Errors: a sentence with the value and the type it does not convert to.
pub fn cast_value(value: &Value, from: &SqlType, to: &SqlType) -> Result<Value, String> {
    if value.is_null() || from == to {
        return Ok(value.clone());
    }
    let unfit = || format!("The value {} cannot be converted from {from} to {to}.", quoted(value, from));
    match (value, to) {
        (_, SqlType::Varchar) => Ok(Value::Varchar(value_to_text(value, from))),
        (Value::Varchar(text), _) => text_to(text, to).ok_or_else(unfit),
        (Value::Array(items), SqlType::Array(target)) => {
            let SqlType::Array(source) = from else { return Err(unfit()) };
            Ok(Value::Array(items.iter().map(|v| cast_value(v, source, target)).collect::<Result<_, _>>()?))
        }
        (Value::Map(entries), SqlType::Map(key, item)) => {
            let SqlType::Map(source_key, source_item) = from else { return Err(unfit()) };
            let mut cast: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
            for (k, v) in entries {
                let (k, v) = (cast_value(k, source_key, key)?, cast_value(v, source_item, item)?);
                // Keys that become equal: the last one counts.
                match cast.iter_mut().find(|(seen, _)| *seen == k) {
                    Some(entry) => entry.1 = v,
                    None => cast.push((k, v)),
                }
            }
            Ok(Value::Map(cast))
        }
        (Value::Struct(values), SqlType::Struct(targets)) => {
            let SqlType::Struct(sources) = from else { return Err(unfit()) };
            let field = |target: &crate::Field| {
                let Some(at) = sources.iter().position(|f| f.name == target.name) else { return Ok(Value::Null) };
                cast_value(values.get(at).unwrap_or(&Value::Null), &sources[at].ty, &target.ty)
            };
            Ok(Value::Struct(targets.iter().map(field).collect::<Result<_, _>>()?))
        }
        _ => simple_to(value, to).ok_or_else(unfit),
    }
}

/// Numbers and times among themselves.
fn simple_to(value: &Value, to: &SqlType) -> Option<Value> {
    Some(match (value, to) {
        (Value::Boolean(v), SqlType::Boolean) => Value::Boolean(*v),
        (Value::Integer(v), SqlType::Integer) => Value::Integer(*v),
        (Value::Integer(v), SqlType::Bigint) => Value::Bigint((*v).into()),
        (Value::Bigint(v), SqlType::Integer) => Value::Integer(*v as i32),
        (Value::Bigint(v), SqlType::Bigint) => Value::Bigint(*v),
        (Value::Double(v), SqlType::Integer) => Value::Integer(*v as i32),
        (Value::Double(v), SqlType::Bigint) => Value::Bigint(*v as i64),
        (Value::Double(v), SqlType::Decimal { precision, scale }) => {
            Value::Decimal(Decimal::from_f64(*v)?.fit(*precision, *scale)?)
        }
        (Value::Decimal(v), SqlType::Integer) => Value::Integer(v.truncate() as i32),
        (Value::Decimal(v), SqlType::Bigint) => Value::Bigint(v.truncate() as i64),
        (v, SqlType::Double) => Value::Double(v.as_f64()?),
        (v, SqlType::Decimal { precision, scale }) => Value::Decimal(v.to_decimal()?.fit(*precision, *scale)?),
        (Value::Integer(v), SqlType::Timestamp) => Value::Timestamp((*v).into()),
        (Value::Bigint(v), SqlType::Timestamp) => Value::Timestamp(*v),
        (Value::Integer(v), SqlType::Date) => Value::Date(*v),
        (Value::Bigint(v), SqlType::Date) => Value::Date(i32::try_from(*v).ok()?),
        (Value::Integer(v), SqlType::Time) => Value::Time(day_time((*v).into())?),
        (Value::Bigint(v), SqlType::Time) => Value::Time(day_time(*v)?),
        (Value::Timestamp(v), SqlType::Bigint) => Value::Bigint(*v),
        (Value::Date(v) | Value::Time(v), SqlType::Integer) => Value::Integer(*v),
        (Value::Date(v) | Value::Time(v), SqlType::Bigint) => Value::Bigint((*v).into()),
        (Value::Timestamp(v), SqlType::Date) => Value::Date(i32::try_from(v.div_euclid(DAY_MS)).ok()?),
        (Value::Timestamp(v), SqlType::Time) => Value::Time(v.rem_euclid(DAY_MS) as i32),
        (Value::Date(v), SqlType::Timestamp) => Value::Timestamp(i64::from(*v) * DAY_MS),
        _ => return None,
    })
}

fn day_time(ms: i64) -> Option<i32> {
    (0..DAY_MS).contains(&ms).then_some(ms as i32)
}

pub(super) fn text_to(text: &str, to: &SqlType) -> Option<Value> {
    Some(match to {
        SqlType::Boolean => Value::Boolean(parse_boolean(text) == Some(true)),
        SqlType::Integer => Value::Integer(text.trim().parse().ok()?),
        SqlType::Bigint => Value::Bigint(text.trim().parse().ok()?),
        SqlType::Double => Value::Double(parse_double(text)?),
        SqlType::Decimal { precision, scale } => Value::Decimal(text.trim().parse::<Decimal>().ok()?.fit(*precision, *scale)?),
        SqlType::Varchar => Value::Varchar(text.to_owned()),
        SqlType::Bytes => Value::Bytes(BASE64.decode(text).ok()?),
        SqlType::Date => Value::Date(parse_date(text)?),
        SqlType::Time => Value::Time(parse_time(text)?),
        SqlType::Timestamp => Value::Timestamp(parse_timestamp(text)?),
        SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => return None,
    })
}

/// Reads `true`, `yes`, `false`, `no` and their beginnings (`t`, `fal`), in any case. None for other text,
/// which CAST takes for false and a literal in a comparison must not be.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return None;
    }
    if "true".starts_with(&text) || "yes".starts_with(&text) {
        return Some(true);
    }
    ("false".starts_with(&text) || "no".starts_with(&text)).then_some(false)
}

/// The text that CAST to STRING gives: `[1, null]`, `{a=1, b=2}`, `Struct{F0=1,F1=x}` (without its null fields).
/// Text inside nested values is not quoted. BYTES are base64.
pub fn value_to_text(value: &Value, ty: &SqlType) -> String {
    let mut out = String::new();
    write_text(&mut out, value, ty);
    out
}

fn write_text(out: &mut String, value: &Value, ty: &SqlType) {
    match (value, ty) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(v), _) => out.push_str(if *v { "true" } else { "false" }),
        (Value::Integer(v), _) => out.push_str(itoa::Buffer::new().format(*v)),
        (Value::Bigint(v), _) => out.push_str(itoa::Buffer::new().format(*v)),
        (Value::Double(v), _) => push_double_java(out, *v),
        (Value::Decimal(v), _) => out.push_str(&v.to_string()),
        (Value::Varchar(v), _) => out.push_str(v),
        (Value::Bytes(v), _) => BASE64.encode_string(v, out),
        (Value::Date(v), _) => out.push_str(&format_date(*v)),
        (Value::Time(v), _) => out.push_str(&format_time(*v)),
        (Value::Timestamp(v), _) => out.push_str(&format_timestamp(*v)),
        (Value::Array(items), SqlType::Array(element)) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_text(out, item, element);
            }
            out.push(']');
        }
        (Value::Map(entries), SqlType::Map(key, item)) => {
            out.push('{');
            for (i, (k, v)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write_text(out, k, key);
                out.push('=');
                write_text(out, v, item);
            }
            out.push('}');
        }
        (Value::Struct(values), SqlType::Struct(fields)) => {
            out.push_str("Struct{");
            let present = fields.iter().zip(values).filter(|(_, v)| !v.is_null());
            for (i, (field, v)) in present.enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&field.name);
                out.push('=');
                write_text(out, v, &field.ty);
            }
            out.push('}');
        }
        // A nested value under a type that is not nested cannot come from a typed plan.
        _ => {}
    }
}

/// The value for an error message, cut so that a message stays readable.
fn quoted(value: &Value, ty: &SqlType) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let text = value_to_text(value, ty);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("'{}…'", &text[..cut]),
        None => format!("'{text}'"),
    }
}
