//! `UCASE(text)`.

use std::fmt::Write;

use calzone_types::SqlType;

use crate::definition::category;
use crate::evaluate::{columnar, map_text};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("source", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "UCASE",
        category::STRING,
        "The text in upper case.",
        vec![ScalarOverload::new("", signature, |_| columnar(|columns, _| upper(&columns[0])))],
        &[("UCASE('Straße')", "\"STRASSE\"")],
    )
}

fn upper(column: &arrow_array::ArrayRef) -> arrow_array::ArrayRef {
    let mut scratch = String::new();
    map_text(column, |text, out| {
        scratch.clear();
        if text.is_ascii() {
            scratch.push_str(text);
            scratch.make_ascii_uppercase();
        } else {
            scratch.push_str(&text.to_uppercase());
        }
        let _ = out.write_str(&scratch);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn letters_of_all_scripts_change() {
        let cases = [("abC1", "ABC1"), ("Straße", "STRASSE"), ("ελλ", "ΕΛΛ"), ("", "")];
        cases.iter().for_each(|(input, output)| check(definition, &[(&[text(input)], text(output))]));
    }
}
