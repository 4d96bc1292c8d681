//! `TO_JSON_STRING(value)`.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use calzone_types::text::double_to_java;
use calzone_types::{SqlType, Value};
use chrono::{DateTime, Timelike};

use crate::definition::category;
use crate::evaluate::per_row;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::new(vec![Parameter::new("value", ParameterType::Any, "")], SqlType::Varchar.into());
    ScalarDefinition::built_in(
        "TO_JSON_STRING",
        category::JSON,
        "A value of any type as JSON. Dates and times are ISO 8601 text, bytes are base64.",
        vec![ScalarOverload::new("", signature, |binding| {
            let ty = binding.arguments.first().cloned().ok_or("TO_JSON_STRING takes one argument.")?;
            per_row(&binding.returns, move |values| {
                let mut json = String::new();
                write_json(&values[0], &ty, &mut json);
                Ok(Value::Varchar(json))
            })
        })],
        &[("TO_JSON_STRING(ARRAY['a', NULL])", "\"[\\\"a\\\",null]\"")],
    )
}

fn write_json(value: &Value, ty: &SqlType, out: &mut String) {
    // Writing into a String cannot fail.
    let _ = match (value, ty) {
        (Value::Null, _) => out.write_str("null"),
        (Value::Boolean(v), _) => write!(out, "{v}"),
        (Value::Integer(v), _) => write!(out, "{v}"),
        (Value::Bigint(v), _) => write!(out, "{v}"),
        (Value::Decimal(v), _) => write!(out, "{v}"),
        (Value::Double(v), _) if v.is_finite() => out.write_str(&double_to_java(*v)),
        (Value::Double(v), _) => write!(out, "\"{}\"", double_to_java(*v)),
        (Value::Varchar(v), _) => out.write_str(&quote(v)),
        (Value::Bytes(v), _) => write!(out, "\"{}\"", STANDARD.encode(v)),
        (Value::Date(days), _) => {
            let date = DateTime::from_timestamp(i64::from(*days) * 86_400, 0).map(|t| t.date_naive().to_string());
            write!(out, "\"{}\"", date.unwrap_or_default())
        }
        (Value::Time(ms), _) => write!(out, "\"{}\"", time_text(*ms)),
        (Value::Timestamp(ms), _) => {
            let text = DateTime::from_timestamp_millis(*ms).map(|t| t.format("%Y-%m-%dT%H:%M:%S%.3f").to_string());
            write!(out, "\"{}\"", text.unwrap_or_default())
        }
        (Value::Array(items), SqlType::Array(element)) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                write_json(item, element, out);
            }
            out.write_char(']')
        }
        (Value::Map(entries), SqlType::Map(_, value_type)) => {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                let mut name = String::new();
                write_json(key, &SqlType::Varchar, &mut name);
                // Names of fields are strings, also where keys are not.
                out.push_str(&if name.starts_with('"') { name } else { quote(&name) });
                out.push(':');
                write_json(value, value_type, out);
            }
            out.write_char('}')
        }
        (Value::Struct(values), SqlType::Struct(fields)) => {
            out.push('{');
            for (i, (field, value)) in fields.iter().zip(values).enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&quote(&field.name));
                out.push(':');
                write_json(value, &field.ty, out);
            }
            out.write_char('}')
        }
        // A nested value always comes with its type.
        (Value::Array(_) | Value::Map(_) | Value::Struct(_), _) => out.write_str("null"),
    };
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// ISO 8601 without what is zero at the end: `07:05`, `07:05:03`, `07:05:03.120`.
fn time_text(ms: i32) -> String {
    let ms = u32::try_from(ms).unwrap_or(0);
    match chrono::NaiveTime::from_num_seconds_from_midnight_opt(ms / 1000, ms % 1000 * 1_000_000) {
        Some(time) if time.nanosecond() > 0 => time.format("%H:%M:%S%.3f").to_string(),
        Some(time) if time.second() > 0 => time.format("%H:%M:%S").to_string(),
        Some(time) => time.format("%H:%M").to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};
    use calzone_types::Decimal;

    #[test]
    fn every_type_has_a_form() {
        for (value, json) in [
            (Value::Null, "null"),
            (Value::Boolean(true), "true"),
            (Value::Bigint(-7), "-7"),
            (Value::Double(1.0), "1.0"),
            (Value::Double(f64::NAN), "\"NaN\""),
            (Value::Decimal(Decimal::new(150, 2)), "1.50"),
            (text("a\"\n"), r#""a\"\n""#),
            (Value::Bytes(vec![33]), "\"IQ==\""),
            (Value::Date(-1), "\"1969-12-31\""),
            (Value::Time(25_500_000), "\"07:05\""),
            (Value::Time(25_503_120), "\"07:05:03.120\""),
            (Value::Timestamp(1), "\"1970-01-01T00:00:00.001\""),
            (Value::Array(vec![Value::Integer(1), Value::Null]), "[1,null]"),
            (Value::Map(vec![(Value::Integer(1), text("x"))]), r#"{"1":"x"}"#),
            (Value::Struct(vec![Value::Integer(1), text("x")]), r#"{"F0":1,"F1":"x"}"#),
        ] {
            check(definition, &[(&[value], text(json))]);
        }
    }
}
