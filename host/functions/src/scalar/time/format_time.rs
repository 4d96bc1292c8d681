//! `FORMAT_TIME(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("time", SqlType::Time), ("formatPattern", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "FORMAT_TIME",
        category::DATE_TIME,
        "A time of the day written in a pattern of Java's DateTimeFormatter.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Time(value), Some(pattern)) => patterns.get(pattern)?.format_time(*value).map(Value::Varchar),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_TIME(PARSE_TIME('1:05 PM', 'h:mm a'), 'HH_mm')", "\"13_05\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (Value::Time(61_001), "HH:mm:ss.SSS", text("00:01:01.001"));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
