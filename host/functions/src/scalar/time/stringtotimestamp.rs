//! `STRINGTOTIMESTAMP(text, pattern[, time zone])`.

use calzone_types::{SqlType, Value};

use super::timestamp_text::{overloads, parse};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "STRINGTOTIMESTAMP",
        category::DATE_TIME,
        "Milliseconds since 1970 read from a text in a pattern of Java's DateTimeFormatter. Older form of PARSE_TIMESTAMP.",
        overloads(("formattedTimestamp", SqlType::Varchar), SqlType::Bigint, |binding| parse(binding, Value::Bigint)),
        &[("STRINGTOTIMESTAMP('1970-01-01 00:01', 'yyyy-MM-dd HH:mm')", "60000")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn reads_in_a_zone() {
        check(
            definition,
            &[
                (&[text("1970-01-02"), text("yyyy-MM-dd")], Value::Bigint(86_400_000)),
                (&[text("1970-01-02"), text("yyyy-MM-dd"), text("+01:00")], Value::Bigint(82_800_000)),
                (&[text("1970-01-02T00:00z"), text("yyyy-MM-dd'T'HH:mmX"), text("+01:00")], Value::Bigint(86_400_000)),
                (&[Value::Null, text("yyyy")], Value::Null),
            ],
        );
        check_fails(definition, &[&[text("soon"), text("yyyy")]]);
    }
}
