//! What servers ask each other for, as bytes.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;
use calzone_exec::codec;
use calzone_types::{ColumnBuilder, Schema};
use serde::{Deserialize, Serialize};

use crate::answer::LockSummary;

/// Asks for rows of some partitions of a table, filtered and projected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PullRequest {
    pub statement: String,
    pub properties: BTreeMap<String, String>,
    pub variables: BTreeMap<String, String>,
    /// The query that keeps the table.
    pub query: String,
    pub partitions: Vec<i32>,
    /// May copies answer?
    pub standbys: bool,
    /// Offset in the statement log up to which the asking server has applied it.
    pub applied: i64,
}

/// The rows of those of the partitions that the server keeps.
#[derive(Clone, Debug)]
pub struct PullAnswer {
    pub partitions: Vec<i32>,
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
}

#[derive(Serialize, Deserialize)]
struct PullAnswerHead {
    partitions: Vec<i32>,
    rows: usize,
    /// Of the rows, as text: both servers must mean the same.
    schema: String,
}

impl PullAnswer {
    /// The head as JSON with its length before it, then the cells column by column.
    pub fn encode(&self, schema: &Schema) -> Vec<u8> {
        let head = PullAnswerHead { partitions: self.partitions.clone(), rows: self.rows, schema: schema.to_string() };
        let mut out = Vec::new();
        codec::write_bytes(&serde_json::to_vec(&head).expect("heads are plain data"), &mut out);
        for column in &self.columns {
            (0..self.rows).for_each(|row| codec::write_cell(column, row, &mut out));
        }
        out
    }

    /// Reads what [`PullAnswer::encode`] wrote. The error says why it cannot be used.
    pub fn decode(mut bytes: &[u8], schema: &Schema) -> Result<PullAnswer, String> {
        let damaged = |_| "its answer is damaged".to_owned();
        let head = codec::read_bytes(&mut bytes).map_err(damaged)?;
        let head: PullAnswerHead = serde_json::from_slice(head).map_err(|e| format!("its answer is damaged: {e}"))?;
        if head.schema != schema.to_string() {
            return Err(format!("it takes the table's rows for {}, this server for {schema}", head.schema));
        }
        if head.rows > bytes.len() && !schema.columns.is_empty() {
            return Err("its answer is damaged".to_owned());
        }
        let mut columns = Vec::with_capacity(schema.columns.len());
        for column in schema.columns.iter() {
            let mut builder = ColumnBuilder::new(&column.ty, head.rows);
            for _ in 0..head.rows {
                codec::read_cell_into(&column.ty, &mut bytes, &mut builder).map_err(damaged)?;
            }
            columns.push(builder.finish());
        }
        Ok(PullAnswer { partitions: head.partitions, columns, rows: head.rows })
    }
}

/// Asks which groups of a query's records wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocksRequest {
    pub query: String,
    pub limit: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocksAnswer {
    pub locks: Vec<LockSummary>,
}

/// Asks to give up the records that hold up groups of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRequest {
    pub query: String,
    /// As SHOW LOCKS shows it; `None`: all.
    pub key: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReleaseAnswer {
    pub released: usize,
}

#[cfg(test)]
mod tests {
    use calzone_types::{Column, Namespace, SqlType, Value, column_from_values, value_at};

    use super::*;

    fn schema(types: &[SqlType]) -> Schema {
        Schema::new(types.iter().enumerate().map(|(i, ty)| Column {
            name: format!("C{i}").into(),
            ty: ty.clone(),
            namespace: Namespace::Value,
        }))
    }

    #[test]
    fn rows_of_any_type_arrive_as_they_were() {
        let types =
            [SqlType::Varchar, SqlType::Bigint, SqlType::decimal(6, 2), SqlType::array(SqlType::Double), SqlType::Timestamp];
        let decimal = calzone_types::Decimal::new(-1234, 2);
        let rows = [
            [
                "a\0\"".into(),
                Value::Bigint(i64::MIN),
                Value::Decimal(decimal),
                Value::Array(vec![Value::Null]),
                Value::Timestamp(-5),
            ],
            [Value::Null, Value::Null, Value::Null, Value::Null, Value::Null],
        ];
        let columns = (0..types.len()).map(|i| column_from_values(&types[i], rows.iter().map(|row| &row[i]))).collect();
        let answer = PullAnswer { partitions: vec![3, 0], columns, rows: 2 };
        let bytes = answer.encode(&schema(&types));
        let read = PullAnswer::decode(&bytes, &schema(&types)).unwrap();
        assert_eq!((read.partitions.as_slice(), read.rows), ([3, 0].as_slice(), 2));
        for (row, values) in rows.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                assert_eq!(value_at(&read.columns[column], row), *value);
            }
        }
        assert!(PullAnswer::decode(&bytes[..bytes.len() - 1], &schema(&types)).unwrap_err().contains("damaged"));
        assert!(PullAnswer::decode(&bytes, &schema(&types[..2])).unwrap_err().contains("C1"));
        assert!(PullAnswer::decode(b"", &schema(&types)).is_err());
    }
}
