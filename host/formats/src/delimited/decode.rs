//! Lines to cells.

use std::borrow::Cow;

use calzone_types::SqlType;

use super::split::fields;
use crate::cell::Cell;
use crate::decode::RowReader;
use crate::json::{date_from_days, time_from_ms};
use crate::number::{excerpt, parse_decimal, parse_double};
use crate::text::parse_base64;
use crate::{FormatColumn, FormatSpec};

/// Reads the lines of one part of a source's records.
#[derive(Debug)]
pub(crate) struct Reader {
    delimiter: u8,
    columns: Vec<FormatColumn>,
    /// For each column, its position among the wanted ones.
    slots: Vec<Option<usize>>,
}

impl Reader {
    pub(crate) fn new(spec: &FormatSpec, columns: &[FormatColumn], wanted: &[bool]) -> Reader {
        let mut next = 0;
        let slots = wanted
            .iter()
            .map(|wanted| {
                let slot = wanted.then_some(next);
                next += usize::from(*wanted);
                slot
            })
            .collect();
        Reader { delimiter: spec.delimiter, columns: columns.to_vec(), slots }
    }
}

impl RowReader for Reader {
    fn read<'a>(&mut self, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<bool, String> {
        // As in Java, bytes that are no UTF-8 become replacement characters; such a text does not outlive this row.
        match String::from_utf8_lossy(bytes) {
            Cow::Borrowed(text) => self.read_line(text, cells, |field| field)?,
            Cow::Owned(text) => self.read_line(&text, cells, |field| Cow::Owned(field.into_owned()))?,
        }
        Ok(true)
    }
}

impl Reader {
    fn read_line<'t, 'a>(
        &self,
        text: &'t str,
        cells: &mut [Cell<'a>],
        keep: impl Fn(Cow<'t, str>) -> Cow<'a, str>,
    ) -> Result<(), String> {
        let mut failure = None;
        let count = fields(text, self.delimiter, |at, field| {
            if let (Some(column), Some(Some(slot))) = (self.columns.get(at), self.slots.get(at)) {
                match parse(keep(field), &column.ty) {
                    Ok(cell) => cells[*slot] = cell,
                    Err(error) => failure = failure.take().or_else(|| Some(format!("Column `{}`: {error}.", column.name))),
                }
            }
        })?;
        // An empty line is how a single null is written.
        let expected = self.columns.len();
        if count != expected && (count, expected) != (0, 1) {
            return Err(format!("Expected {expected} fields, one for each column, found {count}."));
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The text of a field as a cell; an empty one is null.
fn parse<'a>(field: Cow<'a, str>, ty: &SqlType) -> Result<Cell<'a>, String> {
    if field.is_empty() {
        return Ok(Cell::Null);
    }
    let mismatch = || format!("`{}` cannot be read as {ty}", excerpt(&field));
    let long = || field.parse::<i64>().map_err(|_| mismatch());
    Ok(match ty {
        SqlType::Varchar => Cell::Text(field),
        SqlType::Integer => Cell::Int(field.parse().map_err(|_| mismatch())?),
        SqlType::Bigint | SqlType::Timestamp => Cell::Long(long()?),
        SqlType::Double => Cell::Double(parse_double(&field).ok_or_else(mismatch)?),
        // Any other text is false, as for Java's `parseBoolean`.
        SqlType::Boolean => Cell::Boolean(field.eq_ignore_ascii_case("true")),
        SqlType::Decimal { precision, scale } => {
            Cell::Decimal(parse_decimal(&field, *precision, *scale).map_err(|error| format!("{error}, so it is no {ty}"))?)
        }
        SqlType::Bytes => Cell::Bytes(Cow::Owned(parse_base64(&field).ok_or_else(mismatch)?)),
        SqlType::Date => Cell::Int(date_from_days(long()?)?),
        SqlType::Time => Cell::Int(time_from_ms(long()?)?),
        SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_) => return Err(mismatch()),
    })
}
