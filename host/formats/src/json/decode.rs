//! JSON records to cells.

use std::borrow::Cow;

use calzone_types::SqlType;

use super::convert::{self, Temporals};
use super::fields::FieldLookup;
use super::plain;
use super::scan::{Kind, Scanner, Span};
use crate::cell::Cell;
use crate::decode::RowReader;
use crate::number::{literal_to_f64, literal_to_i64};
use crate::{FormatColumn, FormatSpec, Part};

/// Reads the JSON of one part of a source's records.
#[derive(Debug)]
pub(crate) struct Reader {
    wanted: Vec<FormatColumn>,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    /// The text is the value of the only column.
    Bare,
    /// The text is an object.
    Object {
        lookup: FieldLookup,
        /// What the current record has for each wanted column.
        found: Vec<Found>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Found {
    span: Span,
    rank: Rank,
}

/// How well a field's name matches its column's; a later field of the same rank replaces the earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Missing,
    Folded,
    Exact,
}

const MISSING: Found = Found { span: Span { start: 0, end: 0, kind: Kind::Null }, rank: Rank::Missing };

impl Reader {
    pub(crate) fn new(spec: &FormatSpec, part: Part, columns: &[FormatColumn], wanted: &[bool]) -> Reader {
        let bare = is_bare(spec, part, columns);
        let wanted: Vec<_> =
            columns.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(column, _)| column.clone()).collect();
        let layout = if bare {
            Layout::Bare
        } else {
            Layout::Object {
                lookup: FieldLookup::new(wanted.iter().map(|column| &*column.name)),
                found: vec![MISSING; wanted.len()],
            }
        };
        Reader { wanted, layout }
    }
}

/// Is the part one value rather than an object? A key of one column always is.
pub(super) fn is_bare(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> bool {
    columns.len() == 1 && (part == Part::Key || !spec.wrap_single)
}

impl RowReader for Reader {
    fn read<'a>(&mut self, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<bool, String> {
        let text =
            plain::text(bytes).map_err(|error| format!("Not valid JSON: no UTF-8 text at byte {}.", error.valid_up_to()))?;
        let mut scanner = Scanner::new(text)?;
        match &mut self.layout {
            Layout::Object { lookup, found } if scanner.peek() == b'{' => {
                find_fields(&mut scanner, lookup, found)?;
                for ((cell, column), found) in cells.iter_mut().zip(&self.wanted).zip(found) {
                    read_cell(text, &found.span, &column.ty, cell)
                        .map_err(|error| format!("Field `{}`: {error}.", column.name))?;
                }
                Ok(true)
            }
            Layout::Object { .. } => {
                let span = scanner.value()?;
                scanner.end()?;
                match span.kind {
                    Kind::Null => Ok(false),
                    other => Err(format!("Expected a JSON object with a field for each column, found {}.", other.name())),
                }
            }
            Layout::Bare => {
                let span = scanner.value()?;
                scanner.end()?;
                for (cell, column) in cells.iter_mut().zip(&self.wanted) {
                    read_cell(text, &span, &column.ty, cell).map_err(|error| format!("Column `{}`: {error}.", column.name))?;
                }
                Ok(span.kind != Kind::Null)
            }
        }
    }
}

fn find_fields(scanner: &mut Scanner<'_>, lookup: &mut FieldLookup, found: &mut [Found]) -> Result<(), String> {
    found.fill(MISSING);
    scanner.open();
    let (mut first, mut position) = (true, 0);
    while let Some(target) = lookup.next(position, scanner, &mut first)? {
        let span = scanner.value()?;
        if let Some(at) = target.exact {
            found[at as usize] = Found { span, rank: Rank::Exact };
        }
        if let Some(at) = target.folded
            && found[at as usize].rank <= Rank::Folded
        {
            found[at as usize] = Found { span, rank: Rank::Folded };
        }
        position += 1;
    }
    Ok(scanner.end()?)
}

/// Fills the cell in place. What records mostly hold is dealt with here, coercions and nested values over there.
#[inline]
fn read_cell<'a>(text: &'a str, span: &Span, ty: &SqlType, cell: &mut Cell<'a>) -> Result<(), String> {
    match (ty, span.kind) {
        (SqlType::Varchar, Kind::Text) => *cell = Cell::Text(Cow::Borrowed(span.raw(text))),
        (SqlType::Bigint | SqlType::Timestamp, Kind::Integral) => *cell = Cell::Long(literal_to_i64(span.raw(text))),
        (SqlType::Integer, Kind::Integral) => *cell = Cell::Int(literal_to_i64(span.raw(text)) as i32),
        (SqlType::Double, Kind::Integral | Kind::Fractional) => *cell = Cell::Double(literal_to_f64(span.raw(text))),
        (_, Kind::Null) => {}
        _ => *cell = convert::cell(text, span, ty, Temporals::Numbers)?,
    }
    Ok(())
}
