//! INSERT VALUES: a row as a record.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_formats::{Encoder, FormatColumn, Part};
use calzone_plan::{InsertRow, Source};
use calzone_sql::ast;
use calzone_types::{Namespace, Value, column_from_values};

use super::{Driver, DriverError, Record, Session};

/// A record that a statement gave.
#[derive(Clone, Debug)]
pub struct Inserted {
    pub source: Arc<Source>,
    pub record: Record,
}

/// A row with its constants computed: values in the source's schema order.
pub struct ConstantRow {
    pub source: Arc<Source>,
    pub values: Vec<Value>,
    /// Positions of the columns that were named.
    pub given: Vec<usize>,
    /// Milliseconds since the epoch.
    pub rowtime: Option<i64>,
}

impl Driver {
    pub(super) fn insert_values(
        &self,
        insert: &ast::InsertValues,
        session: &Session,
        text: &str,
    ) -> Result<Inserted, DriverError> {
        let properties = self.settings(session);
        let row = calzone_plan::insert_values(&self.context(&properties), insert)
            .map_err(|error| DriverError::planning(&error, text))?;
        let row = self.constants(&row)?;
        let (key, value) = encode_row(&row.source, &row.values).map_err(DriverError::statement)?;
        let record = Record { key, value, timestamp: row.rowtime.unwrap_or(self.clock_ms), headers: Vec::new() };
        Ok(Inserted { source: row.source, record })
    }

    /// The row that ASSERT VALUES or ASSERT NULL VALUES expects of a source.
    pub fn expected_row(&self, expected: &ast::InsertValues, session: &Session, text: &str) -> Result<ConstantRow, DriverError> {
        let properties = self.settings(session);
        let source =
            self.catalog.sources.get(&expected.name.node).cloned().ok_or_else(|| {
                DriverError::statement(format!("There is no stream or table {} to look into.", expected.name.node))
            })?;
        let row = calzone_plan::values_row(&self.context(&properties), &source, expected);
        self.constants(&row.map_err(|error| DriverError::planning(&error, text))?)
    }

    fn constants(&self, row: &InsertRow) -> Result<ConstantRow, DriverError> {
        let mut environment = (self.plugins.environment)();
        let mut evaluate =
            |expression| calzone_exec::evaluate_constant(expression, &mut *environment).map_err(DriverError::statement);
        let mut values = vec![Value::Null; row.source.schema.columns.len()];
        for (position, expression) in &row.columns {
            values[*position] = evaluate(expression)?;
        }
        let rowtime = match &row.rowtime {
            Some(expression) => evaluate(expression)?.as_i64(),
            None => None,
        };
        let given = row.columns.iter().map(|(position, _)| *position).collect();
        Ok(ConstantRow { source: row.source.clone(), values, given, rowtime })
    }
}

/// Bytes of a key or value; none is null.
type Bytes = Option<Vec<u8>>;

/// Bytes of the key and of the value of a row.
fn encode_row(source: &Source, values: &[Value]) -> Result<(Bytes, Bytes), String> {
    let part = |part: Part, wanted: Namespace| -> Result<Bytes, String> {
        let cells = source.schema.columns.iter().zip(values).filter(|(column, _)| column.namespace == wanted);
        let (columns, arrays): (Vec<FormatColumn>, Vec<ArrayRef>) = cells
            .map(|(column, value)| {
                (FormatColumn { name: column.name.clone(), ty: column.ty.clone() }, column_from_values(&column.ty, [value]))
            })
            .unzip();
        let format = if part == Part::Key { &source.key_format } else { &source.value_format };
        let encoder = Encoder::new(format, part, &columns).map_err(|error| error.message)?;
        let mut bytes = Vec::new();
        let present = encoder.bind(&arrays).write(0, &mut bytes)?;
        Ok(present.then_some(bytes))
    };
    Ok((part(Part::Key, Namespace::Key)?, part(Part::Value, Namespace::Value)?))
}
