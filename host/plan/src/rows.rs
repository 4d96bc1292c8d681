//! Rows on their way through a plan: the steps so far, and what their columns are called.

use std::sync::Arc;

use calzone_formats::{Format, FormatSpec};
use calzone_sql::ast;
use calzone_types::SqlType;

use crate::catalog::{Source, SourceKind};
use crate::expression::Expr;
use crate::names::{NamedSource, WINDOWEND, WINDOWSTART, column_ref, pseudo_type};
use crate::plan::{InternalFormats, SourceColumn, SourceStep, Step, StepColumn, StepKind, StepOutput};
use crate::scope::{Scope, ScopeColumn};

/// The steps so far.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub step: Step,
    pub scope: Scope,
    /// For each key column the trees that it equals.
    pub keys: Vec<Vec<ast::Expr>>,
    /// What a sink inherits.
    pub key_format: FormatSpec,
    pub value_format: FormatSpec,
    /// Partitions of the topics read, if known.
    pub partitions: Option<i32>,
}

impl Rows {
    pub fn is_table(&self) -> bool {
        self.step.output.is_table
    }

    /// Wraps the step in another one that leaves the columns as they are.
    pub fn wrap(self, kind: impl FnOnce(Box<Step>) -> StepKind) -> Rows {
        let output = self.step.output.clone();
        Rows { step: Step { kind: kind(Box::new(self.step)), output }, ..self }
    }

    /// Is that expression (qualified) this rows' single key column?
    pub fn is_keyed_by(&self, tree: &ast::Expr) -> bool {
        matches!(self.keys.as_slice(), [only] if only.contains(tree))
    }
}

/// Reads a source. All columns are there, pseudo columns too; what is not used is taken out when the plan is whole.
pub(crate) fn read(named: &NamedSource, in_join: bool, partitions: Option<i32>) -> Rows {
    let source = &named.source;
    let step_name = |name: &str| -> Arc<str> { if in_join { format!("{}_{name}", named.alias).into() } else { name.into() } };
    let mut columns: Vec<(SourceColumn, Arc<str>, SqlType)> =
        source.schema.columns.iter().enumerate().map(|(i, c)| (SourceColumn::Schema(i), c.name.clone(), c.ty.clone())).collect();
    for name in named.pseudo_columns() {
        let column = match name {
            WINDOWSTART => SourceColumn::WindowStart,
            WINDOWEND => SourceColumn::WindowEnd,
            crate::names::ROWTIME => SourceColumn::Rowtime,
            crate::names::ROWPARTITION => SourceColumn::RowPartition,
            _ => SourceColumn::RowOffset,
        };
        columns.push((column, name.into(), pseudo_type(name)));
    }
    let key: Vec<usize> = source
        .schema
        .columns
        .iter()
        .enumerate()
        .filter(|(_, c)| c.namespace == calzone_types::Namespace::Key)
        .map(|(i, _)| i)
        .collect();
    let output = StepOutput {
        columns: columns.iter().map(|(_, name, ty)| StepColumn { name: step_name(name), ty: ty.clone() }).collect(),
        key: key.clone(),
        is_table: source.kind == SourceKind::Table,
        window: source.window,
    };
    let scope_column = |(position, (_, name, ty)): (usize, &(SourceColumn, Arc<str>, SqlType))| ScopeColumn {
        source: named.alias.clone(),
        name: name.clone(),
        ty: ty.clone(),
        position,
    };
    let scope = Scope { columns: columns.iter().enumerate().map(scope_column).collect(), ..Scope::default() };
    let keys = key.iter().map(|&i| vec![column_ref(Some(&named.alias), &source.schema.columns[i].name)]).collect();
    let step = SourceStep {
        source: source.clone(),
        alias: named.alias.clone(),
        columns: columns.into_iter().map(|(column, ..)| column).collect(),
        materialize: None,
    };
    Rows {
        step: Step { kind: StepKind::Source(step), output },
        scope,
        keys,
        key_format: source.key_format.clone(),
        value_format: source.value_format.clone(),
        partitions,
    }
}

/// Keeps the rows of the table that these steps read, so that changes carry the old row. Steps that group or join need it,
/// and filters, which must know whether a row that does not pass has passed before.
pub(crate) fn materialize(step: &mut Step, store: &str) {
    match &mut step.kind {
        StepKind::Source(source) if source.source.kind == SourceKind::Table && source.materialize.is_none() => {
            source.materialize = Some(store.into());
        }
        StepKind::Filter { input, .. } | StepKind::Project { input, .. } | StepKind::SelectKey { input, .. } => {
            materialize(input, store)
        }
        _ => {}
    }
}

/// The columns of a step as they are, as expressions.
pub(crate) fn pass_through(output: &StepOutput) -> Vec<Expr> {
    output.columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.ty.clone())).collect()
}

/// The formats of an internal topic or store. Whether they can carry its columns is checked when it is known which are used.
pub(crate) fn internal_formats(key: &FormatSpec, value: &FormatSpec) -> InternalFormats {
    // KAFKA and NONE cannot hold a row of several columns.
    let format = match value.format {
        Format::Kafka | Format::None => Format::Json,
        format => format,
    };
    InternalFormats { key: key.clone(), value: FormatSpec { format, wrap_single: format.supports_wrapping(), ..value.clone() } }
}

/// A column name that is not taken yet.
pub(crate) fn unused_name(taken: &[StepColumn], wanted: &str) -> Arc<str> {
    let is_taken = |name: &str| taken.iter().any(|c| &*c.name == name);
    if !is_taken(wanted) {
        return wanted.into();
    }
    let mut n = 1;
    loop {
        let name = format!("{wanted}_{n}");
        if !is_taken(&name) {
            return name.into();
        }
        n += 1;
    }
}

/// A key format for rows that have a key: that of the source, unless it has none.
pub(crate) fn usable_key_format(format: &FormatSpec, default: Format) -> FormatSpec {
    match format.format {
        Format::None => FormatSpec { format: default, delimiter: b',', wrap_single: !default.supports_unwrapping() },
        _ => format.clone(),
    }
}

/// Partitions of a source's topic.
pub(crate) fn partitions_of(ctx: &crate::context::PlanContext, source: &Source) -> Option<i32> {
    ctx.topics.partitions(&source.topic)
}
