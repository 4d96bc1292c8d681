//! `UNIX_TIMESTAMP()` and `UNIX_TIMESTAMP(value)`.

use calzone_types::column::constant_column;
use calzone_types::{SqlType, Value};
use chrono::Utc;

use crate::definition::category;
use crate::evaluate::{columnar, per_row_of_values};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "UNIX_TIMESTAMP",
        category::DATE_TIME,
        "Milliseconds since 1970-01-01 00:00 UTC, of a timestamp or of now.",
        vec![
            // All rows of a batch see the same clock.
            ScalarOverload::new("Of now.", Signature::of(&[], SqlType::Bigint), |_| {
                columnar(|_, rows| constant_column(&SqlType::Bigint, &Value::Bigint(Utc::now().timestamp_millis()), rows))
            }),
            ScalarOverload::new(
                "Of a given one.",
                Signature::of(&[("timestamp", SqlType::Timestamp)], SqlType::Bigint),
                |binding| {
                    per_row_of_values(&binding.returns, |values| match &values[0] {
                        Value::Timestamp(value) => Ok(Value::Bigint(*value)),
                        _ => Ok(Value::Null),
                    })
                },
            ),
        ],
        &[("UNIX_TIMESTAMP(FROM_UNIXTIME(12))", "12")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{call, check};

    #[test]
    fn keeps_the_number_or_asks_the_clock() {
        check(definition, &[(&[Value::Timestamp(-7)], Value::Bigint(-7)), (&[Value::Null], Value::Null)]);
        assert!(call(definition(), &[]).is_ok_and(|now| now.as_i64() > Some(19_000)));
    }
}
