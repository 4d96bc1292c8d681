//! ASSERT: what a script expects of records and of sources.

use std::sync::Arc;

use calzone_formats::{Decoder, FormatColumn, Part};
use calzone_plan::Source;
use calzone_sql::Span;
use calzone_sql::ast::{self, SourceKind};
use calzone_types::{Namespace, Value, value_at};

use super::{ConstantRow, Driver, DriverError, Record, Session};
use crate::encode::split_window;

impl Driver {
    /// The source that a declaration in ASSERT STREAM or ASSERT TABLE describes.
    pub fn described_source(
        &self,
        kind: SourceKind,
        name: &ast::Name,
        elements: &[ast::TableElement],
        properties: &[ast::Property],
        session: &Session,
        text: &str,
    ) -> Result<Source, DriverError> {
        let declaration = ast::CreateSource {
            kind,
            or_replace: false,
            is_source: false,
            if_not_exists: false,
            // The name is taken by the source itself; any other will do.
            name: ast::Name { node: format!("{} AS ASSERTED", name.node), span: Span::new(0, 0) },
            elements: elements.to_vec(),
            properties: properties.to_vec(),
        };
        let settings = self.settings(session);
        let plan = calzone_plan::create_source(&self.context(&settings), &declaration, text);
        plan.map(|plan| plan.source).map_err(|error| DriverError::planning(&error, text))
    }
}

/// All cells of a record in the source's schema order; none if its value is null.
pub fn record_values(record: &Record, source: &Arc<Source>) -> Result<(Vec<Value>, bool), String> {
    let mut values = vec![Value::Null; source.schema.columns.len()];
    let key = match (source.window, record.key.as_deref()) {
        (Some(window), Some(bytes)) => Some(split_window(bytes, window).ok_or("the key is too short to hold a window")?.0),
        (_, key) => key,
    };
    for (part, namespace, format, bytes) in [
        (Part::Key, Namespace::Key, &source.key_format, key),
        (Part::Value, Namespace::Value, &source.value_format, record.value.as_deref()),
    ] {
        let columns: Vec<(usize, FormatColumn)> = source
            .schema
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.namespace == namespace)
            .map(|(position, column)| (position, FormatColumn { name: column.name.clone(), ty: column.ty.clone() }))
            .collect();
        let (positions, columns): (Vec<usize>, Vec<FormatColumn>) = columns.into_iter().unzip();
        let mut decoder = Decoder::new(format, part, &columns, &vec![true; columns.len()]).map_err(|error| error.message)?;
        let decoded = decoder.decode_slices(std::iter::once(bytes));
        if let Some(error) = decoded.errors.first() {
            return Err(error.message.clone());
        }
        for (position, column) in positions.into_iter().zip(&decoded.columns) {
            values[position] = value_at(column.as_ref(), 0);
        }
    }
    Ok((values, record.value.is_some()))
}

/// Does a record hold what a row says about the columns that it names?
pub fn matches(expected: &ConstantRow, record: &Record) -> Result<(), String> {
    let (values, present) = record_values(record, &expected.source)?;
    for position in &expected.given {
        let column = &expected.source.schema.columns[*position];
        let (wanted, found) = (&expected.values[*position], &values[*position]);
        if wanted != found {
            let there = if present { "" } else { " (the record is a tombstone)" };
            return Err(format!("column {}: expected {wanted:?}, found {found:?}{there}", column.name));
        }
    }
    match expected.rowtime {
        Some(time) if time != record.timestamp => Err(format!("ROWTIME: expected {time}, found {}", record.timestamp)),
        _ => Ok(()),
    }
}
