//! Which dead letters were replayed already.
//!
//! A replay may choose by any condition, so one offset a partition does not say it: a topic of its own, compacted, holds the
//! ranges of replayed offsets, a record for each run of [`CHUNK`] offsets. It is written with the replayed records at once.

use std::collections::BTreeMap;

/// Offsets per record: their ranges stay well below any limit of a record's size.
const CHUNK: i64 = 16_384;

/// Replayed offsets of one dead letter topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// By partition and chunk: first and last offset of each range, in order and with gaps between.
    chunks: BTreeMap<(i32, i64), Vec<(i64, i64)>>,
}

/// The key of a chunk's record.
pub fn key(topic: &str, partition: i32, chunk: i64) -> String {
    format!("{topic}/{partition}/{chunk}")
}

impl Marks {
    /// Takes a record of the topic into account; those of other dead letter topics are passed over.
    pub fn read(&mut self, topic: &str, key: &[u8], value: &[u8]) {
        let parsed = || {
            let mut parts = std::str::from_utf8(key).ok()?.strip_prefix(topic)?.strip_prefix('/')?.split('/');
            let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let ranges = std::str::from_utf8(value).ok()?.split(',').filter(|r| !r.is_empty()).map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                Some((first.parse().ok()?, last.parse().ok()?))
            });
            Some((place, ranges.collect::<Option<Vec<(i64, i64)>>>()?))
        };
        if let Some((place, ranges)) = parsed() {
            self.chunks.insert(place, ranges);
        }
    }

    /// Forgets marks beyond the end of a partition, and all others of it: the topic was deleted and made anew since.
    pub fn check_end(&mut self, partition: i32, end: i64) {
        let of_partition = (partition, i64::MIN)..=(partition, i64::MAX);
        let last = self.chunks.range(of_partition).flat_map(|(_, ranges)| ranges).map(|(_, last)| *last).max();
        if last.is_some_and(|last| last >= end) {
            self.chunks.retain(|(p, _), _| *p != partition);
        }
    }

    pub fn contains(&self, partition: i32, offset: i64) -> bool {
        let ranges = self.chunks.get(&(partition, offset / CHUNK)).map_or(&[][..], Vec::as_slice);
        let after = ranges.partition_point(|(first, _)| *first <= offset);
        after > 0 && ranges[after - 1].1 >= offset
    }

    /// Marks an offset; gives the chunk that changed.
    pub fn insert(&mut self, partition: i32, offset: i64) -> (i32, i64) {
        let place = (partition, offset / CHUNK);
        let ranges = self.chunks.entry(place).or_default();
        let at = ranges.partition_point(|(first, _)| *first <= offset);
        let joins_before = at > 0 && ranges[at - 1].1 + 1 >= offset;
        let joins_after = ranges.get(at).is_some_and(|(first, _)| *first == offset + 1);
        match (joins_before, joins_after) {
            (true, true) => {
                ranges[at - 1].1 = ranges[at].1;
                ranges.remove(at);
            }
            (true, false) => ranges[at - 1].1 = ranges[at - 1].1.max(offset),
            (false, true) => ranges[at].0 = offset,
            (false, false) => ranges.insert(at, (offset, offset)),
        }
        place
    }

    /// The value of a chunk's record.
    pub fn value(&self, place: (i32, i64)) -> String {
        let ranges = self.chunks.get(&place).into_iter().flatten();
        let text = |(first, last): &(i64, i64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
        ranges.map(text).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_in_any_order_become_ranges() {
        let mut marks = Marks::default();
        for offset in [5, 3, 9, 4, CHUNK, 3, CHUNK - 1] {
            marks.insert(1, offset);
        }
        assert_eq!((marks.value((1, 0)), marks.value((1, 1))), (format!("3-5,9,{}", CHUNK - 1), CHUNK.to_string()));
        let mut again = Marks::default();
        for place in [(1, 0), (1, 1)] {
            again.read("d", key("d", place.0, place.1).as_bytes(), marks.value(place).as_bytes());
            again.read("d", key("d/x", place.0, place.1).as_bytes(), b"7");
            again.read("d", key("dd", place.0, place.1).as_bytes(), b"7");
        }
        assert_eq!(again, marks);
        let marked: Vec<i64> = (0..20).filter(|o| again.contains(1, *o)).collect();
        assert_eq!(marked, [3, 4, 5, 9]);
        assert!(!again.contains(0, 5) && again.contains(1, CHUNK));
        again.check_end(1, CHUNK + 1);
        assert_eq!(again, marks);
        again.check_end(1, CHUNK);
        assert_eq!(again, Marks::default());
    }
}
