//! `INITCAP(text)`.

use std::fmt::Write;

use calzone_types::SqlType;

use crate::definition::category;
use crate::evaluate::{columnar, map_text};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("str", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "INITCAP",
        category::STRING,
        "The text with the first letter of each word in upper case and all others in lower case. White space parts words.",
        vec![ScalarOverload::new("", signature, |_| {
            columnar(|columns, _| {
                map_text(&columns[0], |text, out| {
                    let mut starts_word = true;
                    for c in text.chars() {
                        let written = if starts_word {
                            c.to_uppercase().try_for_each(|c| out.write_char(c))
                        } else {
                            c.to_lowercase().try_for_each(|c| out.write_char(c))
                        };
                        // Writing into a builder cannot fail.
                        let _ = written;
                        starts_word = c.is_whitespace();
                    }
                })
            })
        })],
        &[("INITCAP('red  BALLOON x2y')", "\"Red  Balloon X2y\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn words_begin_after_white_space_only() {
        for (input, output) in [("red  BALLOON", "Red  Balloon"), ("snake_case 2nd", "Snake_case 2nd"), ("", "")] {
            check(definition, &[(&[text(input)], text(output))]);
        }
    }
}
