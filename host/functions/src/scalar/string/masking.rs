//! What the MASK functions share: which characters are replaced by which.

use std::sync::LazyLock;

use calzone_types::{SqlType, Value};
use regex::Regex;

use super::utf16;
use crate::evaluate::per_row;
use crate::{Binding, Scalar, ScalarOverload, Signature};

/// Replacements of upper case letters, lower case letters, digits and everything else; `None` keeps them.
struct Masks([Option<char>; 4]);

const DEFAULTS: Masks = Masks([Some('X'), Some('x'), Some('n'), Some('-')]);

/// Which part of the text a function masks.
#[derive(Clone, Copy)]
pub enum Part {
    All,
    Left,
    Right,
    AllButLeft,
    AllButRight,
}

/// Both overloads of a function: with the default masks and with given ones. `make` is [`instance`] for the part.
pub fn overloads(counted: bool, make: fn(&Binding) -> Result<Box<dyn Scalar>, String>) -> Vec<ScalarOverload> {
    let mut parameters = vec![("input", SqlType::Varchar)];
    if counted {
        parameters.push(("numChars", SqlType::Integer));
    }
    let plain = Signature::of(&parameters, SqlType::Varchar);
    parameters.extend(["upper", "lower", "digit", "other"].map(|name| (name, SqlType::Varchar)));
    let chosen = Signature::of(&parameters, SqlType::Varchar);
    vec![
        ScalarOverload::new("With the masks X, x, n and -.", plain, make),
        ScalarOverload::new("With masks of one character each; a NULL mask keeps the characters.", chosen, make),
    ]
}

/// The function that masks that part.
pub fn instance(binding: &Binding, part: Part) -> Result<Box<dyn Scalar>, String> {
    per_row(&binding.returns, move |values| {
        let Some(text) = values[0].as_str() else { return Ok(Value::Null) };
        let (count, masks) = match part {
            Part::All => (0, &values[1..]),
            _ => match values[1].as_i64() {
                Some(count) => (
                    usize::try_from(count)
                        .map_err(|_| format!("The number of characters must not be negative, as {count} is."))?,
                    &values[2..],
                ),
                None => return Ok(Value::Null),
            },
        };
        let masks = if masks.is_empty() { DEFAULTS } else { Masks::from_values(masks)? };
        let total = utf16::length(text);
        let cut = match part {
            Part::All => 0,
            Part::Left | Part::AllButLeft => utf16::byte_position(text, count),
            Part::Right | Part::AllButRight => utf16::byte_position(text, total.saturating_sub(count)),
        };
        let (head, tail) = text.split_at(cut);
        Ok(Value::Varchar(match part {
            Part::All | Part::AllButLeft | Part::Right => head.chars().chain(tail.chars().map(|c| masks.apply(c))).collect(),
            Part::Left | Part::AllButRight => head.chars().map(|c| masks.apply(c)).chain(tail.chars()).collect(),
        }))
    })
}

impl Masks {
    fn from_values(values: &[Value]) -> Result<Masks, String> {
        let mut masks = [None; 4];
        for (mask, value) in masks.iter_mut().zip(values) {
            if let Some(text) = value.as_str() {
                let mut characters = text.chars();
                *mask = match (characters.next(), characters.next()) {
                    (Some(c), None) => Some(c),
                    _ => return Err(format!("A mask must be one character or NULL, not '{text}'.")),
                };
            }
        }
        Ok(Masks(masks))
    }

    fn apply(&self, c: char) -> char {
        let class = if c.is_ascii() {
            if c.is_ascii_uppercase() {
                0
            } else if c.is_ascii_lowercase() {
                1
            } else if c.is_ascii_digit() {
                2
            } else {
                3
            }
        } else {
            static CLASSES: LazyLock<Vec<Regex>> =
                LazyLock::new(|| [r"\p{Lu}", r"\p{Ll}", r"\p{Nd}"].iter().filter_map(|class| Regex::new(class).ok()).collect());
            let mut buffer = [0; 4];
            let text: &str = c.encode_utf8(&mut buffer);
            CLASSES.iter().position(|class| class.is_match(text)).unwrap_or(3)
        };
        self.0[class].unwrap_or(c)
    }
}
