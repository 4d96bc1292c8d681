//! `CONVERT_TZ(timestamp, from, to)`.

use calzone_types::{SqlType, Value};
use chrono::DateTime;

use super::Zone;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("timestamp", SqlType::Timestamp), ("fromTz", SqlType::Varchar), ("toTz", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "CONVERT_TZ",
        category::DATE_TIME,
        "A timestamp that shows the local time of one time zone, changed to show that of another at the same instant.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::Timestamp), |binding| {
            let (mut from, mut to) = (Cached::new(Zone::from_name), Cached::new(Zone::from_name));
            per_row_of_values(&binding.returns, move |values| {
                let (Value::Timestamp(ms), Some(from_name), Some(to_name)) = (&values[0], values[1].as_str(), values[2].as_str())
                else {
                    return Ok(Value::Null);
                };
                let (from, to) = (from.get(from_name)?, to.get(to_name)?);
                let local = DateTime::from_timestamp_millis(*ms).map(|t| t.naive_utc());
                let instant = local.and_then(|local| from.instant_of(local)).ok_or("The timestamp is too far from 1970.")?;
                Ok(Value::Timestamp(instant.timestamp_millis() + i64::from(to.offset_at(instant)) * 1000))
            })
        })],
        &[("UNIX_TIMESTAMP(CONVERT_TZ(FROM_UNIXTIME(0), 'UTC', '+01:00'))", "3600000")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn moves_by_the_difference_of_the_zones() {
        let case = |ms: i64, from: &str, to: &str| [Value::Timestamp(ms), text(from), text(to)];
        check(
            definition,
            &[
                (&case(0, "Europe/Paris", "Asia/Tokyo"), Value::Timestamp(8 * 3_600_000)),
                (&case(5, "+01:00", "-01:00"), Value::Timestamp(5 - 2 * 3_600_000)),
            ],
        );
        check_fails(definition, &[&case(0, "UTC", "Nowhere")]);
    }
}
