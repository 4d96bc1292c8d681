//! `INSTR(text, part[, position[, occurrence]])`.

use calzone_types::{SqlType, Value};

use super::utf16;
use crate::definition::category;
use crate::evaluate::per_row;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [
        ("str", SqlType::Varchar),
        ("substring", SqlType::Varchar),
        ("position", SqlType::Integer),
        ("occurrence", SqlType::Integer),
    ];
    let overloads = (2..=4)
        .map(|count| {
            let signature = Signature::of(&parameters[..count], SqlType::Integer);
            ScalarOverload::new("", signature, |binding| per_row(&binding.returns, |values| Ok(find(values))))
        })
        .collect();
    ScalarDefinition::built_in(
        "INSTR",
        category::STRING,
        "Where substring occurs in str, the first character being 1; 0 if it does not. The search starts at position; a negative \
         position starts that far from the end and goes backwards. With occurrence, the nth occurrence counts.",
        overloads,
        &[("INSTR('corporate floor', 'or', 3, 2)", "14"), ("INSTR('corporate floor', 'or', -3)", "5")],
    )
}

fn find(values: &[Value]) -> Value {
    let (Some(text), Some(part)) = (values[0].as_str(), values[1].as_str()) else { return Value::Integer(0) };
    if values[2..].iter().any(Value::is_null) {
        return Value::Null;
    }
    let position = values.get(2).and_then(Value::as_i64).unwrap_or(1);
    let occurrence = values.get(3).and_then(Value::as_i64).unwrap_or(1);
    let total = utf16::length(text);
    if position.unsigned_abs() > total as u64 || occurrence < 1 {
        return Value::Integer(0);
    }
    let nth = usize::try_from(occurrence - 1).unwrap_or(usize::MAX);
    let found = if position < 0 {
        // A match lies wholly before the position that the search starts from.
        let end = utf16::byte_position(text, total + 1 - position.unsigned_abs() as usize);
        let head = &text[..end];
        starts(head).rev().filter(|at| head[*at..].starts_with(part)).nth(nth)
    } else {
        let begin = utf16::byte_position(text, (position - 1).max(0) as usize);
        starts(text).skip_while(|at| *at < begin).filter(|at| text[*at..].starts_with(part)).nth(nth)
    };
    Value::Integer(found.map_or(0, |at| utf16::unit_position(text, at) as i32 + 1))
}

/// Byte positions of the characters.
fn starts(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    text.char_indices().map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn finds_from_either_end() {
        for (part, position, occurrence, expected) in [
            ("or", 1, 1, 2),
            ("or", 3, 1, 5),
            ("or", 3, 2, 14),
            ("or", -3, 1, 5),
            ("or", -3, 2, 2),
            ("or", -1, 1, 14),
            ("or", 1, 4, 0),
            ("or", 1, 0, 0),
            ("or", 99, 1, 0),
            ("none", 1, 1, 0),
        ] {
            let arguments = [text("corporate floor"), text(part), Value::Integer(position), Value::Integer(occurrence)];
            check(definition, &[(&arguments, Value::Integer(expected))]);
        }
        check(definition, &[(&[text("é😀x"), text("x")], Value::Integer(4)), (&[text("aaa"), text("aa")], Value::Integer(1))]);
    }
}
