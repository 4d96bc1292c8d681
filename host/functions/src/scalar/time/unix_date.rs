//! `UNIX_DATE()` and `UNIX_DATE(value)`.

use calzone_types::column::constant_column;
use calzone_types::{SqlType, Value};
use chrono::Utc;

use crate::definition::category;
use crate::evaluate::{columnar, per_row_of_values};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "UNIX_DATE",
        category::DATE_TIME,
        "Days since 1970-01-01, of a date or of now in UTC.",
        vec![
            // All rows of a batch see the same clock.
            ScalarOverload::new("Of now.", Signature::of(&[], SqlType::Integer), |_| {
                columnar(|_, rows| {
                    constant_column(&SqlType::Integer, &Value::Integer(Utc::now().timestamp().div_euclid(86_400) as i32), rows)
                })
            }),
            ScalarOverload::new("Of a given one.", Signature::of(&[("date", SqlType::Date)], SqlType::Integer), |binding| {
                per_row_of_values(&binding.returns, |values| match &values[0] {
                    Value::Date(value) => Ok(Value::Integer(*value)),
                    _ => Ok(Value::Null),
                })
            }),
        ],
        &[("UNIX_DATE(FROM_DAYS(12))", "12")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{call, check};

    #[test]
    fn keeps_the_number_or_asks_the_clock() {
        check(definition, &[(&[Value::Date(-7)], Value::Integer(-7)), (&[Value::Null], Value::Null)]);
        assert!(call(definition(), &[]).is_ok_and(|now| now.as_i64() > Some(19_000)));
    }
}
