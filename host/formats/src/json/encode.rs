//! Columns to JSON records.

use arrow_array::ArrayRef;

use super::decode::is_bare;
use super::write::{self, Form, write_string};
use crate::column::Column;
use crate::{FormatColumn, FormatSpec, Part};

/// Writes the JSON of one part of a sink's records.
#[derive(Debug)]
pub(crate) struct Writer {
    columns: Vec<FormatColumn>,
    layout: Layout,
    part: Part,
}

#[derive(Debug)]
enum Layout {
    Bare,
    /// What comes before each column's value: `{"A":`, `,"B":`.
    Object {
        prefixes: Vec<Vec<u8>>,
    },
}

/// A [`Writer`] with the columns of one batch.
#[derive(Debug)]
pub(crate) struct BoundWriter<'a> {
    writer: &'a Writer,
    columns: Vec<Column<'a>>,
}

impl Writer {
    pub(crate) fn new(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> Writer {
        let prefix = |(at, column): (usize, &FormatColumn)| {
            let mut prefix = vec![if at == 0 { b'{' } else { b',' }];
            write_string(&column.name, &mut prefix);
            prefix.push(b':');
            prefix
        };
        let layout = if is_bare(spec, part, columns) {
            Layout::Bare
        } else {
            Layout::Object { prefixes: columns.iter().enumerate().map(prefix).collect() }
        };
        Writer { columns: columns.to_vec(), layout, part }
    }

    pub(crate) fn bind<'a>(&'a self, columns: &'a [ArrayRef]) -> BoundWriter<'a> {
        BoundWriter { writer: self, columns: Column::bind(&self.columns, columns) }
    }
}

impl BoundWriter<'_> {
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, String> {
        let all_null = || self.columns.iter().all(|column| column.is_null(row));
        match &self.writer.layout {
            Layout::Bare if all_null() => return Ok(false),
            Layout::Object { .. } if self.writer.part == Part::Key && all_null() => return Ok(false),
            Layout::Bare => self.columns.iter().try_for_each(|column| write::cell(Form::Storage, column, row, out))?,
            Layout::Object { prefixes } if prefixes.is_empty() => out.extend_from_slice(b"{}"),
            Layout::Object { prefixes } => {
                for (prefix, column) in prefixes.iter().zip(&self.columns) {
                    out.extend_from_slice(prefix);
                    write::cell(Form::Storage, column, row, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(true)
    }
}
