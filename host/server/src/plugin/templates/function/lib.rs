//! SQL functions.

use calzone_guest::{function, plugin};

/// Replaces letters by `x`.
#[function("mask(varchar) -> varchar")]
fn mask(s: &str) -> String {
    s.chars().map(|c| if c.is_alphabetic() { 'x' } else { c }).collect()
}

plugin!(functions: [mask]);

#[cfg(test)]
mod tests {
    #[test]
    fn digits_stay() {
        assert_eq!(super::mask("Ada 1"), "xxx 1");
    }
}
