//! A SELECT, from its sources to the columns it gives.

use std::sync::Arc;

use calzone_formats::FormatSpec;
use calzone_sql::ast::{self, ExprKind as Tree};
use calzone_sql::{Span, format_expression};
use calzone_types::SqlType;

use crate::catalog::{Source, SourceKind};
use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::expression::Expr;
use crate::grouping::{self, Grouping};
use crate::joins;
use crate::keys;
use crate::names::{Clause, Names, is_reserved};
use crate::plan::{Step, StepColumn, StepKind, StepOutput};
use crate::rewrite::{children, visit};
use crate::rows::{self, Rows};
use crate::scope::Computed;
use crate::select::{Expansion, Selected, expand};
use crate::typing::Typing;
use crate::with_properties::default_key_format;

/// Who gets the rows.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// A stream or table: keys matter. With the key's format, where the statement gives one.
    Sink { key_format: Option<FormatSpec> },
    /// A client: any columns in any order.
    Client,
}

/// A planned SELECT. Its last step is a Project.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub root: Step,
    /// For a sink the key columns are the first ones, this many.
    pub key_count: usize,
    /// PARTITION BY NULL took the key away.
    pub key_removed: bool,
    /// What a sink inherits.
    pub key_format: FormatSpec,
    pub value_format: FormatSpec,
    pub sources: Vec<Arc<Source>>,
}

/// The clauses of a query with every column named by its source.
struct Clauses {
    filter: Option<ast::Expr>,
    group_by: Option<Vec<ast::Expr>>,
    partition_by: Vec<ast::Expr>,
    having: Option<ast::Expr>,
}

/// Plans a SELECT.
pub(crate) fn plan(ctx: &PlanContext, query: &ast::Query, purpose: &Purpose) -> Result<Planned> {
    let (mut names, joins) = joins::resolve(ctx, &query.from)?;
    // Over a join, as in ksqlDB, the bounds of the windows cannot be named.
    names.makes_windows = query.window.is_some() && !names.is_join();
    let for_sink = matches!(purpose, Purpose::Sink { .. });
    if for_sink {
        check_sink_sources(&names)?;
    }
    let clauses = qualify(&names, query)?;
    check_clauses(ctx, query, &clauses)?;

    let mut rows = joins::build(ctx, &names, &joins)?;
    if let Some(filter) = &clauses.filter {
        rows = self::filter(ctx, rows, filter, Clause::Where)?;
    }
    let selected = {
        let expansion =
            Expansion { names: &names, partition_by: &clauses.partition_by, with_windows: !for_sink, headers_first: false };
        let typing = Typing { ctx, scope: &rows.scope, clause: Clause::Select };
        expand(&query.select, &expansion, &|tree| Ok(typing.expression(tree)?.ty))?
    };
    check_names(&selected)?;
    rows = table_functions(ctx, rows, &selected)?;

    let mut aggregated = selected.iter().map(|s| &s.tree).collect::<Vec<_>>();
    aggregated.extend(&clauses.having);
    let aggregates = grouping::find_aggregates(ctx, aggregated.into_iter())?;
    let is_grouped = clauses.group_by.is_some() || !aggregates.is_empty();
    check_functions(ctx, query)?;
    check_grouping(query, &clauses, &aggregates, for_sink)?;

    let mut key_removed = false;
    if is_grouped {
        let key_format = match purpose {
            Purpose::Sink { key_format: Some(format) } => format.clone(),
            _ => rows::usable_key_format(&rows.key_format, default_key_format(ctx)?),
        };
        let grouping = Grouping {
            ctx,
            group_by: clauses.group_by.as_deref().unwrap_or_default(),
            aggregates: &aggregates,
            window: query.window.as_ref(),
            sources: &names.sources,
            key_format: internal_key_format(key_format, for_sink),
            emit_final: query.emit == Some(ast::Emit::Final),
        };
        rows = grouping.build(rows)?;
        if let Some(having) = &clauses.having {
            rows = self::filter(ctx, rows, having, Clause::Having)?;
        }
    } else if !clauses.partition_by.is_empty() {
        (rows, key_removed) = partition(ctx, rows, &clauses.partition_by)?;
    }

    let (root, key_count) = project(ctx, &rows, &selected, for_sink, is_grouped, &names)?;
    let sources = names.sources.iter().map(|s| s.source.clone()).collect();
    Ok(Planned { root, key_count, key_removed, key_format: rows.key_format, value_format: rows.value_format, sources })
}

/// A client's rows go through no sink, so any key must do: KAFKA holds a single column of a few types only.
fn internal_key_format(format: FormatSpec, for_sink: bool) -> FormatSpec {
    if for_sink { format } else { FormatSpec { wrap_single: false, ..FormatSpec::new(calzone_formats::Format::Json) } }
}

fn qualify(names: &Names, query: &ast::Query) -> Result<Clauses> {
    let one = |tree: &Option<ast::Expr>, clause| tree.as_ref().map(|t| names.qualify(t, clause)).transpose();
    let many = |trees: &[ast::Expr], clause| trees.iter().map(|t| names.qualify(t, clause)).collect::<Result<Vec<_>>>();
    Ok(Clauses {
        filter: one(&query.filter, Clause::Where)?,
        group_by: query.group_by.as_ref().map(|g| many(&g.expressions, Clause::GroupBy)).transpose()?,
        partition_by: many(&query.partition_by, Clause::PartitionBy)?,
        having: one(&query.having, Clause::Having)?,
    })
}

fn check_sink_sources(names: &Names) -> Result<()> {
    match names.sources.iter().find(|s| s.source.kind == SourceKind::Table && s.source.window.is_some()) {
        Some(table) => Err(PlanError::new(format!(
            "{} is a windowed table, which a persistent query cannot read: a new window would look like a new row. Read its topic as a stream instead, or ask the table with SELECT … EMIT CHANGES.",
            table.source.name
        ))),
        None => Ok(()),
    }
}

fn check_clauses(ctx: &PlanContext, query: &ast::Query, clauses: &Clauses) -> Result<()> {
    if let (Some(group_by), [first, ..]) = (&query.group_by, query.partition_by.as_slice()) {
        let message = "GROUP BY and PARTITION BY cannot be used together: grouping gives the rows their key.";
        return Err(PlanError::at(group_by.span.to(first.span), message));
    }
    grouping::check_group_by(ctx, clauses.group_by.as_deref().unwrap_or_default())?;
    let nulls = clauses.partition_by.iter().filter(|t| grouping::is_null_literal(t)).count();
    if nulls > 0 && clauses.partition_by.len() > 1 {
        return Err(PlanError::at(
            query.span,
            "PARTITION BY NULL takes the key away, so NULL cannot stand beside other expressions.",
        ));
    }
    Ok(())
}

/// Every function must be known before it matters which of them aggregate.
fn check_functions(ctx: &PlanContext, query: &ast::Query) -> Result<()> {
    let functions = &ctx.catalog.functions;
    let mut fault: Option<PlanError> = None;
    let selected = query.select.iter().filter_map(|item| match item {
        ast::SelectItem::Expr { expr, .. } => Some(expr),
        _ => None,
    });
    for tree in selected.chain(&query.having) {
        visit(tree, &mut |e| {
            if let Tree::Call { name, .. } = &e.kind
                && functions.scalar(&name.node).is_none()
                && functions.table(&name.node).is_none()
                && functions.aggregate(&name.node).is_none()
                && let Err(error) = functions.resolve_scalar(&name.node, &[], &[], &[], ctx.properties)
            {
                fault.get_or_insert(PlanError::at(name.span, error.0));
            }
            true
        });
    }
    fault.map_or(Ok(()), Err)
}

fn check_grouping(query: &ast::Query, clauses: &Clauses, aggregates: &[ast::Expr], for_sink: bool) -> Result<()> {
    match (&query.group_by, aggregates.first()) {
        (None, Some(aggregate)) if for_sink => {
            let message = format!("{} is an aggregate function, so a GROUP BY is needed.", format_expression(aggregate));
            return Err(PlanError::at(aggregate.span, message));
        }
        (Some(group_by), None) => {
            let message = "GROUP BY needs an aggregate function such as COUNT(*) in SELECT or HAVING.";
            return Err(PlanError::at(group_by.span, message));
        }
        _ => {}
    }
    let is_grouped = query.group_by.is_some() || !aggregates.is_empty();
    if let Some(window) = &query.window
        && !is_grouped
    {
        return Err(PlanError::at(window.span, "WINDOW needs a GROUP BY."));
    }
    if let (Some(having), false) = (&clauses.having, is_grouped) {
        return Err(PlanError::at(having.span, "HAVING needs a GROUP BY. Use WHERE for conditions on single rows."));
    }
    if query.emit == Some(ast::Emit::Final) && !(is_grouped && query.window.is_some()) {
        return Err(PlanError::at(
            query.span,
            "EMIT FINAL waits for windows to close, so it needs WINDOW and GROUP BY. Use EMIT CHANGES.",
        ));
    }
    Ok(())
}

fn check_names(selected: &[Selected]) -> Result<()> {
    for (i, column) in selected.iter().enumerate() {
        if selected[..i].iter().any(|other| other.name == column.name) {
            let message = format!("SELECT gives two columns named {}. Give one of them an alias.", column.name);
            return Err(PlanError::at(column.span, message));
        }
    }
    Ok(())
}

/// Keeps the rows for which a condition is true.
fn filter(ctx: &PlanContext, mut rows: Rows, condition: &ast::Expr, clause: Clause) -> Result<Rows> {
    let predicate = Typing { ctx, scope: &rows.scope, clause }.condition(condition)?;
    if rows.is_table() {
        rows::materialize(&mut rows.step, "KsqlTopic-Reduce");
    }
    Ok(rows.wrap(|input| StepKind::Filter { input, predicate }))
}

/// Calls the table functions of a SELECT.
fn table_functions(ctx: &PlanContext, rows: Rows, selected: &[Selected]) -> Result<Rows> {
    let is_call =
        |tree: &ast::Expr| matches!(&tree.kind, Tree::Call { name, .. } if ctx.catalog.functions.table(&name.node).is_some());
    let mut found: Vec<&ast::Expr> = Vec::new();
    let mut nested: Option<Span> = None;
    for column in selected {
        visit(&column.tree, &mut |e| {
            if !is_call(e) {
                return true;
            }
            children(e).into_iter().for_each(|child| {
                visit(child, &mut |inner| {
                    if is_call(inner) {
                        nested = Some(inner.span);
                    }
                    true
                })
            });
            if !found.contains(&e) {
                found.push(e);
            }
            false
        });
    }
    if let Some(span) = nested {
        return Err(PlanError::at(
            span,
            "A table function cannot be an argument of another one. Use two queries, one after the other.",
        ));
    }
    let Some(first) = found.first() else { return Ok(rows) };
    if rows.is_table() {
        return Err(PlanError::at(first.span, "Table functions make rows of a stream. They cannot be used on a table."));
    }
    if grouping::find_aggregates(ctx, selected.iter().map(|s| &s.tree)).map_or(true, |aggregates| !aggregates.is_empty()) {
        return Err(PlanError::at(
            first.span,
            "Table functions and aggregate functions cannot be used in the same SELECT. Use two queries, one after the other.",
        ));
    }
    let typing = Typing { ctx, scope: &rows.scope, clause: Clause::Select };
    let mut calls = Vec::with_capacity(found.len());
    let mut output = rows.step.output.clone();
    let mut computed = Vec::with_capacity(found.len());
    for (i, tree) in found.into_iter().enumerate() {
        let Tree::Call { name, arguments, .. } = &tree.kind else { continue };
        let call = typing.table_call(name, arguments, tree).map_err(|e| e.or_at(tree.span))?;
        computed.push(Computed { tree: tree.clone(), position: output.columns.len(), ty: call.ty.clone() });
        output.columns.push(StepColumn { name: format!("KSQL_SYNTH_{i}").into(), ty: call.ty.clone() });
        calls.push(call);
    }
    let mut scope = rows.scope;
    scope.computed.extend(computed);
    let step = Step { kind: StepKind::FlatMap { input: Box::new(rows.step), calls }, output };
    Ok(Rows { step, scope, ..rows })
}

/// Gives rows of a stream a new key. Says whether it is no key at all.
fn partition(ctx: &PlanContext, rows: Rows, partition_by: &[ast::Expr]) -> Result<(Rows, bool)> {
    let span = partition_by[0].span;
    if rows.is_table() {
        return Err(PlanError::at(
            span,
            "PARTITION BY is for streams: a table's rows are found by their primary key. Leave it out, or use GROUP BY.",
        ));
    }
    if rows.step.output.window.is_some() {
        return Err(PlanError::at(span, "A windowed stream cannot get another key by PARTITION BY."));
    }
    let removes_key = partition_by.iter().any(grouping::is_null_literal);
    if !removes_key
        && partition_by.len() == rows.keys.len()
        && partition_by.iter().zip(&rows.keys).all(|(tree, key)| key.contains(tree))
    {
        return Ok((rows, false));
    }
    let mut columns = rows::pass_through(&rows.step.output);
    let mut output = StepOutput { key: Vec::new(), ..rows.step.output.clone() };
    let mut scope = rows.scope.clone();
    let typing = Typing { ctx, scope: &rows.scope, clause: Clause::PartitionBy };
    for tree in partition_by.iter().filter(|_| !removes_key) {
        if grouping::has_aggregate(ctx, tree) {
            return Err(PlanError::at(tree.span, "PARTITION BY cannot use aggregate functions."));
        }
        let expr = typing.expression(tree).map_err(|e| e.or_at(tree.span))?;
        let position = match expr.kind {
            crate::expression::ExprKind::Column(position) => position,
            _ => {
                let name = rows::unused_name(&output.columns, "KSQL_KEY");
                output.columns.push(StepColumn { name, ty: expr.ty.clone() });
                scope.computed.push(Computed { tree: tree.clone(), position: columns.len(), ty: expr.ty.clone() });
                columns.push(expr);
                columns.len() - 1
            }
        };
        output.key.push(position);
    }
    let keys = if removes_key { Vec::new() } else { partition_by.iter().map(|tree| vec![tree.clone()]).collect() };
    let step = Step { kind: StepKind::SelectKey { input: Box::new(rows.step), columns }, output };
    Ok((Rows { step, scope, keys, ..rows }, removes_key))
}

/// `ksql.new.query.planner.enabled` of ksqlDB: the key of a plain projection is what SELECT lists of it, in that order.
fn keeps_selected_order(ctx: &PlanContext, rows: &Rows, names: &Names) -> Result<bool> {
    Ok(!rows.is_table() && !names.is_join() && ctx.is_enabled("ksql.new.query.planner.enabled", false)?)
}

/// A sink's values cannot have the name of a pseudo column, or a query over the sink could not tell them apart.
fn check_reserved(selected: &[Selected], chosen: &[Option<usize>]) -> Result<()> {
    let is_value = |i: &usize| !chosen.contains(&Some(*i));
    match selected.iter().enumerate().find(|(i, column)| is_value(i) && is_reserved(&column.name)) {
        Some((_, column)) => {
            let message = format!(
                "{} is the name of a pseudo column, so a stream or table cannot have a column of that name. Give it an alias.",
                column.name
            );
            Err(PlanError::at(column.span, message))
        }
        None => Ok(()),
    }
}

/// Computes the columns of the SELECT; for a sink the key comes first.
fn project(
    ctx: &PlanContext,
    rows: &Rows,
    selected: &[Selected],
    for_sink: bool,
    is_grouped: bool,
    names: &Names,
) -> Result<(Step, usize)> {
    let chosen = match for_sink {
        true if !is_grouped && keeps_selected_order(ctx, rows, names)? => keys::in_selected_order(rows, selected),
        true => keys::choose(rows, selected, names)?,
        false => keys::find(rows, selected),
    };
    if for_sink {
        check_reserved(selected, &chosen)?;
    }
    if for_sink && chosen.len() == selected.len() && is_grouped {
        return Err(PlanError::new("SELECT gives no columns beside the key. A table needs at least one, such as COUNT(*)."));
    }
    let typing = Typing { ctx, scope: &rows.scope, clause: Clause::Select };
    let typed = |i: usize| -> Result<(StepColumn, Expr)> {
        let column = &selected[i];
        let expr = match rows.keys.iter().position(|viable| chosen.contains(&Some(i)) && viable.contains(&column.tree)) {
            Some(key) => {
                let at = rows.step.output.key[key];
                Expr::column(at, rows.step.output.columns[at].ty.clone())
            }
            None => typing.expression(&column.tree).map_err(|e| e.or_at(column.span))?,
        };
        Ok((StepColumn { name: column.name.clone(), ty: expr.ty.clone() }, expr))
    };
    let keys_first = || chosen.iter().flatten().copied();
    let order: Vec<usize> = if for_sink {
        keys_first().chain((0..selected.len()).filter(|i| !chosen.contains(&Some(*i)))).collect()
    } else {
        (0..selected.len()).collect()
    };
    let (columns, exprs): (Vec<StepColumn>, Vec<Expr>) =
        order.iter().map(|&i| typed(i)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let key: Vec<usize> = keys_first().filter_map(|i| order.iter().position(|o| *o == i)).collect();
    let key_count = key.len();
    let output = StepOutput { columns, key, is_table: rows.is_table(), window: rows.step.output.window };
    Ok((Step { kind: StepKind::Project { input: Box::new(rows.step.clone()), columns: exprs }, output }, key_count))
}

/// The type of a column by its name in a step's output.
pub(crate) fn column_of<'a>(output: &'a StepOutput, name: &str) -> Option<(usize, &'a SqlType)> {
    output.columns.iter().enumerate().find(|(_, c)| &*c.name == name).map(|(i, c)| (i, &c.ty))
}
