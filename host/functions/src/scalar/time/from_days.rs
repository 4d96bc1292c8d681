//! `FROM_DAYS(value)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "FROM_DAYS",
        category::DATE_TIME,
        "The date that many days after 1970-01-01.",
        vec![ScalarOverload::new("", Signature::of(&[("days", SqlType::Integer)], SqlType::Date), |binding| {
            per_row_of_values(&binding.returns, |values| match &values[0] {
                Value::Integer(value) => Ok(Value::Date(*value)),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_DATE(FROM_DAYS(31), 'yyyy-MM-dd')", "\"1970-02-01\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::check;

    #[test]
    fn keeps_the_number() {
        check(definition, &[(&[Value::Integer(-7)], Value::Date(-7)), (&[Value::Null], Value::Null)]);
    }
}
