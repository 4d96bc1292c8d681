//! A function that draws lots (RANDOM).

use calzone_guest::{Random, function, plugin};

/// A number from 0 up to but without `bound`, the same one whenever the record is processed.
#[function("draw(bound bigint) -> bigint")]
fn draw(bound: i64, random: &mut Random) -> i64 {
    random.below(bound.max(0) as usize) as i64
}

plugin!(functions: [draw]);
