//! Kafka's record batches (its second format, of 2017): headers, and the records of one batch after the other.

use calzone_types::{Header, RecordBatch};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a batch's header, up to its first record.
const HEADER_LEN: usize = 61;
/// Of that, what stands before the part that the batch's length counts.
const LENGTH_END: usize = 12;
const MAGIC: u8 = 2;

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchHeader {
    pub(super) base_offset: i64,
    /// The whole batch, header included.
    pub(super) length: usize,
    attributes: u16,
    last_offset_delta: i32,
    first_timestamp: i64,
    max_timestamp: i64,
    pub(super) producer_id: i64,
    count: i32,
}

/// How the records of a batch are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// The bytes are no batch that can be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// An older format, a codec that is unknown here: librdkafka may know more.
    Unknown(String),
    Broken(&'static str),
}

impl BatchHeader {
    /// The batch that the bytes begin with; None if they hold only a part of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<BatchHeader>, Unreadable> {
        let Some(magic) = bytes.get(16) else { return Ok(None) };
        if *magic != MAGIC {
            return Err(Unreadable::Unknown(format!("record format {magic}")));
        }
        let Some(head) = bytes.get(..HEADER_LEN) else { return Ok(None) };
        let long = |at: usize| i64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
        let int = |at: usize| i32::from_be_bytes(head[at..at + 4].try_into().unwrap_or_default());
        let header = BatchHeader {
            base_offset: long(0),
            length: LENGTH_END + usize::try_from(int(8)).map_err(|_| Unreadable::Broken("a batch of negative length"))?,
            attributes: u16::from_be_bytes([head[21], head[22]]),
            last_offset_delta: int(23),
            first_timestamp: long(27),
            max_timestamp: long(35),
            producer_id: long(43),
            count: int(57),
        };
        if header.length < HEADER_LEN || header.last_offset_delta < 0 || header.count < 0 {
            return Err(Unreadable::Broken("a batch whose header contradicts itself"));
        }
        Ok((header.length <= bytes.len()).then_some(header))
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(super) fn codec(&self) -> Result<Codec, Unreadable> {
        Ok(match self.attributes & 7 {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            other => return Err(Unreadable::Unknown(format!("compression {other}"))),
        })
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// A batch of the broker's own, that ends a transaction.
    pub(super) fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Where the records lie in the batch, packed or not.
    pub(super) fn body(&self) -> Range<usize> {
        HEADER_LEN..self.length
    }

    /// Does the record of this control batch end a transaction by an abort?
    pub(super) fn aborts(&self, body: &[u8]) -> bool {
        let mut at = 0;
        let key = read_varint(body, &mut at)
            .and_then(|_| Some(at += 1))
            .and_then(|()| read_varint(body, &mut at))
            .and_then(|_| read_varint(body, &mut at))
            .and_then(|_| read_varint(body, &mut at))
            .and_then(|length| body.get(at..at.checked_add(usize::try_from(length).ok()?)?));
        // Version, then kind: 0 is an abort, 1 a commit.
        matches!(key, Some([_, _, 0, 0, ..]))
    }
}

/// Reads the records of one batch, as many at a time as are wanted.
#[derive(Debug)]
pub(super) struct RecordCursor {
    header: BatchHeader,
    at: usize,
    left: i32,
}

impl RecordCursor {
    pub(super) fn new(header: BatchHeader) -> RecordCursor {
        RecordCursor { header, at: 0, left: header.count }
    }

    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.header.last_offset()
    }

    /// Copies at most `wanted` records from `body`, those before `from` left out; gives how many.
    pub(super) fn copy(
        &mut self,
        body: &[u8],
        partition: i32,
        from: i64,
        wanted: usize,
        out: &mut RecordBatch,
    ) -> Result<usize, Unreadable> {
        const CUT: Unreadable = Unreadable::Broken("a record that does not end where it says");
        let mut copied = 0;
        while self.left > 0 && copied < wanted {
            let mut at = self.at;
            let length = read_varint(body, &mut at).and_then(|length| usize::try_from(length).ok()).ok_or(CUT)?;
            let end = at.checked_add(length).filter(|end| *end <= body.len()).ok_or(CUT)?;
            // The first byte is kept for attributes that there are none of yet.
            let record = &body[at..end];
            let mut at = 1;
            let timestamp = read_varint(record, &mut at).ok_or(CUT)?;
            let offset = read_varint(record, &mut at).ok_or(CUT)?;
            let key = read_bytes(record, &mut at).ok_or(CUT)?;
            let value = read_bytes(record, &mut at).ok_or(CUT)?;
            let headers = read_varint(record, &mut at).ok_or(CUT)?;
            (self.at, self.left) = (end, self.left - 1);
            let offset = self.header.base_offset.wrapping_add(offset);
            if offset < from {
                continue;
            }
            let timestamp = match self.header.attributes & 8 != 0 {
                // The broker's own time of the append.
                true => self.header.max_timestamp,
                false => self.header.first_timestamp.wrapping_add(timestamp),
            };
            out.push_bytes(offset, timestamp, partition, key, value);
            if headers > 0 {
                out.set_headers(read_headers(record, at, headers).ok_or(CUT)?);
            }
            copied += 1;
        }
        Ok(copied)
    }
}

#[cold]
fn read_headers(record: &[u8], mut at: usize, count: i64) -> Option<Vec<Header>> {
    let mut headers = Vec::new();
    for _ in 0..count {
        let name = read_bytes(record, &mut at)??;
        let value = read_bytes(record, &mut at)?;
        headers.push((Arc::from(String::from_utf8_lossy(name)), value.map(<[u8]>::to_vec)));
    }
    Some(headers)
}

/// Bytes behind their length; a negative length stands for null.
#[inline]
fn read_bytes<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let length = read_varint(bytes, at)?;
    if length < 0 {
        return Some(None);
    }
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let found = bytes.get(*at..end)?;
    *at = end;
    Some(Some(found))
}

/// A signed number in seven bits a byte, the lowest first, its sign in the lowest bit.
#[inline]
fn read_varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let (mut raw, mut shift) = (0u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
        shift += 7;
        if shift > 63 {
            return None;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put_varint(out: &mut Vec<u8>, value: i64) {
        let mut raw = ((value << 1) ^ (value >> 63)) as u64;
        while raw >= 0x80 {
            out.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        out.push(raw as u8);
    }

    fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
        put_varint(out, bytes.map_or(-1, |bytes| bytes.len() as i64));
        out.extend_from_slice(bytes.unwrap_or_default());
    }

    type Wanted = (Option<Vec<u8>>, Option<Vec<u8>>, i64, Vec<(String, Option<Vec<u8>>)>);

    /// A batch as a broker would send it.
    pub(in super::super) fn batch(base: i64, attributes: u16, producer: i64, records: &[Wanted]) -> Vec<u8> {
        let mut body = Vec::new();
        for (index, (key, value, timestamp, headers)) in records.iter().enumerate() {
            let mut record = vec![0];
            put_varint(&mut record, *timestamp - 1000);
            put_varint(&mut record, index as i64);
            put_bytes(&mut record, key.as_deref());
            put_bytes(&mut record, value.as_deref());
            put_varint(&mut record, headers.len() as i64);
            for (name, value) in headers {
                put_bytes(&mut record, Some(name.as_bytes()));
                put_bytes(&mut record, value.as_deref());
            }
            put_varint(&mut body, record.len() as i64);
            body.extend(record);
        }
        let mut out = base.to_be_bytes().to_vec();
        out.extend((49 + body.len() as i32).to_be_bytes());
        out.extend(0i32.to_be_bytes());
        out.push(MAGIC);
        out.extend([0; 4]);
        out.extend(attributes.to_be_bytes());
        out.extend((records.len().max(1) as i32 - 1).to_be_bytes());
        out.extend(1000i64.to_be_bytes());
        out.extend(2000i64.to_be_bytes());
        out.extend(producer.to_be_bytes());
        out.extend([0; 6]);
        out.extend((records.len() as i32).to_be_bytes());
        assert_eq!(out.len(), HEADER_LEN);
        out.extend(body);
        out
    }

    proptest! {
        #[test]
        fn records_come_back_however_they_are_asked_for(
            records in prop::collection::vec(
                (
                    prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
                    prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
                    any::<i32>().prop_map(i64::from),
                    prop::collection::vec(("[a-z]{0,5}", prop::option::of(prop::collection::vec(any::<u8>(), 0..5))), 0..3),
                ),
                1..20,
            ),
            step in 1usize..6,
            skip in 0i64..5,
        ) {
            let bytes = batch(100, 0, -1, &records);
            let header = BatchHeader::read(&bytes).unwrap().unwrap();
            prop_assert_eq!(header.last_offset(), 99 + records.len() as i64);
            let (mut cursor, mut out) = (RecordCursor::new(header), RecordBatch::default());
            while !cursor.is_done() {
                cursor.copy(&bytes[header.body()], 3, 100 + skip, step, &mut out).unwrap();
            }
            let wanted = records.get(skip as usize..).unwrap_or_default();
            prop_assert_eq!(out.len(), wanted.len());
            for ((index, (key, value, timestamp, headers)), found) in wanted.iter().enumerate().zip(out.iter()) {
                prop_assert_eq!(found.offset, 100 + skip + index as i64);
                prop_assert_eq!((found.key, found.value), (key.as_deref(), value.as_deref()));
                prop_assert_eq!((found.timestamp, found.partition), (*timestamp, 3));
                let read: Vec<_> = found.headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
                prop_assert_eq!(&read, headers);
            }
        }

        #[test]
        fn broken_bytes_are_refused_and_never_panic(
            mut bytes in Just(batch(7, 0, 1, &[(Some(vec![1]), Some(vec![2; 40]), 5, Vec::new()), (None, None, 6, Vec::new())])),
            at in 0usize..120,
            with in any::<u8>(),
            cut in 0usize..120,
        ) {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            if let Ok(Some(header)) = BatchHeader::read(&bytes) {
                let body = &bytes[header.body()];
                header.aborts(body);
                let (mut cursor, mut out) = (RecordCursor::new(header), RecordBatch::default());
                while !cursor.is_done() && cursor.copy(body, 0, 0, 1000, &mut out).is_ok() {}
            }
        }
    }

    #[test]
    fn a_part_of_a_batch_is_no_batch_yet() {
        let bytes = batch(0, 0, 1, &[(None, Some(vec![9; 100]), 1, Vec::new())]);
        for length in [0, 11, 16, 17, 60, 61, bytes.len() - 1] {
            assert_eq!(BatchHeader::read(&bytes[..length]), Ok(None));
        }
        let mut old = bytes;
        old[16] = 1;
        assert!(matches!(BatchHeader::read(&old), Err(Unreadable::Unknown(_))));
    }

    #[test]
    fn log_append_time_is_that_of_the_batch() {
        let bytes = batch(0, 8, 1, &[(None, Some(vec![9]), 1, Vec::new())]);
        let header = BatchHeader::read(&bytes).unwrap().unwrap();
        let mut out = RecordBatch::default();
        RecordCursor::new(header).copy(&bytes[header.body()], 0, 0, 9, &mut out).unwrap();
        assert_eq!(out.get(0).timestamp, 2000);
    }
}
