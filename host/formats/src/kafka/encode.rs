//! Columns to Kafka's primitive forms.

use arrow_array::ArrayRef;

use crate::FormatColumn;
use crate::column::{Column, MISMATCH};

/// Writes the only column of a part.
#[derive(Debug)]
pub(crate) struct Writer {
    columns: Vec<FormatColumn>,
}

/// A [`Writer`] with the column of one batch.
#[derive(Debug)]
pub(crate) struct BoundWriter<'a> {
    column: Column<'a>,
}

impl Writer {
    pub(crate) fn new(columns: &[FormatColumn]) -> Writer {
        Writer { columns: columns.to_vec() }
    }

    pub(crate) fn bind<'a>(&'a self, columns: &'a [ArrayRef]) -> BoundWriter<'a> {
        BoundWriter { column: Column::bind(&self.columns, columns).first().copied().unwrap_or(Column::Mismatch) }
    }
}

impl BoundWriter<'_> {
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, String> {
        if self.column.is_null(row) {
            return Ok(false);
        }
        match &self.column {
            Column::Integer(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Column::Bigint(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Column::Double(array) => out.extend_from_slice(&array.value(row).to_be_bytes()),
            Column::Varchar(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Column::Bytes(array) => out.extend_from_slice(array.value(row)),
            _ => return Err(MISMATCH.to_owned()),
        }
        Ok(true)
    }
}
