//! What the formats read and write, as tables of cases; and what holds for all data.

mod cases;
mod hostile;
mod roundtrip;

use arrow_array::ArrayRef;
use calzone_formats::{Decoded, Decoder, Encoder, Format, FormatColumn, FormatSpec, Part};
use calzone_types::{SqlType, Value, column_from_values, value_at};

fn spec(format: Format) -> FormatSpec {
    FormatSpec::new(format)
}

fn unwrapped(format: Format) -> FormatSpec {
    FormatSpec { wrap_single: false, ..FormatSpec::new(format) }
}

/// Columns `A`, `B`, … of the given types.
fn columns(types: &[SqlType]) -> Vec<FormatColumn> {
    types.iter().zip('A'..).map(|(ty, name)| FormatColumn::new(name.to_string(), ty.clone())).collect()
}

fn decode(spec: &FormatSpec, part: Part, columns: &[FormatColumn], records: &[Option<&[u8]>]) -> Decoded {
    let mut decoder = Decoder::new(spec, part, columns, &vec![true; columns.len()]).expect("the format suits the columns");
    decoder.decode_slices(records.iter().copied())
}

fn row(decoded: &Decoded, row: usize) -> Vec<Value> {
    decoded.columns.iter().map(|column| value_at(column, row)).collect()
}

/// Null bytes as None.
fn encode(spec: &FormatSpec, part: Part, columns: &[FormatColumn], rows: &[Vec<Value>]) -> Vec<Option<Vec<u8>>> {
    let column = |at: usize| column_from_values(&columns[at].ty, rows.iter().map(|row| &row[at]).collect::<Vec<_>>());
    let arrays: Vec<ArrayRef> = (0..columns.len()).map(column).collect();
    let encoder = Encoder::new(spec, part, columns).expect("the format suits the columns");
    let bound = encoder.bind(&arrays);
    let write = |row| {
        let mut out = Vec::new();
        bound.write(row, &mut out).expect("the arrays have the declared types").then_some(out)
    };
    (0..rows.len()).map(write).collect()
}
