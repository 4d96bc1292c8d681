//! Seeds of random numbers: the same record has the same seed, whatever batch it comes in and however often.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use arrow_buffer::ScalarBuffer;
use calzone_types::Origin;

/// The seeds of a batch's rows; computed when the guest asks for them, as most never do.
#[derive(Clone, Debug)]
pub(crate) struct RowSeeds {
    partition: u64,
    offsets: Offsets,
}

#[derive(Clone, Debug)]
enum Offsets {
    /// Of the records that the rows are.
    Records(ScalarBuffer<i64>),
    /// Numbers of the rows.
    Counted(Range<i64>),
}

impl RowSeeds {
    pub(crate) fn of_records(plugin: &str, origin: &Origin) -> RowSeeds {
        let partition = partition_seed(plugin, &origin.topic, origin.partition);
        RowSeeds { partition, offsets: Offsets::Records(origin.offsets.clone()) }
    }

    pub(crate) fn counted(plugin: &str, rows: Range<i64>) -> RowSeeds {
        RowSeeds { partition: partition_seed(plugin, "", 0), offsets: Offsets::Counted(rows) }
    }

    /// Of a single row that nothing will ever repeat.
    pub(crate) fn fresh() -> RowSeeds {
        // Each such state has keys that nobody can foresee.
        let partition = RandomState::new().build_hasher().finish();
        RowSeeds { partition, offsets: Offsets::Counted(0..1) }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.offsets {
            Offsets::Records(offsets) => offsets.len(),
            Offsets::Counted(rows) => (rows.end - rows.start) as usize,
        }
    }

    pub(crate) fn slice(&self, rows: Range<usize>) -> RowSeeds {
        let offsets = match &self.offsets {
            Offsets::Records(offsets) => Offsets::Records(offsets.slice(rows.start, rows.len())),
            Offsets::Counted(all) => Offsets::Counted(all.start + rows.start as i64..all.start + rows.end as i64),
        };
        RowSeeds { partition: self.partition, offsets }
    }

    /// 8 bytes a row, as guests get them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = |offset: i64| offset_seed(self.partition, offset).to_le_bytes();
        match &self.offsets {
            Offsets::Records(offsets) => offsets.iter().flat_map(|offset| bytes(*offset)).collect(),
            Offsets::Counted(rows) => rows.clone().flat_map(bytes).collect(),
        }
    }
}

/// Seed for what plugin `plugin` does with the record at `offset` of a partition. Part of what makes a replay repeat
/// itself: changing this function changes what a restart recomputes.
pub fn row_seed(plugin: &str, topic: &str, partition: i32, offset: i64) -> u64 {
    offset_seed(partition_seed(plugin, topic, partition), offset)
}

/// The part of [`row_seed`] that a whole batch shares.
fn partition_seed(plugin: &str, topic: &str, partition: i32) -> u64 {
    // FNV-1a, with a byte between the names that UTF-8 never has, so that "ab", "c" is not "a", "bc".
    let bytes = plugin.bytes().chain([0xff]).chain(topic.bytes()).chain([0xff]).chain(partition.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// SplitMix64's finish: neighbouring offsets get unrelated seeds.
fn offset_seed(partition_seed: u64, offset: i64) -> u64 {
    let mut z = partition_seed ^ (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::row_seed;

    #[test]
    fn seeds_stay_what_they_are() {
        // A replay after an upgrade must draw what the first run drew.
        assert_eq!(row_seed("sauce", "pizza", 0, 0), row_seed("sauce", "pizza", 0, 0));
        assert_ne!(row_seed("sauce", "pizza", 0, 0), row_seed("sauce", "pizza", 0, 1));
        assert_ne!(row_seed("sauce", "pizza", 0, 0), row_seed("sauce", "pizza", 1, 0));
        assert_ne!(row_seed("ab", "c", 0, 0), row_seed("a", "bc", 0, 0));
    }
}
