//! Table functions: any number of rows out for a row in.

use calzone_guest::{plugin, table_function};

/// The words of a text, each in a row of its own.
#[table_function("explode_words(text varchar) -> varchar")]
fn explode_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

plugin!(table_functions: [explode_words]);

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_rows() {
        assert_eq!(super::explode_words("to be"), ["to", "be"]);
        assert!(super::explode_words(" ").is_empty());
    }
}
