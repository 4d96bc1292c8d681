//! `CHR(code)` and `CHR('\u004b')`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "CHR",
        category::STRING,
        "The character of a code point, given as a number or in the form \\uXXXX (two of them for a surrogate pair). \
         Null if there is no such character.",
        vec![
            ScalarOverload::new("", Signature::of(&[("decimalCode", SqlType::Integer)], SqlType::Varchar), |binding| {
                per_row_of_values(&binding.returns, |values| {
                    let character = values[0].as_i64().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32);
                    Ok(character.map_or(Value::Null, |c| Value::Varchar(c.to_string())))
                })
            }),
            ScalarOverload::new("", Signature::of(&[("utf16Code", SqlType::Varchar)], SqlType::Varchar), |binding| {
                per_row_of_values(&binding.returns, |values| {
                    Ok(values[0].as_str().and_then(unescape).map_or(Value::Null, Value::Varchar))
                })
            }),
        ],
        &[("CHR(75)", "\"K\""), ("CHR('\\u004b')", "\"K\"")],
    )
}

/// One character from one or two `\uXXXX`.
fn unescape(text: &str) -> Option<String> {
    let mut units = Vec::with_capacity(2);
    for code in text.strip_prefix("\\u")?.split("\\u") {
        let is_code = code.len() == 4 && code.bytes().all(|b| b.is_ascii_hexdigit());
        units.push(u16::from_str_radix(if is_code { code } else { return None }, 16).ok()?);
    }
    String::from_utf16(&units).ok().filter(|s| s.chars().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn only_code_points_have_a_character() {
        check(
            definition,
            &[
                (&[Value::Integer(9)], text("\t")),
                (&[Value::Integer(0x1F600)], text("😀")),
                (&[Value::Integer(-1)], Value::Null),
                (&[Value::Integer(0xD800)], Value::Null),
                (&[text("\\u00E9")], text("é")),
                (&[text("\\ud83d\\ude00")], text("😀")),
                (&[text("75")], Value::Null),
                (&[text("\\u+123")], Value::Null),
            ],
        );
    }
}
