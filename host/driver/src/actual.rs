//! What a record holds, in the form that is compared with an expected JSON value.

use std::fmt;

use calzone_formats::{Format, FormatSpec};
use calzone_types::{Column, SqlType, text};
use serde_json::Value as Json;

use crate::decimal_text::DecimalText;

/// A decoded key or value.
#[derive(Clone, Debug, PartialEq)]
pub enum Actual {
    Null,
    Boolean(bool),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// A number as its text says: fractions, exponents, and whole numbers beyond 64 bits.
    Number(String),
    Double(f64),
    Text(String),
    Array(Vec<Actual>),
    Map(Vec<(String, Actual)>),
}

/// How numbers with a fraction are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// By their text, scale included.
    Exact,
    /// As doubles, with a tolerance.
    Approximate,
}

/// Decodes the bytes of a key or value.
pub fn decode(bytes: Option<&[u8]>, format: &FormatSpec, columns: &[Column], numbers: Numbers) -> Result<Actual, String> {
    let Some(bytes) = bytes else { return Ok(Actual::Null) };
    let utf8 = || std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("these bytes are no text: {bytes:?}"));
    match format.format {
        Format::Json => {
            let json = serde_json::from_slice(bytes)
                .map_err(|error| format!("no JSON ({error}): {}", String::from_utf8_lossy(bytes)))?;
            Ok(of_json(&json, numbers))
        }
        Format::Delimited => utf8().map(Actual::Text),
        Format::Kafka => decode_kafka(bytes, columns.first().map_or(&SqlType::Varchar, |column| &column.ty), numbers),
        Format::None => Ok(Actual::Null),
        Format::Avro | Format::Protobuf | Format::ProtobufNosr | Format::JsonSr => {
            Err(format!("values in {} cannot be compared", format.format.name()))
        }
    }
}

fn decode_kafka(bytes: &[u8], ty: &SqlType, numbers: Numbers) -> Result<Actual, String> {
    let wrong = || format!("{} bytes are no {ty} of the KAFKA format", bytes.len());
    match ty {
        SqlType::Integer => Ok(Actual::Integer(i32::from_be_bytes(bytes.try_into().map_err(|_| wrong())?).into())),
        SqlType::Bigint => Ok(Actual::Integer(i64::from_be_bytes(bytes.try_into().map_err(|_| wrong())?))),
        SqlType::Double => {
            let value = f64::from_be_bytes(bytes.try_into().map_err(|_| wrong())?);
            Ok(match numbers {
                Numbers::Exact => Actual::Number(text::double_to_java(value)),
                Numbers::Approximate => Actual::Double(value),
            })
        }
        _ => Ok(Actual::Text(String::from_utf8_lossy(bytes).into_owned())),
    }
}

/// A parsed JSON value; numbers keep their text.
pub fn of_json(json: &Json, numbers: Numbers) -> Actual {
    match json {
        Json::Null => Actual::Null,
        Json::Bool(value) => Actual::Boolean(*value),
        Json::Number(number) => {
            let text = number.to_string();
            match (text.parse::<i64>(), numbers) {
                (Ok(value), _) => Actual::Integer(value),
                (Err(_), Numbers::Approximate) => Actual::Double(text.parse().unwrap_or(f64::NAN)),
                (Err(_), Numbers::Exact) => Actual::Number(text),
            }
        }
        Json::String(text) => Actual::Text(text.clone()),
        Json::Array(items) => Actual::Array(items.iter().map(|item| of_json(item, numbers)).collect()),
        Json::Object(fields) => Actual::Map(fields.iter().map(|(name, value)| (name.clone(), of_json(value, numbers))).collect()),
    }
}

impl Actual {
    /// The value as a number by its text.
    pub fn as_decimal(&self) -> Option<DecimalText> {
        match self {
            Actual::Integer(value) => DecimalText::parse(&value.to_string()),
            Actual::Number(text) => DecimalText::parse(text),
            _ => None,
        }
    }

    /// The value as JSON, for reports.
    pub fn to_json(&self) -> Json {
        match self {
            Actual::Null => Json::Null,
            Actual::Boolean(value) => Json::Bool(*value),
            Actual::Integer(value) => Json::from(*value),
            Actual::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone())),
            Actual::Double(value) => serde_json::from_str(&text::double_to_java(*value)).unwrap_or(Json::Null),
            Actual::Text(text) => Json::String(text.clone()),
            Actual::Array(items) => Json::Array(items.iter().map(Actual::to_json).collect()),
            Actual::Map(fields) => Json::Object(fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()),
        }
    }
}

impl fmt::Display for Actual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
