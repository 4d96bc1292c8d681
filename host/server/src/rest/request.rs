//! Bodies of requests.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use bytes::{Bytes, BytesMut};
use calzone_engine::Session;
use calzone_engine::properties::{PropertyFault, validate_override};
use http_body_util::BodyExt;
use serde_json::{Map, Value};

use crate::error::{Failure, Form};

/// Bytes of a request with statements. Scripts of thousands of statements are well below.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Bytes beyond a limit that are read and thrown away, so that a client that only listens when it has sent everything
/// hears why it was refused.
const DISCARDED_BYTES_MAX: usize = 256 << 20;

/// The whole body.
///
/// # Errors
/// 413 if it is longer than allowed, 400 if it does not arrive.
pub async fn read_body(body: Body, bytes_max: usize, setting: &str) -> Result<Bytes, Failure> {
    let mut body = body;
    let mut read = BytesMut::new();
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Failure::bad_request(format!("the body did not arrive: {e}")).in_form(Form::Bare))?;
        let Ok(data) = frame.into_data() else { continue };
        if discarded == 0 && read.len() + data.len() <= bytes_max {
            read.extend_from_slice(&data);
            continue;
        }
        read.clear();
        discarded += data.len();
        if discarded > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if discarded == 0 {
        return Ok(read.freeze());
    }
    Err(Failure::generic(41300, format!("the body is longer than the {bytes_max} bytes that {setting} allows")))
}

/// A JSON object that is the whole body.
///
/// # Errors
/// 400 in ksqlDB's bare form.
pub async fn read_object(body: Body) -> Result<Map<String, Value>, Failure> {
    let bytes = read_body(body, REQUEST_BYTES_MAX, "the server").await?;
    let bare = |message: String| Failure::bad_request(message).in_form(Form::Bare);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(bare("the body is empty: send a JSON object".into()));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(bare(format!("the body must be a JSON object, not {}", kind_of(&other)))),
        Err(e) => Err(bare(format!("the body is not JSON: {e}"))),
    }
}

/// A field that must be text if it is there; null counts as absent.
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Failure> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => {
            let message = format!("the field '{name}' must be a string, not {}", kind_of(other));
            Err(Failure::bad_request(message).in_form(Form::Bare))
        }
    }
}

/// The session of a request: its settings by the field `properties`, its variables, and what to wait for.
pub fn session(object: &Map<String, Value>, properties: &str) -> Result<Session, Failure> {
    let mut session = Session {
        properties: settings(object, properties)?,
        variables: texts(object, "sessionVariables")?,
        after_sequence_number: None,
        authorization: None,
    };
    match object.get("commandSequenceNumber") {
        None | Some(Value::Null) => {}
        Some(number) => match number.as_i64() {
            Some(number) => session.after_sequence_number = Some(number),
            None => {
                let message = format!("the field 'commandSequenceNumber' must be a whole number, not {number}");
                return Err(Failure::bad_request(message).in_form(Form::Bare));
            }
        },
    }
    Ok(session)
}

/// The credentials of a request, for servers that this one asks on its behalf.
pub fn authorization(headers: &HeaderMap) -> Option<String> {
    headers.get(AUTHORIZATION)?.to_str().ok().map(str::to_owned)
}

/// Settings that a client may send, under the names it sent them.
pub fn settings(object: &Map<String, Value>, field: &str) -> Result<BTreeMap<String, String>, Failure> {
    let given = texts(object, field)?;
    for (name, value) in &given {
        validate_override(name, Some(value)).map_err(|fault| match fault {
            // As in ksqlDB, whose older routes take an unknown name for a fault of their own.
            PropertyFault::Unknown(message) if field == "streamsProperties" => Failure::generic(50000, message),
            fault => Failure::bad_request(fault.message()),
        })?;
    }
    Ok(given)
}

/// An object's values as texts; null values count as absent.
fn texts(object: &Map<String, Value>, field: &str) -> Result<BTreeMap<String, String>, Failure> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(values)) => {
            Ok(values.iter().filter(|(_, v)| !v.is_null()).map(|(name, value)| (name.clone(), text_of(value))).collect())
        }
        Some(other) => {
            let message = format!("the field '{field}' must be an object, not {}", kind_of(other));
            Err(Failure::bad_request(message).in_form(Form::Bare))
        }
    }
}

/// A value as ksqlDB turns it into text: nested ones in Java's form, as clients that send them may rely on it.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", text_of(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn values_of_any_type_become_texts() {
        let session = session(
            &object(json!({
                "streamsProperties": { "auto.offset.reset": "earliest", "ksql.streams.commit.interval.ms": 1000 },
                "sessionVariables": { "a": 5, "b": { "x": 1 }, "c": [1, "y"], "d": null, "e": true },
                "commandSequenceNumber": 7,
            })),
            "streamsProperties",
        )
        .unwrap();
        assert_eq!(session.properties["auto.offset.reset"], "earliest");
        assert_eq!(session.properties["ksql.streams.commit.interval.ms"], "1000");
        let variables: Vec<_> = session.variables.into_iter().collect();
        let wanted = [("a", "5"), ("b", "{x=1}"), ("c", "[1, y]"), ("e", "true")];
        assert_eq!(variables, wanted.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(session.after_sequence_number, Some(7));
    }

    #[test]
    fn fields_of_the_wrong_type_are_named() {
        for (body, word) in [
            (json!({ "streamsProperties": [] }), "streamsProperties"),
            (json!({ "sessionVariables": "x" }), "sessionVariables"),
            (json!({ "commandSequenceNumber": "x" }), "commandSequenceNumber"),
            (json!({ "streamsProperties": { "no.such": 1 } }), "no.such"),
            (json!({ "streamsProperties": { "ksql.service.id": 1 } }), "ksql.service.id"),
        ] {
            let failure = session(&object(body), "streamsProperties").unwrap_err();
            assert!(failure.status == 400 || word == "no.such" && failure.status == 500);
            assert!(failure.body["message"].as_str().unwrap().contains(word), "{}", failure.body);
        }
        assert!(text(&object(json!({ "sql": 5 })), "sql").is_err());
        assert_eq!(text(&object(json!({ "sql": null })), "sql").unwrap(), None);
    }
}
