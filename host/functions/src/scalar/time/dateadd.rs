//! `DATEADD(unit, interval, value)`.

use calzone_types::SqlType;

use super::interval::{instance, overload};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "DATEADD",
        category::DATE_TIME,
        "A date some units of time later.",
        vec![overload(SqlType::Date, |binding| instance(binding, 1))],
        &[("FORMAT_DATE(DATEADD(DAYS, 2, FROM_DAYS(0)), 'yyyy-MM-dd')", "\"1970-01-03\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArgumentType;
    use crate::scalar::testing::{call_typed, text};
    use calzone_types::Value;

    #[test]
    fn steps_by_units() {
        let types = [ArgumentType::IntervalUnit, ArgumentType::Sql(SqlType::Integer), ArgumentType::Sql(SqlType::Date)];
        let call = |unit: &str, count: i32, value: Value| {
            call_typed(definition(), &types, &[text(unit), Value::Integer(count), value], &[])
        };
        for (unit, count, value, expected) in
            [("DAYS", 2, 3, 5), ("HOURS", 23, 0, 0), ("HOURS", -1, 0, -1), ("MONTHS", 1, 30, 58)]
        {
            assert_eq!(call(unit, count, Value::Date(value)), Ok(Value::Date(expected)), "{unit} {count}");
        }
        assert_eq!(call("DAYS", 1, Value::Null), Ok(Value::Null));
        assert!(call("AEONS", 1, Value::Date(1)).is_err());
    }
}
