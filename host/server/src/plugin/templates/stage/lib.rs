//! A stage of a pipeline.

use calzone_guest::{plugin, stage};

/// Adds PORTION, small or large, to each row that has GRAMS.
#[stage("portion VARCHAR")]
fn portion(grams: i64) -> Result<&'static str, String> {
    match grams {
        1..500 => Ok("small"),
        500.. => Ok("large"),
        _ => Err(format!("a pizza of {grams} g")),
    }
}

plugin!(stages: [portion]);

#[cfg(test)]
mod tests {
    #[test]
    fn portions() {
        assert_eq!(super::portion(499), Ok("small"));
        assert_eq!(super::portion(500), Ok("large"));
        assert!(super::portion(0).is_err());
    }
}
