//! What the bench compares with built-in functions and projections.

use calzone_guest::{function, plugin, stage};

/// The text in upper case, as UCASE makes it.
#[function("shout(varchar) -> varchar")]
fn shout(text: &str) -> String {
    text.to_uppercase()
}

/// Adds REGION in upper case.
#[stage("shouted VARCHAR")]
fn add_shout(region: &str) -> String {
    region.to_uppercase()
}

plugin!(functions: [shout], stages: [add_shout]);

#[cfg(test)]
mod tests {
    #[test]
    fn letters_become_capitals() {
        assert_eq!(super::shout("Region_3 ß"), "REGION_3 SS");
    }
}
