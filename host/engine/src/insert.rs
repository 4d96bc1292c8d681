//! INSERT VALUES, and rows that come over /inserts-stream: records written to a source's topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_formats::{Encoder, FormatColumn, Part};
use calzone_plan::{PlanContext, Source, SourceKind};
use calzone_sql::ast;
use calzone_types::{RecordBatch, SqlType, Value, column_from_values};

use crate::engine::Engine;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::query::now_ms;
use crate::{Session, StatementError};

impl Engine {
    pub(crate) fn insert_values(&self, insert: &ast::InsertValues, session: &Session) -> Result<(), StatementError> {
        let properties = self.options.effective(&session.properties);
        let (row, bindings) = {
            let state = self.state.read().expect("no panic while holding the lock");
            let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
            let topics = LogTopics { log: &*self.log };
            let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
            let row = check(&context, insert)?;
            let bindings = self.all_function_bindings(&state)?;
            (row, bindings)
        };
        let mut environment = self.transient_environment(Arc::new(bindings));
        let refused = |message: String| StatementError::bad_statement(message, crate::normalize::masked(insert));
        let mut evaluate = |expr: &calzone_plan::Expr| calzone_exec::evaluate_constant(expr, &mut environment).map_err(refused);
        let mut values = vec![Value::Null; row.source.schema.columns.len()];
        for (column, expr) in &row.columns {
            values[*column] = evaluate(expr)?;
        }
        let timestamp = match &row.rowtime {
            Some(expr) => evaluate(expr)?.as_i64().unwrap_or_else(now_ms),
            None => now_ms(),
        };
        let has_key = row.source.schema.key().next().is_some();
        let key_given = row.columns.iter().any(|(c, _)| row.source.schema.columns[*c].namespace == calzone_types::Namespace::Key);
        if row.source.kind == SourceKind::Table && has_key && !key_given {
            let names: Vec<&str> = row.source.schema.key().map(|c| &*c.name).collect();
            return Err(refused(format!("A row of table {} needs its key: {}.", row.source.name, names.join(", "))));
        }
        let mut records = RecordBatch::default();
        encode_row(&row.source, &values, timestamp, &mut records).map_err(refused)?;
        self.append_records(&row.source.topic, &records).map(|_| ())
    }

    /// Appends records from outside of any query; durable when it returns.
    pub fn append_records(&self, topic: &str, records: &RecordBatch) -> Result<Vec<(i32, i64)>, StatementError> {
        let appender = {
            let mut appenders = self.inserts.lock().expect("no panic while holding the lock");
            match appenders.get("shared") {
                Some(appender) => appender.clone(),
                None => {
                    let made = self.log.appender().map_err(|e| StatementError::internal(e.to_string()))?;
                    let shared: Arc<dyn calzone_log::Appender> = Arc::from(made);
                    appenders.insert("shared".into(), shared.clone());
                    shared
                }
            }
        };
        appender.append(topic, records).map_err(|e| StatementError::internal(format!("rows could not be written: {e}")))
    }

    /// Rows of one client into one source.
    pub fn row_inserter(&self, target: &str) -> Result<RowInserter, StatementError> {
        let catalog = self.catalog();
        let folded = target.trim_matches('`');
        let source = catalog.sources.get(folded).or_else(|| catalog.sources.get(&target.to_uppercase())).ok_or_else(|| {
            StatementError::bad_statement(format!("Cannot insert into an unknown stream/table: {target}"), target)
        })?;
        if source.is_source {
            return Err(StatementError::bad_statement(
                format!("{} is read-only (CREATE SOURCE): rows cannot be inserted into it.", source.name),
                target,
            ));
        }
        Ok(RowInserter { source: source.clone() })
    }
}

/// Plans an INSERT VALUES. Errors show the statement without its values; a target that no row can go to is a fault of the
/// request.
pub(crate) fn check(context: &PlanContext<'_>, insert: &ast::InsertValues) -> Result<calzone_plan::InsertRow, StatementError> {
    calzone_plan::insert_values(context, insert).map_err(|e| {
        let writable = context.catalog.sources.get(&insert.name.node).is_some_and(|s| !s.is_source);
        match writable {
            true => StatementError::bad_statement(e.message, crate::normalize::masked(insert)),
            false => StatementError::bad_request(e.message),
        }
    })
}

/// Turns JSON objects into records of a source.
pub struct RowInserter {
    source: Arc<Source>,
}

impl RowInserter {
    pub fn topic(&self) -> &str {
        &self.source.topic
    }

    /// Adds a row, given as a JSON object by column name in any case, to a batch of records. Unknown names are ignored, as in ksqlDB.
    pub fn add(&self, row: &serde_json::Map<String, serde_json::Value>, records: &mut RecordBatch) -> Result<(), String> {
        let folded: BTreeMap<String, &serde_json::Value> = row
            .iter()
            .map(|(name, value)| {
                (
                    name.strip_prefix('`').and_then(|n| n.strip_suffix('`')).map_or_else(|| name.to_uppercase(), str::to_owned),
                    value,
                )
            })
            .collect();
        let mut values = Vec::with_capacity(self.source.schema.columns.len());
        for column in self.source.schema.columns.iter() {
            let cell = folded.get(&*column.name).copied().or_else(|| row.get(&*column.name));
            let value = match cell {
                None | Some(serde_json::Value::Null) => Value::Null,
                Some(cell) => row_value(cell, &column.ty).map_err(|e| format!("Column {}: {e}", column.name))?,
            };
            if value.is_null() && column.namespace == calzone_types::Namespace::Key {
                return Err(format!("Key field must be specified: {}", column.name));
            }
            values.push(value);
        }
        encode_row(&self.source, &values, now_ms(), records)
    }
}

/// A value of a row as a value of that type. Other than in records, nothing but numbers becomes wider: a text is no number
/// and a number no text.
fn row_value(cell: &serde_json::Value, ty: &SqlType) -> Result<Value, String> {
    check_kind(cell, ty)?;
    match (ty, cell.as_str()) {
        // Digits after the point beyond those of the column are rounded, as in a CAST.
        (SqlType::Decimal { .. }, Some(text)) => calzone_types::cast::cast_value(&Value::from(text), &SqlType::Varchar, ty),
        _ => calzone_formats::json::value_from_json(cell, ty),
    }
}

fn check_kind(cell: &serde_json::Value, ty: &SqlType) -> Result<(), String> {
    use serde_json::Value as Json;
    let fits = match (ty, cell) {
        (_, Json::Null) => true,
        (SqlType::Boolean, _) => cell.is_boolean(),
        (SqlType::Integer, _) => cell.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        (SqlType::Bigint, _) => cell.is_i64(),
        (SqlType::Double, _) => cell.is_number(),
        (SqlType::Decimal { .. }, _) => cell.is_number() || cell.is_string(),
        (SqlType::Varchar | SqlType::Bytes | SqlType::Date | SqlType::Time | SqlType::Timestamp, _) => cell.is_string(),
        (SqlType::Array(element), Json::Array(items)) => return items.iter().try_for_each(|item| check_kind(item, element)),
        (SqlType::Map(_, value), Json::Object(entries)) => {
            return entries.values().try_for_each(|entry| check_kind(entry, value));
        }
        (SqlType::Struct(fields), Json::Object(entries)) => {
            return entries.iter().try_for_each(|(name, value)| {
                let field = fields.iter().find(|f| f.name.eq_ignore_ascii_case(name));
                field.map_or(Ok(()), |field| check_kind(value, &field.ty))
            });
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{} does not fit its type {ty}", excerpt(cell))) }
}

/// The first characters of a value, for messages.
fn excerpt(cell: &serde_json::Value) -> String {
    let text = cell.to_string();
    let shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

/// Encodes one row of a source, values in its schema's order, and adds it to the records.
pub fn encode_row(source: &Source, values: &[Value], timestamp: i64, records: &mut RecordBatch) -> Result<(), String> {
    let part = |key: bool| -> (Vec<FormatColumn>, Vec<arrow_array::ArrayRef>) {
        source
            .schema
            .columns
            .iter()
            .zip(values)
            .filter(|(c, _)| c.namespace == if key { calzone_types::Namespace::Key } else { calzone_types::Namespace::Value })
            .map(|(c, v)| (FormatColumn { name: c.name.clone(), ty: c.ty.clone() }, column_from_values(&c.ty, [v])))
            .unzip()
    };
    let (key_columns, key) = part(true);
    let (value_columns, value) = part(false);
    let key_encoder = Encoder::new(&source.key_format, Part::Key, &key_columns).map_err(|e| e.to_string())?;
    let value_encoder = Encoder::new(&source.value_format, Part::Value, &value_columns).map_err(|e| e.to_string())?;
    let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
    let has_key = !key_columns.is_empty() && key_encoder.bind(&key).write(0, &mut key_bytes)?;
    let has_value = value_encoder.bind(&value).write(0, &mut value_bytes)?;
    records.push(calzone_types::RecordRef {
        offset: 0,
        timestamp,
        partition: RecordBatch::ANY_PARTITION,
        key: has_key.then_some(&key_bytes),
        value: has_value.then_some(&value_bytes),
        headers: &[],
    });
    Ok(())
}
