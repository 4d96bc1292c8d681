//! SQL functions that hide what must not be read.

use calzone_guest::{Variadic, function, plugin};

/// Replaces letters by `x` or `X` and digits by `n`.
#[function("mask(input varchar) -> varchar")]
fn mask(input: &str) -> String {
    input.chars().map(masked).collect()
}

/// Masks all but the last `keep` characters.
#[function("mask(input varchar, keep integer) -> varchar")]
fn mask_left(input: &str, keep: i32) -> Result<String, String> {
    let keep = usize::try_from(keep).map_err(|_| format!("`keep` must not be negative, it is {keep}"))?;
    let hidden = input.chars().count().saturating_sub(keep);
    Ok(input.chars().enumerate().map(|(i, c)| if i < hidden { masked(c) } else { c }).collect())
}

/// Joins texts, all of them masked.
#[function("mask_all(separator varchar, parts varchar...) -> varchar")]
fn mask_all(separator: &str, parts: Variadic<Option<&str>>) -> String {
    parts.iter().flatten().map(|part| mask(part)).collect::<Vec<_>>().join(separator)
}

fn masked(c: char) -> char {
    match c {
        _ if c.is_ascii_digit() || c.is_numeric() => 'n',
        _ if c.is_uppercase() => 'X',
        _ if c.is_alphabetic() => 'x',
        _ => c,
    }
}

plugin!(functions: [mask, mask_left, mask_all]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_are_hidden() {
        assert_eq!(super::mask("Order 66, Ada!"), "Xxxxx nn, Xxx!");
        assert_eq!(super::mask_left("1234-5678", 4).unwrap(), "nnnn-5678");
        assert!(super::mask_left("x", -1).is_err());
        assert_eq!(super::mask_all("/", Variadic(vec![Some("a"), None, Some("1")])), "x/n");
    }
}
