//! The requests of Kafka's protocol that a fetcher needs: which versions a broker knows, and records of partitions.
//! Versions are fixed: brokers from 2.3 on know them all.

use std::ops::Range;

const FETCH: i16 = 1;
pub(super) const FETCH_VERSION: i16 = 11;
const API_VERSIONS: i16 = 18;
const API_VERSIONS_VERSION: i16 = 0;

/// A response that does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A partition that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// How much a broker may send, and how long it may wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FetchLimits {
    pub(super) wait_max_ms: i32,
    pub(super) bytes_min: i32,
    pub(super) bytes_max: i32,
    pub(super) partition_bytes_max: i32,
}

/// What a broker says of one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) error: i16,
    /// Transactions that were aborted among these records: producer, and the first offset.
    pub(super) aborted: Vec<(i64, i64)>,
    /// Where the record batches lie in the response; the last one may be cut off.
    pub(super) records: Range<usize>,
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The length, which is set by `finish`, and the header that all requests have.
    fn new(api: i16, version: i16, correlation: i32, client: &str) -> Writer {
        let mut writer = Writer { bytes: vec![0; 4] };
        writer.i16(api);
        writer.i16(version);
        writer.i32(correlation);
        writer.text(client);
        writer
    }

    fn i16(&mut self, value: i16) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        let text = &text.as_bytes()[..text.len().min(i16::MAX as usize)];
        self.i16(text.len() as i16);
        self.bytes.extend_from_slice(text);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.bytes.len() - 4) as i32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.bytes
    }
}

/// Which requests the broker understands.
pub(super) fn versions_request(correlation: i32, client: &str) -> Vec<u8> {
    Writer::new(API_VERSIONS, API_VERSIONS_VERSION, correlation, client).finish()
}

/// Records of committed transactions, and of none, of these partitions; those of one topic stand together.
pub(super) fn fetch_request(correlation: i32, client: &str, limits: FetchLimits, wanted: &[Wanted<'_>]) -> Vec<u8> {
    const NO_REPLICA: i32 = -1;
    const READ_COMMITTED: u8 = 1;
    const NO_SESSION: (i32, i32) = (0, -1);
    const UNKNOWN: i32 = -1;
    let mut writer = Writer::new(FETCH, FETCH_VERSION, correlation, client);
    writer.i32(NO_REPLICA);
    writer.i32(limits.wait_max_ms);
    writer.i32(limits.bytes_min);
    writer.i32(limits.bytes_max);
    writer.bytes.push(READ_COMMITTED);
    writer.i32(NO_SESSION.0);
    writer.i32(NO_SESSION.1);
    let topics: Vec<&[Wanted<'_>]> = wanted.chunk_by(|a, b| a.topic == b.topic).collect();
    writer.i32(topics.len() as i32);
    for topic in topics {
        writer.text(topic[0].topic);
        writer.i32(topic.len() as i32);
        for place in topic {
            writer.i32(place.partition);
            writer.i32(UNKNOWN);
            writer.i64(place.offset);
            writer.i64(i64::from(UNKNOWN));
            writer.i32(limits.partition_bytes_max);
        }
    }
    // Nothing is forgotten where there is no session.
    writer.i32(0);
    // In no rack: a leader sends those of a rack to a replica there.
    writer.text("");
    writer.finish()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let found = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(found)
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into().map_err(|_| Malformed)?))
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?))
    }

    fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?))
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(self.i16()?).map_err(|_| Malformed)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)
    }

    /// The number of entries that follow; those of an absent list are none.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::try_from(self.i32()?.max(0)).map_err(|_| Malformed)?;
        // No entry is shorter than a byte.
        if count > self.bytes.len() - self.at { Err(Malformed) } else { Ok(count) }
    }
}

/// Does the broker answer fetches of our version? `body`: the response behind its correlation.
pub(super) fn knows_fetch(body: &[u8]) -> Result<bool, Malformed> {
    let mut reader = Reader { bytes: body, at: 0 };
    if reader.i16()? != 0 {
        return Ok(false);
    }
    for _ in 0..reader.count()? {
        let (api, min, max) = (reader.i16()?, reader.i16()?, reader.i16()?);
        if api == FETCH {
            return Ok((min..=max).contains(&FETCH_VERSION));
        }
    }
    Ok(false)
}

/// The answers of a fetch, and the error of the whole (0: none). `body`: the response behind its correlation; ranges are
/// places in it.
pub(super) fn read_fetch(body: &[u8]) -> Result<(i16, Vec<Answer<'_>>), Malformed> {
    let mut reader = Reader { bytes: body, at: 0 };
    let _throttled_ms = reader.i32()?;
    let error = reader.i16()?;
    let _session = reader.i32()?;
    let mut answers = Vec::new();
    for _ in 0..reader.count()? {
        let topic = reader.text()?;
        for _ in 0..reader.count()? {
            let partition = reader.i32()?;
            let error = reader.i16()?;
            let (_high_watermark, _last_stable, _log_start) = (reader.i64()?, reader.i64()?, reader.i64()?);
            let mut aborted = Vec::new();
            for _ in 0..reader.count()? {
                aborted.push((reader.i64()?, reader.i64()?));
            }
            let _preferred_replica = reader.i32()?;
            let length = usize::try_from(reader.i32()?.max(0)).map_err(|_| Malformed)?;
            let start = reader.at;
            reader.take(length)?;
            answers.push(Answer { topic, partition, error, aborted, records: start..start + length });
        }
    }
    Ok((error, answers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn response(aborted: &[(i64, i64)], records: &[u8]) -> Vec<u8> {
        let mut writer = Writer { bytes: Vec::new() };
        writer.i32(0);
        writer.i16(0);
        writer.i32(0);
        writer.i32(1);
        writer.text("orders");
        writer.i32(1);
        writer.i32(3);
        writer.i16(6);
        for offset in [10, 9, 0] {
            writer.i64(offset);
        }
        writer.i32(aborted.len() as i32);
        for (producer, first) in aborted {
            writer.i64(*producer);
            writer.i64(*first);
        }
        writer.i32(-1);
        writer.i32(records.len() as i32);
        writer.bytes.extend_from_slice(records);
        writer.bytes
    }

    #[test]
    fn a_response_is_read() {
        let bytes = response(&[(5, 7)], b"abc");
        let (error, answers) = read_fetch(&bytes).unwrap();
        let records = bytes.len() - 3..bytes.len();
        assert_eq!(error, 0);
        assert_eq!(answers, [Answer { topic: "orders", partition: 3, error: 6, aborted: vec![(5, 7)], records }]);
    }

    #[test]
    fn partitions_of_a_topic_are_asked_for_together() {
        let limits = FetchLimits { wait_max_ms: 250, bytes_min: 1, bytes_max: 100, partition_bytes_max: 10 };
        let place = |topic, partition| Wanted { topic, partition, offset: 7 };
        let one = fetch_request(1, "c", limits, &[place("a", 0)]);
        let two = fetch_request(1, "c", limits, &[place("a", 0), place("a", 1)]);
        let other = fetch_request(1, "c", limits, &[place("a", 0), place("b", 1)]);
        assert_eq!((two.len() - one.len(), other.len() - one.len()), (28, 28 + 3 + 4));
        assert_eq!(i32::from_be_bytes(two[..4].try_into().unwrap()) as usize, two.len() - 4);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..90, with in any::<u8>()) {
            let _ = (read_fetch(&bytes), knows_fetch(&bytes));
            let mut response = response(&[(1, 2)], b"records");
            if let Some(byte) = response.get_mut(at) {
                *byte = with;
            }
            let _ = read_fetch(&response);
        }
    }
}
