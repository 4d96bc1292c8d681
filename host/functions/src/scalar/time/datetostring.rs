//! `DATETOSTRING(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("epochDays", SqlType::Integer), ("formatPattern", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "DATETOSTRING",
        category::DATE_TIME,
        "Days since 1970-01-01 written in a pattern of Java's DateTimeFormatter. Older form of FORMAT_DATE.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Integer(value), Some(pattern)) => patterns.get(pattern)?.format_date(*value).map(Value::Varchar),
                _ => Ok(Value::Null),
            })
        })],
        &[("DATETOSTRING(1, 'dd MMM yyyy')", "\"02 Jan 1970\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (Value::Integer(-1), "dd/MM/yy", text("31/12/69"));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
