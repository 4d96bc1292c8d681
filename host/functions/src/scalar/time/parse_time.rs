//! `PARSE_TIME(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("formattedTime", SqlType::Varchar), ("formatPattern", SqlType::Varchar)], SqlType::Time);
    ScalarDefinition::built_in(
        "PARSE_TIME",
        category::DATE_TIME,
        "A time of the day read from a text in a pattern of Java's DateTimeFormatter, which must have no date.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Varchar(value), Some(pattern)) => patterns.get(pattern)?.parse_time(value).map(Value::Time),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_TIME(PARSE_TIME('1:05 pm', 'h:mm a'), 'HH:mm')", "\"13:05\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (text("01.02"), "HH.mm", Value::Time(3_720_000));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
