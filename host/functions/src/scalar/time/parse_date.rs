//! `PARSE_DATE(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("formattedDate", SqlType::Varchar), ("formatPattern", SqlType::Varchar)], SqlType::Date);
    ScalarDefinition::built_in(
        "PARSE_DATE",
        category::DATE_TIME,
        "A date read from a text in a pattern of Java's DateTimeFormatter, which must have no time of the day.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Varchar(value), Some(pattern)) => patterns.get(pattern)?.parse_date(value).map(Value::Date),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_DATE(PARSE_DATE('3/2/2021', 'd/M/yyyy'), 'yyyy-MM-dd')", "\"2021-02-03\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (text("2/1/1970"), "d/M/yyyy", Value::Date(1));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
