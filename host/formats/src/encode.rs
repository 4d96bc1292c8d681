//! Columns to bytes, whatever the format.

use arrow_array::ArrayRef;

use crate::{Format, FormatColumn, FormatError, FormatSpec, Part, delimited, json, kafka, validate};

/// Encodes one part of the records of one sink.
#[derive(Debug)]
pub struct Encoder {
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Json(json::Writer),
    Delimited(delimited::Writer),
    Kafka(kafka::Writer),
    /// There are no columns: the bytes are null.
    Nothing,
}

/// An encoder with the columns of one batch.
#[derive(Debug)]
pub struct BoundEncoder<'a> {
    bound: Bound<'a>,
}

#[derive(Debug)]
enum Bound<'a> {
    Json(json::BoundWriter<'a>),
    Delimited(delimited::BoundWriter<'a>),
    Kafka(kafka::BoundWriter<'a>),
    Nothing,
}

impl Encoder {
    /// An encoder of `columns`, in order. The error says what about the format and columns does not go together.
    pub fn new(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> Result<Encoder, FormatError> {
        validate(spec, part, columns)?;
        let writer = match spec.format {
            // A key without columns is null; a value without columns is an empty row, which is not a tombstone.
            _ if columns.is_empty() && part == Part::Key => Writer::Nothing,
            Format::Json => Writer::Json(json::Writer::new(spec, part, columns)),
            Format::Delimited => Writer::Delimited(delimited::Writer::new(spec, part, columns)),
            Format::Kafka if !columns.is_empty() => Writer::Kafka(kafka::Writer::new(columns)),
            // Validation has refused columns for NONE and everything for the rest.
            _ => Writer::Nothing,
        };
        Ok(Encoder { writer })
    }

    /// Resolves the types of the columns, once a batch. They must be those given to [`Encoder::new`].
    pub fn bind<'a>(&'a self, columns: &'a [ArrayRef]) -> BoundEncoder<'a> {
        let bound = match &self.writer {
            Writer::Json(writer) => Bound::Json(writer.bind(columns)),
            Writer::Delimited(writer) => Bound::Delimited(writer.bind(columns)),
            Writer::Kafka(writer) => Bound::Kafka(writer.bind(columns)),
            Writer::Nothing => Bound::Nothing,
        };
        BoundEncoder { bound }
    }
}

impl BoundEncoder<'_> {
    /// Appends the bytes of a row. `Ok(false)`: the bytes are null, and nothing was appended; so it is for a bare null
    /// value and for a key all of whose columns are null. An error is a sentence for the processing log; what was
    /// appended before it is of no use.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, String> {
        match &self.bound {
            Bound::Json(bound) => bound.write(row, out),
            Bound::Delimited(bound) => bound.write(row, out),
            Bound::Kafka(bound) => bound.write(row, out),
            Bound::Nothing => Ok(false),
        }
    }
}
