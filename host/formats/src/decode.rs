//! Bytes to columns, whatever the format.

use arrow_array::ArrayRef;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use calzone_types::{ColumnBuilder, RecordBatch, SqlType};

use crate::cell::Cell;
use crate::{Format, FormatColumn, FormatError, FormatSpec, Part, delimited, json, kafka, validate};

/// Decodes one part of the records of one source. Made once, used for all batches: it remembers the shape of the
/// records it has seen.
#[derive(Debug)]
pub struct Decoder {
    part: Part,
    /// Types of the wanted columns.
    types: Vec<SqlType>,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Json(json::Reader),
    Delimited(delimited::Reader),
    Kafka(kafka::Reader),
    /// There are no columns to read; what the bytes hold is of no interest.
    Ignore,
}

/// Reads one record's part into cells.
pub(crate) trait RowReader {
    /// Fills the cells of the wanted columns, which are all null before. `Ok(false)`: the bytes say that there is nothing,
    /// as if they were null. An error is a sentence without the name of the source.
    fn read<'a>(&mut self, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<bool, String>;
}

/// The columns of a batch of records.
#[derive(Debug)]
pub struct Decoded {
    /// The wanted columns in order, each with every row; null where the bytes were null or faulty.
    pub columns: Vec<ArrayRef>,
    /// Clear where the bytes are null. `None`: all are there.
    pub present: Option<BooleanBuffer>,
    /// The records that could not be decoded, by ascending row. The caller skips them.
    pub errors: Vec<DecodeError>,
}

/// A record whose bytes do not hold what the columns say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// Position in the batch; its columns are null.
    pub row: u32,
    pub message: String,
}

impl Decoder {
    /// A decoder of `columns`, all columns of the part in schema order. Only those with `wanted` set are decoded and
    /// returned; the others may hold anything. The error says what about the format and columns does not go together.
    pub fn new(spec: &FormatSpec, part: Part, columns: &[FormatColumn], wanted: &[bool]) -> Result<Decoder, FormatError> {
        validate(spec, part, columns)?;
        debug_assert_eq!(columns.len(), wanted.len(), "one flag a column");
        let types = columns.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(column, _)| column.ty.clone()).collect();
        let reader = match spec.format {
            _ if columns.is_empty() => Reader::Ignore,
            Format::Json => Reader::Json(json::Reader::new(spec, part, columns, wanted)),
            Format::Delimited => Reader::Delimited(delimited::Reader::new(spec, columns, wanted)),
            Format::Kafka => Reader::Kafka(kafka::Reader::new(columns, wanted)),
            // Validation has refused columns for the first and everything for the rest.
            Format::None | Format::Avro | Format::Protobuf | Format::ProtobufNosr | Format::JsonSr => Reader::Ignore,
        };
        Ok(Decoder { part, types, reader })
    }

    /// Decodes the part of every record.
    pub fn decode(&mut self, records: &RecordBatch) -> Decoded {
        match self.part {
            Part::Key => self.decode_slices(records.iter().map(|record| record.key)),
            Part::Value => self.decode_slices(records.iter().map(|record| record.value)),
        }
    }

    /// The same from slices, `None` for null bytes.
    pub fn decode_slices<'a>(&mut self, rows: impl Iterator<Item = Option<&'a [u8]>>) -> Decoded {
        match &mut self.reader {
            Reader::Json(reader) => collect(reader, &self.types, rows),
            Reader::Delimited(reader) => collect(reader, &self.types, rows),
            Reader::Kafka(reader) => collect(reader, &self.types, rows),
            Reader::Ignore => collect(&mut Ignore, &self.types, rows),
        }
    }
}

struct Ignore;

impl RowReader for Ignore {
    fn read<'a>(&mut self, _: &'a [u8], _: &mut [Cell<'a>]) -> Result<bool, String> {
        Ok(true)
    }
}

fn collect<'a>(reader: &mut impl RowReader, types: &[SqlType], rows: impl Iterator<Item = Option<&'a [u8]>>) -> Decoded {
    let expected = rows.size_hint().0;
    let mut builders: Vec<_> = types.iter().map(|ty| ColumnBuilder::new(ty, expected)).collect();
    let mut cells: Vec<Cell<'a>> = types.iter().map(|_| Cell::Null).collect();
    let (mut absent, mut errors, mut count) = (Vec::new(), Vec::new(), 0);
    for bytes in rows {
        let outcome = bytes.map_or(Ok(false), |bytes| reader.read(bytes, &mut cells));
        match outcome {
            Ok(true) => {}
            Ok(false) => absent.push(count),
            Err(message) => {
                cells.fill_with(|| Cell::Null);
                errors.push(DecodeError { row: count as u32, message });
            }
        }
        for (cell, builder) in cells.iter_mut().zip(&mut builders) {
            cell.append(builder);
        }
        count += 1;
    }
    Decoded {
        columns: builders.into_iter().map(ColumnBuilder::finish).collect(),
        present: (!absent.is_empty()).then(|| all_but(count, &absent)),
        errors,
    }
}

fn all_but(rows: usize, absent: &[usize]) -> BooleanBuffer {
    let mut present = BooleanBufferBuilder::new(rows);
    present.append_n(rows, true);
    absent.iter().for_each(|&row| present.set_bit(row, false));
    present.finish()
}
