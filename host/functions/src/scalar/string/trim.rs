//! `TRIM(text)`.

use std::fmt::Write;

use calzone_types::SqlType;

use crate::definition::category;
use crate::evaluate::{columnar, map_text};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("input", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "TRIM",
        category::STRING,
        "The text without blanks and control characters at its ends.",
        vec![ScalarOverload::new("", signature, |_| {
            columnar(|columns, _| {
                map_text(&columns[0], |text, out| {
                    // As Java trims: everything up to and with the space, and no other white space.
                    let _ = out.write_str(text.trim_matches(|c| c <= ' '));
                })
            })
        })],
        &[("TRIM('  inner  space ')", "\"inner  space\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn only_ascii_blanks_go() {
        for (input, output) in [(" \t a b\n", "a b"), ("   ", ""), ("\u{a0}x", "\u{a0}x")] {
            check(definition, &[(&[text(input)], text(output))]);
        }
    }
}
