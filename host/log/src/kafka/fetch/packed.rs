//! Unpacks the records of compressed batches.

use super::records::{Codec, Unreadable};
use std::io::Read;

/// No batch is larger than this once it is unpacked; brokers take at most 1 MiB by default, packed.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// Snappy as Java's clients write it: this header, then blocks, each behind its length.
const XERIAL: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_LEN: usize = 16;

/// The records of a batch, unpacked into `out`.
pub(super) fn unpack(codec: Codec, packed: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
    const BROKEN: Unreadable = Unreadable::Broken("compressed records that cannot be unpacked");
    out.clear();
    let read = |reader: &mut dyn Read, out: &mut Vec<u8>| {
        let read = reader.take(UNPACKED_BYTES_MAX + 1).read_to_end(out).map_err(|_| BROKEN)?;
        if read as u64 > UNPACKED_BYTES_MAX { Err(BROKEN) } else { Ok(()) }
    };
    match codec {
        Codec::None => out.extend_from_slice(packed),
        Codec::Gzip => read(&mut flate2::read::MultiGzDecoder::new(packed), out)?,
        Codec::Lz4 => read(&mut lz4_flex::frame::FrameDecoder::new(packed), out)?,
        Codec::Zstd => read(&mut zstd::stream::read::Decoder::with_buffer(packed).map_err(|_| BROKEN)?, out)?,
        Codec::Snappy => unpack_snappy(packed, out).ok_or(BROKEN)?,
    }
    Ok(())
}

fn unpack_snappy(packed: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut decoder = snap::raw::Decoder::new();
    let mut block = |bytes: &[u8], out: &mut Vec<u8>| {
        let start = out.len();
        let end = start.checked_add(snap::raw::decompress_len(bytes).ok()?)?;
        if end as u64 > UNPACKED_BYTES_MAX {
            return None;
        }
        out.resize(end, 0);
        decoder.decompress(bytes, &mut out[start..]).ok().map(|_| ())
    };
    if !packed.starts_with(XERIAL) {
        return block(packed, out);
    }
    let mut rest = packed.get(XERIAL_HEADER_LEN..)?;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (bytes, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        block(bytes, out)?;
        rest = behind;
    }
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Codec::None => bytes.to_vec(),
            Codec::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Zstd => zstd::stream::encode_all(bytes, 1).unwrap(),
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        }
    }

    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes in prop::collection::vec(0u8..4, 0..5000), codec in prop::sample::select(CODECS.to_vec())) {
            let mut out = vec![7];
            unpack(codec, &pack(codec, &bytes), &mut out).unwrap();
            prop_assert_eq!(&out, &bytes);
            if codec == Codec::Snappy {
                let mut xerial = XERIAL.to_vec();
                xerial.extend([0; 8]);
                for part in bytes.chunks(1000) {
                    let packed = pack(codec, part);
                    xerial.extend((packed.len() as u32).to_be_bytes());
                    xerial.extend(packed);
                }
                unpack(codec, &xerial, &mut out).unwrap();
                prop_assert_eq!(&out, &bytes);
            }
        }

        #[test]
        fn broken_bytes_are_refused_and_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            codec in prop::sample::select(CODECS.to_vec()),
            with_header in any::<bool>(),
        ) {
            let mut input = if with_header { [XERIAL, &[0; 8]].concat() } else { Vec::new() };
            input.extend(bytes);
            let _ = unpack(codec, &input, &mut Vec::new());
        }
    }
}
