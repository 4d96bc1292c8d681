//! `REPLACE(text, old, new)`.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use calzone_types::{SizeLimit, SqlType};

use crate::definition::category;
use crate::evaluate::{Evaluated, RowError, fallible};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("str", SqlType::Varchar), ("oldStr", SqlType::Varchar), ("newStr", SqlType::Varchar)];
    ScalarDefinition::built_in(
        "REPLACE",
        category::STRING,
        "The text with every occurrence of oldStr replaced by newStr. Null if any argument is null.",
        vec![ScalarOverload::new("", Signature::of(&parameters, SqlType::Varchar), |_| fallible(|columns, _| replace(columns)))],
        &[("REPLACE('banana', 'an', 'o')", "\"booa\"")],
    )
}

fn replace(columns: &[ArrayRef]) -> Evaluated {
    let (mut limit, mut errors) = (SizeLimit::default(), Vec::new());
    let texts = columns[0].as_string::<i32>();
    let mut builder = StringBuilder::with_capacity(columns[0].len(), texts.value_data().len());
    let rows = texts.iter().zip(columns[1].as_string::<i32>()).zip(columns[2].as_string::<i32>());
    for (row, ((text, old), new)) in rows.enumerate() {
        let (Some(text), Some(old), Some(new)) = (text, old, new) else {
            builder.append_null();
            continue;
        };
        let times = if new.len() > old.len() { text.matches(old).count() } else { 0 };
        if let Err(message) = limit.take(text.len().saturating_add(times.saturating_mul(new.len() - old.len().min(new.len())))) {
            errors.push(RowError { row: row as u32, message });
            builder.append_null();
            continue;
        }
        let mut rest = 0;
        for (at, found) in text.match_indices(old) {
            // Writing into a builder cannot fail.
            let _ = builder.write_str(&text[rest..at]);
            let _ = builder.write_str(new);
            rest = at + found.len();
        }
        builder.append_value(&text[rest..]);
    }
    Evaluated { column: Arc::new(builder.finish()), errors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};
    use calzone_types::Value;

    #[test]
    fn replaces_all_occurrences() {
        check(
            definition,
            &[
                (&[text("banana"), text("an"), text("")], text("ba")),
                (&[text("ab"), text(""), text("-")], text("-a-b-")),
                (&[text("ab"), text("x"), text("y")], text("ab")),
                (&[text("ab"), Value::Null, text("y")], Value::Null),
            ],
        );
    }
}
