//! `FORMAT_DATE(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("date", SqlType::Date), ("formatPattern", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "FORMAT_DATE",
        category::DATE_TIME,
        "A date written in a pattern of Java's DateTimeFormatter.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Date(value), Some(pattern)) => patterns.get(pattern)?.format_date(*value).map(Value::Varchar),
                _ => Ok(Value::Null),
            })
        })],
        &[("FORMAT_DATE(FROM_DAYS(1), 'dd MMM yyyy')", "\"02 Jan 1970\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (Value::Date(1), "dd MMM yyyy", text("02 Jan 1970"));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
