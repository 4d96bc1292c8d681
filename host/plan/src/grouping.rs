//! GROUP BY: aggregates found in SELECT and HAVING, windows, repartitioning, and the step that groups.

use std::sync::Arc;

use calzone_formats::{Format, FormatSpec};
use calzone_sql::ast::{self, ExprKind as Tree, WindowKind};
use calzone_sql::format_expression;
use calzone_types::{SqlType, Value};

use crate::catalog::{KeyWindow, WindowType};
use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::expression::{AggregateCall, Expr};
use crate::names::{Clause, NamedSource};
use crate::plan::{AggregateStep, Step, StepColumn, StepKind, StepOutput, WindowSpec, WindowSpecKind};
use crate::rewrite::{children, visit};
use crate::rows::{self, Rows};
use crate::scope::{Computed, Scope};
use crate::typing::{Typing, literal_type};

/// How long windows take late rows unless the query says otherwise: until a day after their start.
const DEFAULT_WINDOW_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// What is to be grouped, all trees qualified.
pub(crate) struct Grouping<'a> {
    pub ctx: &'a PlanContext<'a>,
    /// Empty: all rows are one group.
    pub group_by: &'a [ast::Expr],
    pub aggregates: &'a [ast::Expr],
    pub window: Option<&'a ast::Window>,
    pub sources: &'a [NamedSource],
    /// The key's format, of the repartition topic and of the sink.
    pub key_format: FormatSpec,
    pub emit_final: bool,
}

/// The distinct calls of aggregate functions in these expressions, in order.
pub(crate) fn find_aggregates<'a>(ctx: &PlanContext, trees: impl Iterator<Item = &'a ast::Expr>) -> Result<Vec<ast::Expr>> {
    let is_aggregate =
        |tree: &ast::Expr| matches!(&tree.kind, Tree::Call { name, .. } if ctx.catalog.functions.aggregate(&name.node).is_some());
    let mut found: Vec<ast::Expr> = Vec::new();
    let mut nested = None;
    for tree in trees {
        visit(tree, &mut |e| {
            if !is_aggregate(e) {
                return true;
            }
            children(e).into_iter().for_each(|child| {
                visit(child, &mut |inner| {
                    if is_aggregate(inner) {
                        nested = Some(e.clone());
                    }
                    true
                });
            });
            if !found.contains(e) {
                found.push(e.clone());
            }
            false
        });
    }
    match nested {
        Some(e) => {
            let message = format!(
                "{} has an aggregate function inside another one. Aggregate in two queries, one after the other.",
                format_expression(&e)
            );
            Err(PlanError::at(e.span, message))
        }
        None => Ok(found),
    }
}

/// Does the expression call an aggregate function?
pub(crate) fn has_aggregate(ctx: &PlanContext, tree: &ast::Expr) -> bool {
    find_aggregates(ctx, std::iter::once(tree)).map_or(true, |found| !found.is_empty())
}

/// The window a query makes.
pub(crate) fn window_spec(window: &ast::Window, emit_final: bool) -> Result<WindowSpec> {
    let refuse = |message: &str| Err(PlanError::at(window.span, message));
    let (kind, size_ms) = match window.kind {
        WindowKind::Tumbling { size_ms } => (WindowSpecKind::Time { size_ms, advance_ms: size_ms }, size_ms),
        WindowKind::Hopping { size_ms, advance_ms } => (WindowSpecKind::Time { size_ms, advance_ms }, size_ms),
        WindowKind::Session { gap_ms } => (WindowSpecKind::Session { gap_ms }, gap_ms),
    };
    if size_ms <= 0 {
        return refuse("The size or gap of a window must be above 0.");
    }
    if let WindowKind::Hopping { size_ms, advance_ms } = window.kind
        && !(1..=size_ms).contains(&advance_ms)
    {
        return refuse("ADVANCE BY must be above 0 and at most the size of the window.");
    }
    // A final result waits for no late rows unless it is told to.
    let default_grace_ms = if emit_final { 0 } else { (DEFAULT_WINDOW_LIFE_MS - size_ms).max(0) };
    let grace_ms = window.grace_ms.unwrap_or(default_grace_ms);
    let needed = size_ms.saturating_add(grace_ms);
    let retention_ms = match window.retention_ms {
        Some(retention) if retention < needed => {
            return Err(PlanError::at(
                window.span,
                format!(
                    "RETENTION is {retention} ms, but must be at least the window's size and grace period together: {needed} ms."
                ),
            ));
        }
        Some(retention) => retention,
        None => needed,
    };
    Ok(WindowSpec { kind, grace_ms, retention_ms })
}

/// The window of a key that these windows make.
pub(crate) fn key_window(window: &ast::Window) -> KeyWindow {
    match window.kind {
        WindowKind::Tumbling { size_ms } => KeyWindow { kind: WindowType::Tumbling, size_ms: Some(size_ms) },
        WindowKind::Hopping { size_ms, .. } => KeyWindow { kind: WindowType::Hopping, size_ms: Some(size_ms) },
        WindowKind::Session { .. } => KeyWindow { kind: WindowType::Session, size_ms: None },
    }
}

impl Grouping<'_> {
    /// Groups the rows. Expressions after it can use the group-by expressions, the aggregates and the window's bounds.
    pub(crate) fn build(&self, mut input: Rows) -> Result<Rows> {
        self.check_sources(&input)?;
        let is_table = input.is_table();
        if is_table {
            rows::materialize(&mut input.step, "KsqlTopic-Reduce");
        }
        let typing = Typing { ctx: self.ctx, scope: &input.scope, clause: Clause::GroupBy };
        let mut groups = Vec::with_capacity(self.group_by.len().max(1));
        for tree in self.group_by {
            groups.push(typing.expression(tree).map_err(|e| e.or_at(tree.span))?);
        }
        if groups.is_empty() {
            groups.push(Expr::literal(Value::Integer(0), SqlType::Integer));
        }
        let typing = Typing { ctx: self.ctx, scope: &input.scope, clause: Clause::Select };
        let mut calls = Vec::with_capacity(self.aggregates.len());
        for tree in self.aggregates {
            let Tree::Call { name, arguments, .. } = &tree.kind else { continue };
            calls.push(typing.aggregate_call(name, arguments, tree).map_err(|e| e.or_at(tree.span))?);
        }
        self.check_undo(is_table, &calls)?;

        let names = self.column_names();
        let key_format = self.key_format.clone();
        let formats = rows::internal_formats(&key_format, &input.value_format);
        let stays = !is_table && self.is_keyed(&input);
        let (step, groups, calls) = if stays {
            // The key itself, not the columns equal to it: in an outer join those may be missing.
            let out = &input.step.output;
            let keys = out.key.iter().map(|&k| Expr::column(k, out.columns[k].ty.clone())).collect();
            (input.step, keys, calls)
        } else {
            self.repartition(input.step, groups, calls, &names, &formats)
        };

        let mut columns: Vec<StepColumn> =
            names.iter().zip(&groups).map(|(name, e)| StepColumn { name: name.clone(), ty: e.ty.clone() }).collect();
        let group_count = columns.len();
        columns.extend(
            calls
                .iter()
                .enumerate()
                .map(|(i, call)| StepColumn { name: format!("KSQL_AGG_VARIABLE_{i}").into(), ty: call.ty.clone() }),
        );
        let output = StepOutput { columns, key: (0..group_count).collect(), is_table: true, window: self.window.map(key_window) };
        let trees = self.group_by.iter().zip(0..).chain(self.aggregates.iter().zip(group_count..));
        let computed = trees
            .map(|(tree, position)| Computed { tree: tree.clone(), position, ty: output.columns[position].ty.clone() })
            .collect();
        let window = self.window.map(|window| window_spec(window, self.emit_final)).transpose()?;
        let aggregate = AggregateStep {
            input: step,
            name: "Aggregate-Aggregate-Materialize".into(),
            group_by: groups,
            aggregates: calls,
            window,
            formats: formats.clone(),
        };
        let rows = Rows {
            step: Step { kind: StepKind::Aggregate(Box::new(aggregate)), output },
            scope: Scope { computed, grouped: true, ..Scope::default() },
            keys: self.group_by.iter().map(|tree| vec![tree.clone()]).collect(),
            key_format,
            value_format: input.value_format,
            partitions: input.partitions,
        };
        Ok(match (self.emit_final, window) {
            (true, Some(window)) => {
                let grace_ms = window.grace_ms;
                rows.wrap(|input| StepKind::Suppress { input, name: "Suppress".into(), grace_ms, formats })
            }
            _ => rows,
        })
    }

    fn check_sources(&self, input: &Rows) -> Result<()> {
        for source in self.sources {
            if source.source.value_format.format == Format::Kafka {
                let message = format!(
                    "{} has the value format KAFKA, which GROUP BY cannot work on. Convert it with CREATE STREAM … WITH (VALUE_FORMAT='JSON') AS SELECT first.",
                    source.alias
                );
                return Err(PlanError::new(message));
            }
        }
        match self.window {
            Some(window) if input.is_table() => {
                Err(PlanError::at(window.span, "WINDOW is for streams: rows of a table have no place in time. Leave it out."))
            }
            _ => Ok(()),
        }
    }

    fn check_undo(&self, is_table: bool, calls: &[AggregateCall]) -> Result<()> {
        let stubborn: Vec<&str> = calls.iter().filter(|c| !c.function.can_retract).map(|c| &*c.function.name).collect();
        if is_table && !stubborn.is_empty() {
            let message = format!(
                "{} cannot be used on a table, because a row that changes would have to be taken out of the result again. Use it on a stream.",
                stubborn.join(", ")
            );
            return Err(PlanError::new(message));
        }
        Ok(())
    }

    /// Are the rows keyed by exactly these expressions already?
    fn is_keyed(&self, input: &Rows) -> bool {
        input.step.output.window.is_none()
            && self.group_by.len() == input.keys.len()
            && !self.group_by.is_empty()
            && self.group_by.iter().zip(&input.keys).all(|(tree, key)| key.contains(tree))
    }

    /// Computes what grouping needs, and sends it through a topic partitioned by the group-by expressions.
    fn repartition(
        &self,
        input: Step,
        groups: Vec<Expr>,
        calls: Vec<AggregateCall>,
        names: &[Arc<str>],
        formats: &crate::plan::InternalFormats,
    ) -> (Step, Vec<Expr>, Vec<AggregateCall>) {
        let mut columns: Vec<StepColumn> =
            names.iter().zip(&groups).map(|(name, e)| StepColumn { name: name.clone(), ty: e.ty.clone() }).collect();
        let key: Vec<usize> = (0..columns.len()).collect();
        let mut exprs = groups;
        let by_position = key.iter().map(|&i| Expr::column(i, exprs[i].ty.clone())).collect();
        let mut seen: Vec<(String, usize)> = Vec::new();
        let mut place = |argument: Expr| {
            if matches!(argument.kind, crate::expression::ExprKind::Literal(_)) {
                return argument;
            }
            // Equal arguments travel once.
            let text = format!("{argument:?}");
            let ty = argument.ty.clone();
            let position = match seen.iter().find(|(t, _)| *t == text) {
                Some((_, position)) => *position,
                None => {
                    seen.push((text, exprs.len()));
                    let name = rows::unused_name(&columns, &format!("KSQL_INTERNAL_COL_{}", exprs.len() - key.len()));
                    columns.push(StepColumn { name, ty: ty.clone() });
                    exprs.push(argument);
                    exprs.len() - 1
                }
            };
            Expr::column(position, ty)
        };
        let calls = calls
            .into_iter()
            .map(|call| AggregateCall { arguments: call.arguments.into_iter().map(&mut place).collect(), ..call })
            .collect();
        let output = StepOutput { columns, key, is_table: input.output.is_table, window: None };
        let selected = Step { kind: StepKind::SelectKey { input: Box::new(input), columns: exprs }, output: output.clone() };
        let kind = StepKind::Repartition {
            input: Box::new(selected),
            name: "Aggregate-GroupBy".into(),
            formats: formats.clone(),
            drop_null_key: true,
        };
        (Step { kind, output }, by_position, calls)
    }

    /// Names of the group-by columns inside the query.
    fn column_names(&self) -> Vec<Arc<str>> {
        let mut columns: Vec<StepColumn> = Vec::new();
        for tree in self.group_by {
            let wanted = match &tree.kind {
                Tree::Column { name, .. } => name.node.clone(),
                Tree::Field { field, .. } => field.node.clone(),
                _ => format!("KSQL_GROUP_{}", columns.len()),
            };
            let name = rows::unused_name(&columns, &wanted);
            columns.push(StepColumn { name, ty: SqlType::Varchar });
        }
        if columns.is_empty() {
            return vec!["KSQL_GROUP_0".into()];
        }
        columns.into_iter().map(|c| c.name).collect()
    }
}

/// Checks GROUP BY itself: no expression twice, no aggregate.
pub(crate) fn check_group_by(ctx: &PlanContext, group_by: &[ast::Expr]) -> Result<()> {
    for (i, tree) in group_by.iter().enumerate() {
        if group_by[..i].contains(tree) {
            return Err(PlanError::at(tree.span, format!("GROUP BY has {} twice.", format_expression(tree))));
        }
        if has_aggregate(ctx, tree) {
            let message = format!("GROUP BY cannot use an aggregate function, as in {}.", format_expression(tree));
            return Err(PlanError::at(tree.span, message));
        }
    }
    Ok(())
}

/// Is this the literal NULL? As the only expression of PARTITION BY it takes the key away.
pub(crate) fn is_null_literal(tree: &ast::Expr) -> bool {
    matches!(&tree.kind, Tree::Literal(value) if literal_type(value).is_none())
}
