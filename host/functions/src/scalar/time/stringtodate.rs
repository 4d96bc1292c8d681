//! `STRINGTODATE(value, pattern)`.

use calzone_types::{SqlType, Value};

use super::Pattern;
use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::scalar::cached::Cached;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("formattedDate", SqlType::Varchar), ("formatPattern", SqlType::Varchar)], SqlType::Integer);
    ScalarDefinition::built_in(
        "STRINGTODATE",
        category::DATE_TIME,
        "Days since 1970-01-01 read from a text in a pattern of Java's DateTimeFormatter. Older form of PARSE_DATE.",
        vec![ScalarOverload::new("", signature, |binding| {
            let mut patterns = Cached::new(Pattern::new);
            per_row_of_values(&binding.returns, move |values| match (&values[0], values[1].as_str()) {
                (Value::Varchar(value), Some(pattern)) => patterns.get(pattern)?.parse_date(value).map(Value::Integer),
                _ => Ok(Value::Null),
            })
        })],
        &[("STRINGTODATE('1970-01-02', 'yyyy-MM-dd')", "1")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};

    #[test]
    fn goes_by_the_pattern() {
        let (value, pattern, expected) = (text("31-dec-1969"), "dd-MMM-yyyy", Value::Integer(-1));
        check(definition, &[(&[value.clone(), text(pattern)], expected), (&[Value::Null, text(pattern)], Value::Null)]);
        check_fails(definition, &[&[value, text("{")]]);
    }
}
