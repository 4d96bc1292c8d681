//! A JSON value of a test case as the bytes of a record.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use calzone_formats::{Format, FormatSpec};
use calzone_plan::{KeyWindow, WindowType};
use calzone_types::{Column, Header, SqlType};
use serde_json::Value as Json;

use crate::decimal_text::DecimalText;

/// Encodes a key or value. `columns`: all columns of that part of the source.
pub fn encode(spec: &Json, format: &FormatSpec, columns: &[Column]) -> Result<Option<Vec<u8>>, String> {
    if spec.is_null() {
        return Ok(None);
    }
    match format.format {
        Format::Json => Ok(Some(spec.to_string().into_bytes())),
        Format::Delimited => Ok(Some(plain_text(spec).into_bytes())),
        Format::Kafka => kafka(spec, columns.first().map_or(&SqlType::Varchar, |column| &column.ty)).map(Some),
        Format::None => Ok(None),
        Format::Avro | Format::Protobuf | Format::ProtobufNosr | Format::JsonSr => {
            Err(format!("values in {} cannot be written", format.format.name()))
        }
    }
}

fn plain_text(spec: &Json) -> String {
    spec.as_str().map_or_else(|| spec.to_string(), str::to_owned)
}

fn kafka(spec: &Json, ty: &SqlType) -> Result<Vec<u8>, String> {
    let text = plain_text(spec);
    let whole = || DecimalText::parse(&text).map(|number| number.truncated()).ok_or_else(|| format!("{spec} is no {ty}"));
    match ty {
        SqlType::Integer => Ok((whole()? as i32).to_be_bytes().to_vec()),
        SqlType::Bigint => Ok(whole()?.to_be_bytes().to_vec()),
        SqlType::Double => Ok(text.parse::<f64>().map_err(|_| format!("{spec} is no {ty}"))?.to_be_bytes().to_vec()),
        _ => Ok(text.into_bytes()),
    }
}

/// Puts a window behind the bytes of a key.
pub fn append_window(key: &mut Vec<u8>, window: WindowType, start: i64, end: i64) {
    if window == WindowType::Session {
        key.extend_from_slice(&end.to_be_bytes());
    }
    key.extend_from_slice(&start.to_be_bytes());
}

/// Takes the window from the end of a key: key, start, end.
pub fn split_window(bytes: &[u8], window: KeyWindow) -> Option<(&[u8], i64, i64)> {
    let long = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    let (rest, start) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    let start = long(start)?;
    if window.kind == WindowType::Session {
        let (rest, end) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        return Some((rest, start, long(end)?));
    }
    Some((rest, start, start.saturating_add(window.size_ms.unwrap_or(i64::MAX))))
}

/// Reads `[{"key": …, "value": base64}]`, names in any case.
pub fn headers(spec: &Json) -> Result<Vec<Header>, String> {
    let Some(items) = spec.as_array() else { return Ok(Vec::new()) };
    let field = |item: &Json, name: &str| -> Json {
        let found = item.as_object().and_then(|fields| fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)));
        found.map_or(Json::Null, |(_, value)| value.clone())
    };
    let header = |item: &Json| {
        let key = field(item, "key").as_str().unwrap_or_default().into();
        let value = match field(item, "value").as_str() {
            Some(text) => Some(BASE64_STANDARD.decode(text).map_err(|error| format!("header {text}: {error}"))?),
            None => None,
        };
        Ok((key, value))
    };
    items.iter().map(header).collect()
}
