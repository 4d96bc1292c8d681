//! Columns to lines.

use arrow_array::ArrayRef;

use crate::column::{Column, MISMATCH};
use crate::{FormatColumn, FormatSpec, Part, text};

/// Writes the lines of one part of a sink's records.
#[derive(Debug)]
pub(crate) struct Writer {
    delimiter: u8,
    part: Part,
    columns: Vec<FormatColumn>,
}

/// A [`Writer`] with the columns of one batch.
#[derive(Debug)]
pub(crate) struct BoundWriter<'a> {
    writer: &'a Writer,
    columns: Vec<Column<'a>>,
}

impl Writer {
    pub(crate) fn new(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> Writer {
        Writer { delimiter: spec.delimiter, part, columns: columns.to_vec() }
    }

    pub(crate) fn bind<'a>(&'a self, columns: &'a [ArrayRef]) -> BoundWriter<'a> {
        BoundWriter { writer: self, columns: Column::bind(&self.columns, columns) }
    }
}

impl BoundWriter<'_> {
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, String> {
        if self.writer.part == Part::Key && self.columns.iter().all(|column| column.is_null(row)) {
            return Ok(false);
        }
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(self.writer.delimiter);
            }
            // Nothing stands for null; it is never quoted.
            if column.is_null(row) {
                continue;
            }
            let start = out.len();
            write_plain(column, row, out)?;
            if needs_quotes(&out[start..], at == 0, self.writer.delimiter) {
                quote(start, out);
            }
        }
        Ok(true)
    }
}

fn write_plain(column: &Column<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    match column {
        Column::Varchar(array) => out.extend_from_slice(array.value(row).as_bytes()),
        Column::Integer(array) => text::write_integer(array.value(row), out),
        Column::Bigint(array) => text::write_integer(array.value(row), out),
        Column::Double(array) => text::write_double(array.value(row), out),
        Column::Boolean(array) => text::write_boolean(array.value(row), out),
        Column::Decimal(array, scale) => text::write_decimal(array.value(row), *scale, out),
        Column::Bytes(array) => text::write_base64(array.value(row), out),
        Column::Date(array) => text::write_integer(array.value(row), out),
        Column::Time(array) => text::write_integer(array.value(row), out),
        Column::Timestamp(array) => text::write_integer(array.value(row), out),
        Column::Nested(..) | Column::Mismatch => return Err(MISMATCH.to_owned()),
    }
    Ok(())
}

/// The rule of the CSV writer that ksqlDB uses, which goes beyond RFC 4180: a line is quoted at its start unless it begins
/// with an ASCII letter or digit, and a field wherever its first or last character might mislead a simple reader.
fn needs_quotes(field: &[u8], first: bool, delimiter: u8) -> bool {
    let (Some(start), Some(end)) = (field.first(), field.last()) else { return first };
    (first && !start.is_ascii_alphanumeric())
        || *start <= b'#'
        || *end <= b' '
        || field.iter().any(|&b| b == delimiter || matches!(b, b'"' | b'\n' | b'\r'))
}

/// Puts the field that starts there into quotes, and doubles the quotes inside.
fn quote(start: usize, out: &mut Vec<u8>) {
    let field = out.split_off(start);
    out.push(b'"');
    for byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
