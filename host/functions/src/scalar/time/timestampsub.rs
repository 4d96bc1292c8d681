//! `TIMESTAMPSUB(unit, interval, value)`.

use calzone_types::SqlType;

use super::interval::{instance, overload};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "TIMESTAMPSUB",
        category::DATE_TIME,
        "A timestamp some units of time earlier.",
        vec![overload(SqlType::Timestamp, |binding| instance(binding, -1))],
        &[("UNIX_TIMESTAMP(TIMESTAMPSUB(SECONDS, 5, FROM_UNIXTIME(5001)))", "1")],
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
        let types = [ArgumentType::IntervalUnit, ArgumentType::Sql(SqlType::Integer), ArgumentType::Sql(SqlType::Timestamp)];
        let call = |unit: &str, count: i32, value: Value| {
            call_typed(definition(), &types, &[text(unit), Value::Integer(count), value], &[])
        };
        for (unit, count, value, expected) in [("SECONDS", 5, 5_001, 1), ("MILLISECONDS", 5, 2, -3), ("DAYS", -1, 0, 86_400_000)]
        {
            assert_eq!(call(unit, count, Value::Timestamp(value)), Ok(Value::Timestamp(expected)), "{unit} {count}");
        }
        assert_eq!(call("DAYS", 1, Value::Null), Ok(Value::Null));
        assert!(call("AEONS", 1, Value::Timestamp(1)).is_err());
    }
}
