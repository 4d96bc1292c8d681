//! Kafka's primitive forms to cells.

use std::borrow::Cow;

use calzone_types::SqlType;

use crate::FormatColumn;
use crate::cell::Cell;
use crate::decode::RowReader;

/// Reads the only column of a part.
#[derive(Debug)]
pub(crate) struct Reader {
    /// None if the column is not wanted.
    wanted: Option<FormatColumn>,
}

impl Reader {
    pub(crate) fn new(columns: &[FormatColumn], wanted: &[bool]) -> Reader {
        Reader { wanted: columns.first().filter(|_| wanted.first() == Some(&true)).cloned() }
    }
}

impl RowReader for Reader {
    fn read<'a>(&mut self, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<bool, String> {
        if let (Some(column), [cell]) = (&self.wanted, cells) {
            *cell = match column.ty {
                SqlType::Integer => Cell::Int(i32::from_be_bytes(fixed(bytes, column)?)),
                SqlType::Bigint => Cell::Long(i64::from_be_bytes(fixed(bytes, column)?)),
                SqlType::Double => Cell::Double(f64::from_be_bytes(fixed(bytes, column)?)),
                SqlType::Varchar => Cell::Text(text(bytes)),
                SqlType::Bytes => Cell::Bytes(Cow::Borrowed(bytes)),
                _ => return Err(format!("The KAFKA format knows no {}.", column.ty)),
            };
        }
        Ok(true)
    }
}

/// As in Java, bytes that are no UTF-8 become replacement characters. The check for those that are is the faster one.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

fn fixed<const N: usize>(bytes: &[u8], column: &FormatColumn) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("Column `{}`: {} takes {N} bytes, found {}.", column.name, column.ty, bytes.len()))
}
