//! What COALESCE and IFNULL share: the first column that is not null, row by row.

use arrow_array::{Array, ArrayRef};
use arrow_select::interleave::interleave;

/// The value of the first column that has one. All columns are of one type.
pub fn first_valid(columns: &[ArrayRef], rows: usize) -> ArrayRef {
    let first = &columns[0];
    if first.null_count() == 0 || columns.len() == 1 {
        return first.clone();
    }
    let sources: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
    let picks: Vec<(usize, usize)> =
        (0..rows).map(|row| (columns.iter().position(|c| c.is_valid(row)).unwrap_or(0), row)).collect();
    interleave(&sources, &picks).expect("the columns have one type and the call's length")
}
