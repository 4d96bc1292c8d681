//! Pull queries: looks rows up in the result stores of a table, filters and projects them.

use std::ops::ControlFlow;

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::ScalarBuffer;
use calzone_plan::{Expr, KeyBounds, PullPlan, Range};
use calzone_state::Store;
use calzone_types::{Column, ColumnBuilder, Namespace, Schema, Value, WindowBounds};

use crate::environment::Environment;
use crate::error::ExecError;
use crate::expression::{Evaluator, Predicate, Rows, evaluate_constant};
use crate::materialized::{self, ResultReader, Row};

/// Rows that are filtered and projected at a time.
const CHUNK_ROWS: usize = 4096;

/// The rows of a pull query.
#[derive(Clone, Debug)]
pub struct PullRows {
    pub schema: Schema,
    /// One a column of the schema, each with all rows.
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
}

/// Executes a look-up over the `result` stores of a table's partitions: (partition, store). Rows come out by partition,
/// then in the order of their keys and windows. An expression that fails is null in SELECT and false in WHERE.
///
/// # Errors
/// A function of the plan cannot be made, a constant of WHERE cannot be computed, or a store cannot be read.
pub fn execute(plan: &PullPlan, stores: &[(i32, &dyn Store)], environment: &mut dyn Environment) -> Result<PullRows, ExecError> {
    let spans = spans(plan, environment)?;
    let mut collector = Collector::new(plan, environment)?;
    let reader = ResultReader::new(&plan.source.schema, plan.source.window.is_some());
    for (_, store) in stores {
        for span in &spans {
            if collector.is_full() {
                break;
            }
            let mut failed = Ok(());
            store.range(&span.from, &span.to, &mut |key, value| match reader.read(key, value) {
                Ok(row) => {
                    // A start after the last wanted one ends this key's windows, not those of other keys.
                    let started = row.window.is_none_or(|(start, _)| start >= span.start.0 && start <= span.start.1);
                    if started && !collector.push(row) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                }
                Err(error) => {
                    failed = Err(error);
                    ControlFlow::Break(())
                }
            })?;
            failed?;
        }
    }
    collector.finish(plan.schema.clone())
}

/// A range of store keys, and the window starts wanted in it (both inclusive).
struct Span {
    from: Vec<u8>,
    to: Vec<u8>,
    start: (i64, i64),
}

fn spans(plan: &PullPlan, environment: &mut dyn Environment) -> Result<Vec<Span>, ExecError> {
    let windowed = plan.source.window.is_some();
    let start = match windowed {
        true => (
            bound(plan.window_start.lower.as_ref().map(|b| &b.value), environment)?.unwrap_or(i64::MIN),
            bound(plan.window_start.upper.as_ref().map(|b| &b.value), environment)?.unwrap_or(i64::MAX),
        ),
        false => (i64::MIN, i64::MAX),
    };
    match &plan.keys {
        KeyBounds::All => {
            let (from, to) = materialized::all_rows();
            Ok(vec![Span { from, to, start }])
        }
        KeyBounds::Keys(keys) => {
            let wanted = distinct_keys(keys, environment)?;
            let span = |key: &Vec<Value>| {
                let prefix = materialized::key_prefix(key);
                let from = if windowed { materialized::window_from(key, start.0) } else { prefix.clone() };
                Span { from, to: materialized::prefix_end(&prefix), start }
            };
            Ok(wanted.iter().map(span).collect())
        }
        KeyBounds::Range(range) => Ok(key_span(range, start, environment)?.into_iter().collect()),
    }
}

/// The keys that a look-up names, each with all its columns, none twice; `None` if it reads ranges of keys or all of them.
///
/// # Errors
/// A constant of WHERE cannot be computed.
pub fn wanted_keys(plan: &PullPlan, environment: &mut dyn Environment) -> Result<Option<Vec<Vec<Value>>>, ExecError> {
    let columns = plan.source.schema.key().count();
    match &plan.keys {
        KeyBounds::Keys(keys) if keys.iter().all(|key| key.len() == columns) => distinct_keys(keys, environment).map(Some),
        _ => Ok(None),
    }
}

fn distinct_keys(keys: &[Vec<Expr>], environment: &mut dyn Environment) -> Result<Vec<Vec<Value>>, ExecError> {
    let mut wanted: Vec<Vec<Value>> = Vec::with_capacity(keys.len());
    for key in keys {
        let values = key.iter().map(|part| constant(part, environment)).collect::<Result<Vec<_>, _>>()?;
        // Nothing equals NULL.
        if !values.iter().any(Value::is_null) && !wanted.contains(&values) {
            wanted.push(values);
        }
    }
    Ok(wanted)
}

/// Bounds of a range of keys, both taken as inclusive: the filter drops what is too much. None: nothing can be in it.
fn key_span(range: &Range, start: (i64, i64), environment: &mut dyn Environment) -> Result<Option<Span>, ExecError> {
    let (mut from, mut to) = materialized::all_rows();
    if let Some(lower) = &range.lower {
        let value = constant(&lower.value, environment)?;
        if value.is_null() {
            return Ok(None);
        }
        from = materialized::key_prefix(&[value]);
    }
    if let Some(upper) = &range.upper {
        let value = constant(&upper.value, environment)?;
        if value.is_null() {
            return Ok(None);
        }
        to = materialized::prefix_end(&materialized::key_prefix(&[value]));
    }
    Ok(Some(Span { from, to, start }))
}

fn constant(expression: &Expr, environment: &mut dyn Environment) -> Result<Value, ExecError> {
    evaluate_constant(expression, environment).map_err(ExecError::Plan)
}

/// A bound of window times in milliseconds; none if it is absent or not a whole number: then the filter alone decides.
fn bound(expression: Option<&Expr>, environment: &mut dyn Environment) -> Result<Option<i64>, ExecError> {
    let Some(expression) = expression else { return Ok(None) };
    Ok(match constant(expression, environment)? {
        Value::Timestamp(ms) => Some(ms),
        other => other.as_i64(),
    })
}

/// Collects rows in chunks, and filters and projects each.
struct Collector {
    source: Vec<Column>,
    filter: Option<Predicate>,
    projection: Vec<Evaluator>,
    limit: usize,
    waiting: Vec<Row>,
    done: Vec<Vec<ArrayRef>>,
    rows: usize,
}

impl Collector {
    fn new(plan: &PullPlan, environment: &mut dyn Environment) -> Result<Collector, ExecError> {
        let filter =
            plan.filter.as_ref().map(|filter| Predicate::new(filter, environment)).transpose().map_err(ExecError::Plan)?;
        let projection = plan.columns.iter().map(|column| Evaluator::new(column, environment));
        Ok(Collector {
            source: plan.source.schema.columns.to_vec(),
            filter,
            projection: projection.collect::<Result<_, _>>().map_err(ExecError::Plan)?,
            limit: plan.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            waiting: Vec::new(),
            done: Vec::new(),
            rows: 0,
        })
    }

    fn is_full(&self) -> bool {
        self.rows >= self.limit
    }

    /// Takes a row; false if no more are wanted.
    fn push(&mut self, row: Row) -> bool {
        self.waiting.push(row);
        // A small limit needs only a few rows: they are looked at as soon as they could be enough.
        if self.waiting.len() >= CHUNK_ROWS.min(self.limit.saturating_sub(self.rows).max(1)) {
            self.work();
        }
        !self.is_full()
    }

    fn work(&mut self) {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() || self.is_full() {
            return;
        }
        let mut columns: Vec<ColumnBuilder> =
            self.source.iter().map(|column| ColumnBuilder::new(&column.ty, rows.len())).collect();
        for row in &rows {
            let (mut key, mut value) = (row.key.iter(), row.value.iter());
            for (column, builder) in self.source.iter().zip(&mut columns) {
                let cell = match column.namespace {
                    Namespace::Key => key.next(),
                    Namespace::Value => value.next(),
                    Namespace::Headers(_) => None,
                };
                builder.push(cell.unwrap_or(&Value::Null));
            }
        }
        let mut columns: Vec<ArrayRef> = columns.into_iter().map(ColumnBuilder::finish).collect();
        let mut timestamps: ScalarBuffer<i64> = rows.iter().map(|row| row.timestamp).collect();
        let mut windows: Option<Vec<(i64, i64)>> = rows.iter().map(|row| row.window).collect();
        let bounds = |windows: &Option<Vec<(i64, i64)>>| {
            windows
                .as_ref()
                .map(|w| WindowBounds { start: w.iter().map(|w| w.0).collect(), end: w.iter().map(|w| w.1).collect() })
        };
        if let Some(filter) = &mut self.filter {
            let window_bounds = bounds(&windows);
            let (keep, _) = filter
                .test(Rows { columns: &columns, timestamps: &timestamps, windows: window_bounds.as_ref(), origin: None }, None);
            let mask = BooleanArray::new(keep.clone(), None);
            columns = columns
                .iter()
                .map(|column| arrow_select::filter::filter(column, &mask).expect("the mask has the column's length"))
                .collect();
            timestamps = keep.set_indices().map(|row| timestamps[row]).collect();
            windows = windows.map(|w| keep.set_indices().map(|row| w[row]).collect());
        }
        let kept = timestamps.len().min(self.limit - self.rows);
        if kept == 0 {
            return;
        }
        let window_bounds = bounds(&windows);
        let rows = Rows { columns: &columns, timestamps: &timestamps, windows: window_bounds.as_ref(), origin: None };
        let projected = self.projection.iter_mut().map(|column| column.evaluate(rows).column.slice(0, kept)).collect();
        self.done.push(projected);
        self.rows += kept;
    }

    fn finish(mut self, schema: Schema) -> Result<PullRows, ExecError> {
        self.work();
        let column = |(i, column): (usize, &Column)| -> Result<ArrayRef, ExecError> {
            let parts: Vec<&dyn Array> = self.done.iter().map(|part| part[i].as_ref()).collect();
            match parts.as_slice() {
                [] => Ok(ColumnBuilder::new(&column.ty, 0).finish()),
                parts => arrow_select::concat::concat(parts)
                    .map_err(|error| ExecError::Plan(format!("Column {}: {error}", column.name))),
            }
        };
        let columns = schema.columns.iter().enumerate().map(column).collect::<Result<_, _>>()?;
        Ok(PullRows { schema, columns, rows: self.rows })
    }
}
