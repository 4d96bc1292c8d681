//! What the functions between timestamps and text share, old and new.

use calzone_types::{SqlType, Value};

use super::{Pattern, Zone};
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{Binding, Scalar, ScalarOverload, Signature};

/// Both overloads, without and with a time zone.
pub fn overloads(
    value: (&str, SqlType),
    returns: SqlType,
    make: fn(&Binding) -> Result<Box<dyn Scalar>, String>,
) -> Vec<ScalarOverload> {
    let parameters = [value, ("formatPattern", SqlType::Varchar), ("timeZone", SqlType::Varchar)];
    vec![
        ScalarOverload::new("In UTC.", Signature::of(&parameters[..2], returns.clone()), make),
        ScalarOverload::new("In a time zone such as 'Europe/Paris'.", Signature::of(&parameters, returns), make),
    ]
}

/// Writes a TIMESTAMP or BIGINT.
pub fn format(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    let (mut patterns, mut zones) = (Cached::new(Pattern::new), Cached::new(Zone::from_name));
    per_row_of_values(&binding.returns, move |values| {
        let (Value::Timestamp(ms) | Value::Bigint(ms), Some(pattern)) = (&values[0], values[1].as_str()) else {
            return Ok(Value::Null);
        };
        let zone = match values.get(2).and_then(Value::as_str) {
            Some(name) => *zones.get(name)?,
            None => Zone::UTC,
        };
        patterns.get(pattern)?.format_timestamp(*ms, zone).map(Value::Varchar)
    })
}

/// Reads a timestamp and gives it as `wrap` makes it.
pub fn parse(binding: &Binding, wrap: fn(i64) -> Value) -> Result<Box<dyn Scalar>, String> {
    let (mut patterns, mut zones) = (Cached::new(Pattern::new), Cached::new(Zone::from_name));
    per_row_of_values(&binding.returns, move |values| {
        let (Some(text), Some(pattern)) = (values[0].as_str(), values[1].as_str()) else { return Ok(Value::Null) };
        let zone = match values.get(2).and_then(Value::as_str) {
            Some(name) => *zones.get(name)?,
            None => Zone::UTC,
        };
        patterns.get(pattern)?.parse_timestamp(text, zone).map(wrap)
    })
}
