//! The block: records of one partition as they lie on disk.
//!
//! ```text
//! version u8 = 1 | flags u8 | checksum u64 | records u32 | first timestamp i64 | index bytes u32
//! | headers bytes u32 | record bytes u32 | index | headers | record bytes
//! ```
//! Numbers are little-endian. The checksum (XXH3) covers everything. The index holds three variable-length
//! numbers for each record: difference to the timestamp before (zigzag), length of the key plus one and of the
//! value plus one, 0 for null. The record bytes are keys and values one after the other, LZ4-compressed if that
//! pays (flag 1); so they are unpacked straight into the buffer of a [`RecordBatch`]. Headers are there if one
//! record has some (flag 2). Offsets are not in the block: the first is in its key, the others follow.

use calzone_types::{Header, RecordBatch, RecordRef};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A block is closed at so many records or bytes: enough to compress well, small enough to read for one record.
pub(super) const BLOCK_RECORDS_MAX: u32 = 4_096;
pub(super) const BLOCK_BYTES_MAX: usize = 1 << 20;

/// Fewer bytes are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 256;

const VERSION: u8 = 1;
const FLAG_LZ4: u8 = 1;
const FLAG_HEADERS: u8 = 2;
const CHECKED_FROM: usize = 10;
const FIXED_BYTES: usize = 34;

/// A finished block and the number of its records.
pub(super) struct Block {
    pub(super) records: u32,
    pub(super) bytes: Vec<u8>,
}

/// A block that is being filled.
#[derive(Default)]
pub(super) struct BlockBuilder {
    records: u32,
    first_timestamp: i64,
    last_timestamp: i64,
    index: Vec<u8>,
    /// Headers of all records, once one has some.
    headers: Vec<u8>,
    has_headers: bool,
    data: Vec<u8>,
}

impl BlockBuilder {
    pub(super) fn records(&self) -> u32 {
        self.records
    }

    pub(super) fn byte_len(&self) -> usize {
        self.index.len() + self.headers.len() + self.data.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.records >= BLOCK_RECORDS_MAX || self.byte_len() >= BLOCK_BYTES_MAX
    }

    pub(super) fn push(&mut self, record: RecordRef<'_>) {
        if self.records == 0 {
            self.first_timestamp = record.timestamp;
            self.last_timestamp = record.timestamp;
        }
        put_varint(&mut self.index, zigzag(record.timestamp.wrapping_sub(self.last_timestamp)));
        put_varint(&mut self.index, record.key.map_or(0, |key| key.len() as u64 + 1));
        put_varint(&mut self.index, record.value.map_or(0, |value| value.len() as u64 + 1));
        self.last_timestamp = record.timestamp;
        self.data.extend_from_slice(record.key.unwrap_or_default());
        self.data.extend_from_slice(record.value.unwrap_or_default());
        if !record.headers.is_empty() && !self.has_headers {
            self.has_headers = true;
            self.headers.resize(self.records as usize, 0);
        }
        if self.has_headers {
            put_varint(&mut self.headers, record.headers.len() as u64);
            for (name, value) in record.headers {
                put_varint(&mut self.headers, name.len() as u64);
                self.headers.extend_from_slice(name.as_bytes());
                put_varint(&mut self.headers, value.as_ref().map_or(0, |value| value.len() as u64 + 1));
                self.headers.extend_from_slice(value.as_deref().unwrap_or_default());
            }
        }
        self.records += 1;
    }

    /// Closes the block and leaves the builder empty.
    pub(super) fn finish(&mut self) -> Block {
        let mut flags = if self.has_headers { FLAG_HEADERS } else { 0 };
        let fixed_and_index = FIXED_BYTES + self.index.len() + self.headers.len();
        let mut bytes = Vec::with_capacity(fixed_and_index + self.data.len());
        bytes.resize(FIXED_BYTES, 0);
        bytes.extend_from_slice(&self.index);
        bytes.extend_from_slice(&self.headers);
        if self.data.len() >= COMPRESS_BYTES_MIN {
            bytes.resize(fixed_and_index + lz4_flex::block::get_maximum_output_size(self.data.len()), 0);
            match lz4_flex::block::compress_into(&self.data, &mut bytes[fixed_and_index..]) {
                Ok(length) if length < self.data.len() / 10 * 9 => {
                    flags |= FLAG_LZ4;
                    bytes.truncate(fixed_and_index + length);
                }
                _ => bytes.truncate(fixed_and_index),
            }
        }
        if flags & FLAG_LZ4 == 0 {
            bytes.extend_from_slice(&self.data);
        }
        bytes[0] = VERSION;
        bytes[1] = flags;
        bytes[10..14].copy_from_slice(&self.records.to_le_bytes());
        bytes[14..22].copy_from_slice(&self.first_timestamp.to_le_bytes());
        bytes[22..26].copy_from_slice(&(self.index.len() as u32).to_le_bytes());
        bytes[26..30].copy_from_slice(&(self.headers.len() as u32).to_le_bytes());
        bytes[30..34].copy_from_slice(&(self.data.len() as u32).to_le_bytes());
        let checksum = checksum(&bytes);
        bytes[2..10].copy_from_slice(&checksum.to_le_bytes());
        let block = Block { records: self.records, bytes };
        self.records = 0;
        self.index.clear();
        self.headers.clear();
        self.has_headers = false;
        self.data.clear();
        block
    }
}

/// Over version and flags as the seed, and all that follows the checksum itself.
fn checksum(block: &[u8]) -> u64 {
    xxh3_64_with_seed(&block[CHECKED_FROM..], u64::from(block[0]) << 8 | u64::from(block[1]))
}

/// Number of records of a block, without looking further.
pub(super) fn record_count(block: &[u8]) -> Option<u32> {
    (block.len() >= FIXED_BYTES && block[0] == VERSION).then(|| u32_at(block, 10))
}

/// Reads a block whose first record has the offset `base`.
///
/// # Errors
/// What is wrong with the block.
pub(super) fn decode(block: &[u8], base: i64, partition: i32) -> Result<RecordBatch, String> {
    if block.len() < FIXED_BYTES {
        return Err(format!("a block of {} bytes is too short", block.len()));
    }
    if block[0] != VERSION {
        return Err(format!("block format {} is not known to this version", block[0]));
    }
    let expected = u64::from_le_bytes(array(&block[2..10]));
    if checksum(block) != expected {
        return Err(String::from("the checksum of a block does not fit its bytes"));
    }
    // The checksum fits, so what follows fails only if the writer was wrong.
    let broken = || String::from("a block contradicts itself");
    let flags = block[1];
    let records = u32_at(block, 10) as usize;
    let first_timestamp = i64::from_le_bytes(array(&block[14..22]));
    let (index_bytes, headers_bytes, data_bytes) = (u32_at(block, 22), u32_at(block, 26), u32_at(block, 30) as usize);
    let rest = &block[FIXED_BYTES..];
    let (mut index, rest) = rest.split_at_checked(index_bytes as usize).ok_or_else(broken)?;
    let (mut headers, packed) = rest.split_at_checked(headers_bytes as usize).ok_or_else(broken)?;
    let data = match flags & FLAG_LZ4 != 0 {
        false => packed.to_vec(),
        true => {
            lz4_flex::block::decompress(packed, data_bytes).map_err(|error| format!("a block cannot be unpacked: {error}"))?
        }
    };
    let mut timestamp = first_timestamp;
    let entries = (0..records as i64).map_while(|row| {
        timestamp = timestamp.wrapping_add(unzigzag(take_varint(&mut index)?));
        let key = (take_varint(&mut index)? as usize).checked_sub(1);
        let value = (take_varint(&mut index)? as usize).checked_sub(1);
        Some((base + row, timestamp, key, value))
    });
    let mut batch = RecordBatch::from_bytes(data, partition, WithCount { inner: entries, records }).ok_or_else(broken)?;
    if batch.len() != records {
        return Err(broken());
    }
    if flags & FLAG_HEADERS != 0 {
        let all: Option<Vec<Vec<Header>>> = (0..records).map(|_| take_headers(&mut headers)).collect();
        batch.set_all_headers(all.ok_or_else(broken)?);
    }
    Ok(batch)
}

/// Tells the batch how much to allocate; `map_while` alone cannot promise it.
struct WithCount<I> {
    inner: I,
    records: usize,
}

impl<I: Iterator> Iterator for WithCount<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.inner.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.records, Some(self.records))
    }
}

fn take_headers(bytes: &mut &[u8]) -> Option<Vec<Header>> {
    let count = take_varint(bytes)?;
    (0..count)
        .map(|_| {
            let length = take_varint(bytes)? as usize;
            let name = std::str::from_utf8(take(bytes, length)?).ok()?;
            let value = match take_varint(bytes)? as usize {
                0 => None,
                length => Some(take(bytes, length - 1)?.to_vec()),
            };
            Some((Arc::from(name), value))
        })
        .collect()
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Some(number);
        }
    }
    None
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn array(bytes: &[u8]) -> [u8; 8] {
    let mut array = [0; 8];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

    fn record() -> impl Strategy<Value = Plain> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
        let headers = proptest::collection::vec(("[a-zé]{0,5}", bytes()), 0..3);
        (any::<i64>(), bytes(), bytes(), prop_oneof![3 => Just(Vec::new()), 1 => headers])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn gives_back_what_was_put_in_and_notices_any_changed_byte(records in proptest::collection::vec(record(), 0..40), at in any::<usize>(), flip in 1u8..) {
            let mut batch = RecordBatch::default();
            for (row, (timestamp, key, value, headers)) in records.iter().enumerate() {
                let headers: Vec<Header> = headers.iter().map(|(name, value)| (Arc::from(name.as_str()), value.clone())).collect();
                batch.push(RecordRef { offset: 70 + row as i64, timestamp: *timestamp, partition: 3, key: key.as_deref(), value: value.as_deref(), headers: &headers });
            }
            let mut builder = BlockBuilder::default();
            batch.iter().for_each(|record| builder.push(record));
            let block = builder.finish();
            prop_assert_eq!(record_count(&block.bytes), Some(records.len() as u32));
            let read = decode(&block.bytes, 70, 3).expect("decode");
            prop_assert!(read.iter().eq(batch.iter()));
            let mut damaged = block.bytes.clone();
            let at = at % damaged.len();
            damaged[at] ^= flip;
            prop_assert!(decode(&damaged, 70, 3).is_err());
            prop_assert!(decode(&block.bytes[..at], 70, 3).is_err());
        }
    }

    #[test]
    fn json_is_compressed() {
        let mut builder = BlockBuilder::default();
        for number in 0..1_000 {
            let value =
                format!("{{\"ORDERID\":{number},\"REGION\":\"Region_3\",\"ADDRESS\":{{\"CITY\":\"City_{}\"}}}}", number % 7);
            builder.push(RecordRef {
                offset: 0,
                timestamp: number,
                partition: 0,
                key: None,
                value: Some(value.as_bytes()),
                headers: &[],
            });
        }
        let raw = builder.byte_len();
        assert!(builder.finish().bytes.len() < raw / 2);
        assert_eq!(builder.records(), 0);
    }
}
