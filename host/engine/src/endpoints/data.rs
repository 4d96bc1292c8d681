//! The data that an endpoint was granted: rows into streams, rows out of tables.

use std::sync::{Arc, Weak};

use arrow_array::ArrayRef;
use calzone_formats::json::{write_api_cell, write_string};
use calzone_sandbox::{DataAccess, DataError, Parameter};
use calzone_sql::ast::{Grant, GrantKind, Relation, Statement};
use calzone_types::{RecordBatch, Schema};

use super::bind::bind;
use crate::engine::Engine;
use crate::push::{QueryEnd, RowEvent};
use crate::{ErrorKind, Rows, Session, StatementError};

/// Reads and writes what GRANT names, and nothing else.
pub struct GrantedData {
    engine: Weak<Engine>,
    /// Names of sources.
    inserts: Vec<String>,
    queries: Vec<String>,
}

impl GrantedData {
    pub fn new(engine: Weak<Engine>, grants: &[Grant]) -> GrantedData {
        let (mut inserts, mut queries) = (Vec::new(), Vec::new());
        for grant in grants {
            match &grant.kind {
                GrantKind::InsertOn(_, name) => inserts.push(name.node.clone()),
                GrantKind::QueryOn(_, name) => queries.push(name.node.clone()),
                _ => {}
            }
        }
        GrantedData { engine, inserts, queries }
    }

    fn engine(&self) -> Result<Arc<Engine>, DataError> {
        let engine = self.engine.upgrade().filter(|e| !e.is_stopping());
        engine.ok_or_else(|| DataError::Failed("the server is stopping".to_owned()))
    }
}

impl DataAccess for GrantedData {
    fn insert(&self, into: &str, rows: &[String]) -> Result<(), DataError> {
        let engine = self.engine()?;
        let Some(name) = granted(&self.inserts, into) else { return Err(not_granted("INSERT", into, &self.inserts)) };
        let inserter = engine.row_inserter(name).map_err(|e| data_error(&e))?;
        let mut records = RecordBatch::default();
        for (number, row) in rows.iter().enumerate() {
            let refused = |why: String| DataError::Refused(format!("row {number} for {name}: {why}"));
            let row: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(row).map_err(|e| refused(format!("it is no JSON object: {e}")))?;
            inserter.add(&row, &mut records).map_err(refused)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        engine.append_records(inserter.topic(), &records).map(|_| ()).map_err(|e| data_error(&e))
    }

    fn select(&self, sql: &str, parameters: &[Parameter], rows_max: usize) -> Result<Vec<String>, DataError> {
        let engine = self.engine()?;
        let mut bound = bind(sql, parameters).map_err(DataError::Refused)?;
        if !bound.trim_end().ends_with(';') {
            // On a line of its own, as a comment may be the last thing.
            bound.push_str("\n;");
        }
        let statements = calzone_sql::parse(&bound, &Default::default()).map_err(|e| DataError::Refused(e.to_string()))?;
        let [parsed] = statements.as_slice() else {
            return Err(DataError::Refused(format!("one SELECT is wanted, not {} statements", statements.len())));
        };
        let Statement::Query(query) = &parsed.statement else {
            return Err(DataError::Refused("only a SELECT gives rows".to_owned()));
        };
        if query.emit.is_some() {
            return Err(DataError::Refused("a query with EMIT does not end: leave EMIT out".to_owned()));
        }
        // A query without EMIT has no joins; if it had, it would be refused below for being one.
        if let Relation::Source { name, .. } = &query.from
            && !self.queries.contains(&name.node)
        {
            return Err(not_granted("QUERY", &name.node, &self.queries));
        }
        let too_many = || DataError::Refused(format!("the query gives more than {rows_max} rows (query_rows): add a LIMIT"));
        let mut out = Vec::new();
        match engine.query(&bound, &Session::default()).map_err(|e| data_error(&e))? {
            Rows::Pull(pull) if pull.rows > rows_max => return Err(too_many()),
            Rows::Pull(pull) => objects(&pull.schema, &pull.columns, 0..pull.rows, &mut out),
            Rows::Stream(mut stream) => loop {
                match stream.rows.blocking_recv() {
                    Some(RowEvent::Rows(batch)) => {
                        let columns: Vec<ArrayRef> = stream.columns.iter().map(|c| batch.new.columns[*c].clone()).collect();
                        objects(&stream.schema, &columns, (0..batch.len()).filter(|row| batch.new.is_live(*row)), &mut out);
                        if out.len() > rows_max {
                            return Err(too_many());
                        }
                    }
                    Some(RowEvent::End(QueryEnd::Complete | QueryEnd::LimitReached)) => break,
                    Some(RowEvent::End(QueryEnd::Failed(message))) => return Err(DataError::Failed(message)),
                    Some(RowEvent::End(QueryEnd::Closed)) | None => {
                        return Err(DataError::Failed("the query was closed before its end".to_owned()));
                    }
                }
            },
            Rows::Print(_) => return Err(DataError::Refused("only a SELECT gives rows".to_owned())),
        }
        Ok(out)
    }
}

/// The granted name that is meant: as it is written, or in capitals, as in SQL.
fn granted<'g>(grants: &'g [String], asked: &str) -> Option<&'g String> {
    grants.iter().find(|g| *g == asked).or_else(|| grants.iter().find(|g| **g == asked.to_uppercase()))
}

fn not_granted(what: &str, asked: &str, grants: &[String]) -> DataError {
    let granted = if grants.is_empty() { "nothing".to_owned() } else { grants.join(", ") };
    DataError::Refused(format!("{what} ON {asked} is not granted; granted is {granted}"))
}

fn data_error(error: &StatementError) -> DataError {
    match error.kind {
        ErrorKind::Internal | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::TooManyQueries => {
            DataError::Failed(error.message.clone())
        }
        _ => DataError::Refused(error.message.clone()),
    }
}

/// Each row as a JSON object by column name.
fn objects(schema: &Schema, columns: &[ArrayRef], rows: impl Iterator<Item = usize>, out: &mut Vec<String>) {
    for row in rows {
        let mut object = vec![b'{'];
        for (array, column) in columns.iter().zip(schema.columns.iter()) {
            if object.len() > 1 {
                object.push(b',');
            }
            write_string(&column.name, &mut object);
            object.push(b':');
            write_api_cell(array.as_ref(), &column.ty, row, &mut object);
        }
        object.push(b'}');
        out.push(String::from_utf8_lossy(&object).into_owned());
    }
}
