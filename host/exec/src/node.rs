//! The operators of a part as a plan, from which each task makes its own.

use std::sync::Arc;

use calzone_formats::{Encoder, FormatColumn, FormatSpec, Part as RecordPart};
use calzone_plan::Expr;
use calzone_plan::expression::TableCall;
use calzone_plan::plan::{
    AggregateStep, InternalFormats, SinkOutput, SourceStep, StageStep, StepOutput, WindowSpec, WindowSpecKind,
};
use calzone_types::SqlType;

use crate::aggregate::{Aggregate, SessionAggregate, TimeWindowAggregate};
use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::filter::Filter;
use crate::flat_map::FlatMap;
use crate::gate::Gate;
use crate::join::{
    ForeignKeyLeft, ForeignKeyRight, Layout, Messages, StreamStreamJoin, StreamTableJoin, TableSide, TableTableJoin, Timing,
};
use crate::materialized::ResultWriter;
use crate::operator::{Operator, Reader, StoreId, Stores, StreamTime};
use crate::policy::ClassSet;
use crate::project::Project;
use crate::repartition::{InternalRows, InternalSource, Repartition};
use crate::sink::{Client, Sink};
use crate::source::Source;
use crate::stage::StageOperator;
use crate::suppress::Suppress;
use crate::table_store::TableStore;

/// An operator and where its rows go: node and input.
pub(crate) struct Node {
    pub kind: NodeKind,
    pub downstream: Option<(usize, usize)>,
}

/// A reader of a topic and where its rows go.
pub(crate) struct SourceNode {
    pub topic: Arc<str>,
    pub kind: ReaderKind,
    pub downstream: Option<(usize, usize)>,
    /// It alone reads the topic, and keeps nothing of it: its records can be tried again.
    pub retriable: bool,
}

/// Numbers are positions of stores in the part's list.
pub(crate) enum ReaderKind {
    Source { step: SourceStep, store: Option<usize>, types: Vec<SqlType>, needs_old: bool, throws_on_invalid: bool },
    Internal(Arc<InternalRows>),
    Messages { format: FormatSpec, columns: Vec<FormatColumn> },
}

/// Numbers are positions of stores in the part's list.
pub(crate) enum NodeKind {
    Filter { predicate: Expr, is_table: bool },
    Project { columns: Vec<Expr>, key_only: Vec<bool>, rekeys: bool, needs_old: bool, name: &'static str },
    FlatMap(Vec<TableCall>),
    Stage { step: Arc<StageStep>, store: Option<usize> },
    Repartition { rows: Arc<InternalRows>, drop_null_key: bool },
    Aggregate { step: Arc<AggregateStep>, store: usize, meta: Option<usize>, needs_old: bool, cache_bytes: usize },
    Suppress { name: Arc<str>, output: StepOutput, window: WindowSpec, formats: InternalFormats, store: usize, meta: usize },
    StreamStream { layout: Layout, timing: Timing, rows: [usize; 2], held: usize, meta: usize, name: Arc<str> },
    StreamTable { layout: Layout, table: TablePlan },
    TableTable { layout: Layout, left: TablePlan, right: TablePlan, needs_old: bool },
    ForeignKeyLeft { plan: Arc<ForeignKeyPlan>, table: TablePlan, joined: Option<TablePlan> },
    ForeignKeyRight { plan: Arc<ForeignKeyPlan>, table: TablePlan, subscriptions: usize },
    Sink { output: SinkOutput, has_new_key: bool, result: Option<usize>, retention_ms: Option<i64>, throws_on_invalid: bool },
    Client { columns: Vec<usize>, is_table: bool },
    Gate,
}

/// Where a join finds the rows of a table.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub store: usize,
    pub types: Vec<SqlType>,
    /// The join writes the rows itself.
    pub owned: bool,
}

/// What both sides of a foreign-key join must agree on.
pub(crate) struct ForeignKeyPlan {
    pub layout: Layout,
    pub foreign_key: Expr,
    pub left_key: Vec<FormatColumn>,
    pub right_key: Vec<FormatColumn>,
    pub left_format: FormatSpec,
    pub right_format: FormatSpec,
    pub registrations: Arc<str>,
    pub responses: Arc<str>,
    pub name: Arc<str>,
}

impl TablePlan {
    pub fn table(&self) -> TableStore {
        TableStore { store: StoreId(self.store), types: self.types.clone() }
    }

    fn side(&self) -> TableSide {
        TableSide { table: self.table(), owned: self.owned }
    }
}

impl NodeKind {
    /// Do rows leave nothing behind here, in a store or outside of the task?
    pub fn keeps_nothing(&self) -> bool {
        match self {
            NodeKind::Filter { .. } | NodeKind::Project { .. } | NodeKind::FlatMap(_) | NodeKind::Gate => true,
            NodeKind::Stage { step, store } => store.is_none() && step.others.is_empty(),
            _ => false,
        }
    }
}

impl ReaderKind {
    /// `handled`: classes of failures that an error policy decides about.
    pub fn make(&self, handled: ClassSet) -> Result<Box<dyn Reader>, ExecError> {
        Ok(match self {
            ReaderKind::Source { step, store, types, needs_old, throws_on_invalid } => {
                let table = store.map(|store| TableStore { store: StoreId(store), types: types.clone() });
                let throws_on_invalid = *throws_on_invalid && !handled.contains(ErrorClass::Timestamp);
                Box::new(Source::new(step, table, *needs_old, throws_on_invalid)?)
            }
            ReaderKind::Internal(rows) => Box::new(InternalSource::new(rows)?),
            ReaderKind::Messages { format, columns } => Box::new(Messages::new(format, columns)?),
        })
    }
}

impl NodeKind {
    pub fn make(&self, stores: &mut Stores, environment: &mut dyn Environment) -> Result<Box<dyn Operator>, ExecError> {
        Ok(match self {
            NodeKind::Filter { predicate, is_table } => Box::new(Filter::new(predicate, *is_table, environment)?),
            NodeKind::Project { columns, key_only, rekeys, needs_old, name } => {
                Box::new(Project::new(columns, |i| key_only[i], |i| !*rekeys || key_only[i], *needs_old, name, environment)?)
            }
            NodeKind::FlatMap(calls) => Box::new(FlatMap::new(calls, environment)?),
            NodeKind::Stage { step, store } => Box::new(StageOperator::new(step, store.map(StoreId), environment)?),
            NodeKind::Repartition { rows, drop_null_key } => Box::new(Repartition::new(rows, *drop_null_key)?),
            NodeKind::Aggregate { step, store, meta, needs_old, cache_bytes } => {
                let store = StoreId(*store);
                let (Some(window), Some(meta)) = (step.window, meta) else {
                    return Ok(Box::new(Aggregate::new(step, store, *needs_old, *cache_bytes, environment)?));
                };
                let time = StreamTime::load(StoreId(*meta), &step.name, stores)?;
                match window.kind {
                    WindowSpecKind::Time { size_ms, advance_ms } => {
                        let (shape, forwarding) = ((size_ms, advance_ms), (*needs_old, *cache_bytes));
                        Box::new(TimeWindowAggregate::new(step, window, shape, store, time, forwarding, environment)?)
                    }
                    WindowSpecKind::Session { gap_ms } => {
                        Box::new(SessionAggregate::new(step, window, gap_ms, store, time, *needs_old, environment)?)
                    }
                }
            }
            NodeKind::Suppress { name, output, window, formats, store, meta } => {
                let time = StreamTime::load(StoreId(*meta), name, stores)?;
                Box::new(Suppress::new(name, output, *window, formats, StoreId(*store), time)?)
            }
            NodeKind::StreamStream { layout, timing, rows, held, meta, name } => {
                let meta = StoreId(*meta);
                let mut time = |side: &str| StreamTime::load(meta, &format!("{name}{side}"), stores);
                let times = ([time("-left")?, time("-right")?], time("")?);
                let rows = rows.map(StoreId);
                Box::new(StreamStreamJoin::new(layout.clone(), *timing, rows, StoreId(*held), times, (meta, name)))
            }
            NodeKind::StreamTable { layout, table } => Box::new(StreamTableJoin::new(layout.clone(), table.table(), table.owned)),
            NodeKind::TableTable { layout, left, right, needs_old } => {
                Box::new(TableTableJoin::new(layout.clone(), left.side(), right.side(), *needs_old))
            }
            NodeKind::ForeignKeyLeft { plan, table, joined } => Box::new(ForeignKeyLeft::new(
                plan.layout.clone(),
                table.side(),
                &plan.foreign_key,
                key_encoder(&plan.right_format, &plan.right_key)?,
                key_encoder(&plan.left_format, &plan.left_key)?,
                (plan.registrations.clone(), plan.responses.clone()),
                joined.as_ref().map(TablePlan::table),
                &plan.name,
                environment,
            )?),
            NodeKind::ForeignKeyRight { plan, table, subscriptions } => Box::new(ForeignKeyRight::new(
                table.side(),
                StoreId(*subscriptions),
                plan.layout.right_key.clone(),
                key_encoder(&plan.right_format, &plan.right_key)?,
                plan.responses.clone(),
                &plan.name,
            )),
            NodeKind::Sink { output, has_new_key, result, retention_ms, throws_on_invalid } => {
                let result = result.map(|store| ResultWriter::new(StoreId(store), *retention_ms));
                Box::new(Sink::new(output, *has_new_key, result, *throws_on_invalid)?)
            }
            NodeKind::Gate => Box::new(Gate),
            NodeKind::Client { columns, is_table } => Box::new(Client { columns: columns.clone(), is_table: *is_table }),
        })
    }
}

fn key_encoder(format: &FormatSpec, columns: &[FormatColumn]) -> Result<Encoder, ExecError> {
    Encoder::new(format, RecordPart::Key, columns).map_err(|error| ExecError::Plan(error.message))
}
