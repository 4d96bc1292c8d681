//! `TIMEADD(unit, interval, value)`.

use calzone_types::SqlType;

use super::interval::{instance, overload};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "TIMEADD",
        category::DATE_TIME,
        "A time of the day some units of time later, turning round at midnight.",
        vec![overload(SqlType::Time, |binding| instance(binding, 1))],
        &[("FORMAT_TIME(TIMEADD(MINUTES, 5, PARSE_TIME('23:58', 'HH:mm')), 'HH:mm')", "\"00:03\"")],
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
        let types = [ArgumentType::IntervalUnit, ArgumentType::Sql(SqlType::Integer), ArgumentType::Sql(SqlType::Time)];
        let call = |unit: &str, count: i32, value: Value| {
            call_typed(definition(), &types, &[text(unit), Value::Integer(count), value], &[])
        };
        for (unit, count, value, expected) in [("SECONDS", 2, 3, 2_003), ("MILLISECONDS", -5, 2, 86_399_997), ("DAYS", 1, 7, 7)] {
            assert_eq!(call(unit, count, Value::Time(value)), Ok(Value::Time(expected)), "{unit} {count}");
        }
        assert_eq!(call("DAYS", 1, Value::Null), Ok(Value::Null));
        assert!(call("AEONS", 1, Value::Time(1)).is_err());
    }
}
