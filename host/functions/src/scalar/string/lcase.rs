//! `LCASE(text)`.

use std::fmt::Write;

use calzone_types::SqlType;

use crate::definition::category;
use crate::evaluate::{columnar, map_text};
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = Signature::of(&[("source", SqlType::Varchar)], SqlType::Varchar);
    ScalarDefinition::built_in(
        "LCASE",
        category::STRING,
        "The text in lower case.",
        vec![ScalarOverload::new("", signature, |_| columnar(|columns, _| lower(&columns[0])))],
        &[("LCASE('Loud')", "\"loud\"")],
    )
}

fn lower(column: &arrow_array::ArrayRef) -> arrow_array::ArrayRef {
    let mut scratch = String::new();
    map_text(column, |text, out| {
        scratch.clear();
        if text.is_ascii() {
            scratch.push_str(text);
            scratch.make_ascii_lowercase();
        } else {
            scratch.push_str(&text.to_lowercase());
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
        let cases = [("AbC1", "abc1"), ("ÄÖ", "äö"), ("", "")];
        cases.iter().for_each(|(input, output)| check(definition, &[(&[text(input)], text(output))]));
    }
}
