//! `FROM_UNIXTIME(value)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "FROM_UNIXTIME",
        category::DATE_TIME,
        "The timestamp that many milliseconds after 1970-01-01 00:00 UTC.",
        vec![ScalarOverload::new("", Signature::of(&[("epochMilli", SqlType::Bigint)], SqlType::Timestamp), |binding| {
            per_row_of_values(&binding.returns, |values| match &values[0] {
                Value::Bigint(value) => Ok(Value::Timestamp(*value)),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_TIMESTAMP(FROM_UNIXTIME(1000), 'HH:mm:ss')", "\"00:00:01\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::check;

    #[test]
    fn keeps_the_number() {
        check(definition, &[(&[Value::Bigint(-7)], Value::Timestamp(-7)), (&[Value::Null], Value::Null)]);
    }
}
