//! `TIMESTAMPTOSTRING(value, pattern[, time zone])`.

use calzone_types::SqlType;

use super::timestamp_text::{format, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "TIMESTAMPTOSTRING",
        category::DATE_TIME,
        "Milliseconds since 1970 written in a pattern of Java's DateTimeFormatter. Older form of FORMAT_TIMESTAMP.",
        overloads(("epochMilli", SqlType::Bigint), SqlType::Varchar, format),
        &[("TIMESTAMPTOSTRING(CAST(0 AS BIGINT), 'yyyy-MM-dd HH:mm:ss zzz', 'Europe/Paris')", "\"1970-01-01 01:00:00 CET\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};
    use calzone_types::Value;

    #[test]
    fn writes_in_a_zone() {
        let value = Value::Bigint(60_000);
        check(
            definition,
            &[
                (&[value.clone(), text("HH:mm")], text("00:01")),
                (&[value.clone(), text("HH:mm XXX"), text("-05:00")], text("19:01 -05:00")),
                (&[Value::Null, text("HH:mm")], Value::Null),
            ],
        );
        check_fails(definition, &[&[value.clone(), text("bb")], &[value, text("HH"), text("Nowhere")]]);
    }
}
