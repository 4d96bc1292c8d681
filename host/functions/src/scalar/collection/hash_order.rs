//! The order in which Java goes through a map that ksqlDB has read from a record: that of a `java.util.HashMap` made for
//! as many entries as there are. It shows where entries are folded one after the other.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;

use super::flat::Flat;

/// Puts the entries of each row's map into hash order. Maps with other keys than text stay as they are.
pub(super) fn order(flat: &mut Flat) {
    let [keys, _] = flat.columns.as_slice() else { return };
    if keys.data_type() != &DataType::Utf8 || flat.offsets.windows(2).all(|row| row[1] - row[0] < 2) {
        return;
    }
    let keys = keys.as_string::<i32>();
    let mut order: Vec<u32> = (0..keys.len() as u32).collect();
    for row in flat.offsets.windows(2) {
        let mask = capacity(row[1] - row[0]) - 1;
        // Entries of one bucket keep the order in which they were put in.
        order[row[0]..row[1]].sort_by_key(|entry| spread(hash(keys.value(*entry as usize))) & mask);
    }
    let order = UInt32Array::from(order);
    let take = |column: &ArrayRef| arrow_select::take::take(column, &order, None).expect("entries lie inside their column");
    flat.columns = flat.columns.iter().map(take).collect();
}

/// Buckets of a table made for `entries` entries: the next power of two, doubled if it is more than three quarters full.
fn capacity(entries: usize) -> u32 {
    let buckets = entries.next_power_of_two();
    let full = entries > buckets * 3 / 4;
    u32::try_from(if full { buckets * 2 } else { buckets }).unwrap_or(1 << 30)
}

/// `String.hashCode`.
fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

fn spread(hash: u32) -> u32 {
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_sizes_are_those_of_java() {
        assert_eq!(hash("hello"), 99_162_322);
        assert_eq!(hash(""), 0);
        assert_eq!([1, 2, 3, 4, 12, 13].map(capacity), [2, 4, 4, 8, 16, 32]);
    }
}
