//! TIMESTAMP columns: times out of a column of a source or a sink.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use calzone_functions::{Argument, ArgumentType, Implementation, Registry, RowError, Scalar};
use calzone_types::column::constant_column;
use calzone_types::{SqlType, Value};

use crate::error::ExecError;

/// Setting that makes an unreadable time stop the query.
const THROW_ON_INVALID: &str = "ksql.timestamp.throw.on.invalid";

/// Does an unreadable time stop the query, rather than skip the record?
pub(crate) fn throws_on_invalid(properties: &std::collections::BTreeMap<String, String>) -> bool {
    properties.get(THROW_ON_INVALID).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Reads times from a column.
pub(crate) struct TimestampReader {
    column: Arc<str>,
    /// Parses text of a pattern.
    parser: Option<(Box<dyn Scalar>, Value)>,
}

impl TimestampReader {
    pub fn new(column: &Arc<str>, format: Option<&str>) -> Result<TimestampReader, ExecError> {
        let parser = match format {
            None => None,
            Some(pattern) => {
                let literal = Value::from(pattern);
                let types = [ArgumentType::Sql(SqlType::Varchar), ArgumentType::Sql(SqlType::Varchar)];
                let literals = [None, Some(literal.clone())];
                let fail = |reason: String| ExecError::Plan(format!("TIMESTAMP_FORMAT '{pattern}' cannot be used: {reason}"));
                let found = Registry::built_in()
                    .resolve_scalar("STRINGTOTIMESTAMP", &types, &[None, None], &literals, &Default::default())
                    .map_err(|error| fail(error.0))?;
                match &found.implementation {
                    Implementation::BuiltIn(make) => Some((make(&found.binding).map_err(fail)?, literal)),
                    Implementation::Plugin { .. } => None,
                }
            }
        };
        Ok(TimestampReader { column: column.clone(), parser })
    }

    /// The time of each row in milliseconds, and the rows that have none or one before 1970.
    pub fn read(&mut self, column: &ArrayRef) -> (Vec<i64>, Vec<RowError>) {
        let mut errors = Vec::new();
        let parsed = match (&mut self.parser, column.data_type()) {
            (Some((parser, pattern)), DataType::Utf8) => {
                let pattern = constant_column(&SqlType::Varchar, pattern, column.len());
                let answer = parser.call(&mut [Argument::Column(column.clone()), Argument::Column(pattern)], column.len());
                errors = answer.errors;
                answer.column
            }
            _ => column.clone(),
        };
        let value = |row: usize| match parsed.data_type() {
            _ if parsed.is_null(row) => None,
            DataType::Int64 => Some(parsed.as_primitive::<Int64Type>().value(row)),
            DataType::Timestamp(..) => Some(parsed.as_primitive::<TimestampMillisecondType>().value(row)),
            _ => None,
        };
        let mut failed = vec![false; column.len()];
        errors.iter().for_each(|error| failed[error.row as usize] = true);
        let times = (0..column.len())
            .map(|row| match value(row) {
                Some(time) if time >= 0 => time,
                other => {
                    if !failed[row] {
                        let name = &self.column;
                        let message = match other {
                            Some(time) => format!("Column {name} holds {time}, which is before 1970."),
                            None => format!("Column {name} holds no timestamp."),
                        };
                        errors.push(RowError { row: row as u32, message });
                    }
                    0
                }
            })
            .collect();
        errors.sort_by_key(|error| error.row);
        (times, errors)
    }
}
