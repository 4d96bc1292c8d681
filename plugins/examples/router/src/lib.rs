//! A stage with two outputs: `CREATE STAGE s FROM orders INTO large, small USING PLUGIN 'router'`.

use calzone_guest::{plugin, stage};

/// Orders of ten or more are large. One without a count goes nowhere; a negative count is an error.
#[stage(into = ["large", "small"])]
fn by_count(count: Option<i64>) -> Result<Option<usize>, String> {
    match count {
        None => Ok(None),
        Some(count) if count < 0 => Err(format!("the count is {count}")),
        Some(count) => Ok(Some(if count >= 10 { 0 } else { 1 })),
    }
}

plugin!(stages: [by_count]);

#[cfg(test)]
mod tests {
    use super::by_count;

    #[test]
    fn orders_go_by_their_count() {
        assert_eq!(by_count(Some(10)), Ok(Some(0)));
        assert_eq!(by_count(Some(9)), Ok(Some(1)));
        assert_eq!(by_count(None), Ok(None));
        assert!(by_count(Some(-1)).is_err());
    }
}
