//! A stage of a pipeline.

use calzone_guest::{plugin, stage};

/// Adds SIZE, small or large, to each row that has GRAMS.
#[stage("size VARCHAR")]
fn size(grams: i64) -> Result<&'static str, String> {
    match grams {
        1..500 => Ok("small"),
        500.. => Ok("large"),
        _ => Err(format!("a pizza of {grams} g")),
    }
}

plugin!(stages: [size]);

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        assert_eq!(super::size(499), Ok("small"));
        assert_eq!(super::size(500), Ok("large"));
        assert!(super::size(0).is_err());
    }
}
