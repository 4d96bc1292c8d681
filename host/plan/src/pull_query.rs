//! `SELECT …` without EMIT: the rows of a table as they are now, or of a stream up to now.

use std::sync::Arc;

use calzone_sql::ast::{self, ExprKind as Tree, Relation};
use calzone_sql::{Span, format_expression};
use calzone_types::{Column, Namespace, Schema, SqlType, Value};

use crate::catalog::{Source, SourceKind};
use crate::context::PlanContext;
use crate::create_source::kept;
use crate::error::{PlanError, PlanErrorKind, Result};
use crate::expression::{Expr, ExprKind};
use crate::grouping::has_aggregate;
use crate::key_bounds::{self, Disjunct, KeyBounds, Range};
use crate::names::{Clause, NamedSource, Names, ROWOFFSET, ROWPARTITION, ROWTIME, WINDOWEND, WINDOWSTART, expect_source};
use crate::plan::QueryPlan;
use crate::push_query::client_plan;
use crate::rewrite::visit;
use crate::scope::{Scope, ScopeColumn};
use crate::select::{Expansion, expand};
use crate::typing::Typing;

/// A query of what is there now.
#[derive(Clone, Debug)]
pub enum PullQuery {
    /// Looks rows up in a materialized table.
    Table(Box<PullPlan>),
    /// Reads a stream from its beginning to its present end.
    Stream(Box<QueryPlan>),
}

/// A look-up. Expressions are over the table's row: column i is the i-th column of its schema.
#[derive(Clone, Debug)]
pub struct PullPlan {
    pub source: Arc<Source>,
    /// Bounds that make the look-up fast; the filter is applied to what they let through all the same.
    pub keys: KeyBounds,
    pub window_start: Range,
    pub window_end: Range,
    pub filter: Option<Expr>,
    pub columns: Vec<Expr>,
    pub schema: Schema,
    pub limit: Option<u64>,
}

/// Plans a pull query.
pub fn pull_query(ctx: &PlanContext, query: &ast::Query) -> Result<PullQuery> {
    check_clauses(ctx, query)?;
    let Relation::Source { name, alias } = &query.from else {
        return Err(PlanError::at(query.span, hint("A pull query reads one table or stream: it cannot have a JOIN.")));
    };
    let source = expect_source(ctx.catalog, name)?.clone();
    if source.kind == SourceKind::Stream {
        if !ctx.is_enabled("ksql.query.pull.stream.enabled", true)? {
            return Err(disabled("Pull queries on streams are", "ksql.query.pull.stream.enabled"));
        }
        check_pseudo_columns(query)?;
        return Ok(PullQuery::Stream(Box::new(client_plan(ctx, query)?)));
    }
    if source.created_by.is_none() && !source.is_source {
        let message = format!(
            "The rows of table {0} are not kept, so it cannot be asked. Make a table that is: CREATE TABLE QUERYABLE_{0} AS SELECT * FROM {0};",
            source.name
        );
        return Err(PlanError::at(name.span, hint(&message)));
    }
    check_pseudo_columns(query)?;
    let alias: Arc<str> = alias.as_ref().unwrap_or(name).node.as_str().into();
    let names = Names { sources: vec![NamedSource { alias: alias.clone(), source: source.clone() }], ..Names::default() };
    let scope = row_scope(&source, &alias);
    let filter_tree = query.filter.as_ref().map(|f| names.qualify(f, Clause::Where)).transpose()?;
    let filter = match &filter_tree {
        Some(tree) => {
            check_key_lists(tree, &source)?;
            Some(Typing { ctx, scope: &scope, clause: Clause::Where }.condition(tree)?)
        }
        None => None,
    };
    let typing = Typing { ctx, scope: &scope, clause: Clause::Select };
    let expansion = Expansion { names: &names, partition_by: &[], with_windows: true, headers_first: true };
    let selected = expand(&query.select, &expansion, &|tree| Ok(typing.expression(tree)?.ty))?;
    let (mut columns, mut schema) = (Vec::with_capacity(selected.len()), Vec::<Column>::with_capacity(selected.len()));
    for column in &selected {
        if schema.iter().any(|c| c.name == column.name) {
            let message = format!("SELECT gives two columns named {}. Give one of them an alias.", column.name);
            return Err(PlanError::at(column.span, message));
        }
        if has_aggregate(ctx, &column.tree) {
            return Err(PlanError::at(column.span, hint("A pull query cannot aggregate: it reads a table as it is.")));
        }
        let expr = typing.expression(&column.tree).map_err(|e| e.or_at(column.span))?;
        let namespace = namespace_of(&column.tree, &source);
        schema.push(Column { name: column.name.clone(), ty: expr.ty.clone(), namespace });
        columns.push(expr);
    }
    let key_positions: Vec<usize> =
        source.schema.columns.iter().enumerate().filter(|(_, c)| c.namespace == Namespace::Key).map(|(i, _)| i).collect();
    let disjuncts = match &filter {
        Some(filter) => key_bounds::disjuncts(filter, &key_positions).unwrap_or_default(),
        None => Vec::new(),
    };
    check_scan(ctx, query, &source, &disjuncts, key_positions.len())?;
    let keys = key_bounds::key_bounds(&disjuncts, &key_positions);
    let window_start = key_bounds::window_range(&disjuncts, |kind| matches!(kind, ExprKind::WindowStart));
    let window_end = key_bounds::window_range(&disjuncts, |kind| matches!(kind, ExprKind::WindowEnd));
    let limit = query.limit.as_ref().map(|l| l.node);
    Ok(PullQuery::Table(Box::new(PullPlan {
        source: Arc::new(kept(&source)),
        keys,
        window_start,
        window_end,
        filter,
        columns,
        schema: Schema::new(schema),
        limit,
    })))
}

fn hint(message: &str) -> String {
    format!("{message} Add EMIT CHANGES if you meant a push query.")
}

fn disabled(what: &str, setting: &str) -> PlanError {
    PlanError::of_kind(PlanErrorKind::Disabled, format!("{what} switched off. Set '{setting}' to 'true' to allow it."))
}

fn check_clauses(ctx: &PlanContext, query: &ast::Query) -> Result<()> {
    let refuse = |span: Span, clause: &str| Err(PlanError::at(span, hint(&format!("A pull query cannot have {clause}."))));
    if let Some(window) = &query.window {
        return refuse(window.span, "a WINDOW clause");
    }
    if let Some(group_by) = &query.group_by {
        return refuse(group_by.span, "GROUP BY");
    }
    if let Some(first) = query.partition_by.first() {
        return refuse(first.span, "PARTITION BY");
    }
    if let Some(having) = &query.having {
        return refuse(having.span, "HAVING");
    }
    if query.limit.is_some() && !ctx.is_enabled("ksql.query.pull.limit.clause.enabled", true)? {
        return Err(disabled("LIMIT in pull queries is", "ksql.query.pull.limit.clause.enabled"));
    }
    Ok(())
}

/// Where in the log a row came from is not kept in a table.
fn check_pseudo_columns(query: &ast::Query) -> Result<()> {
    let mut found: Option<(String, Span)> = None;
    let selected = query.select.iter().filter_map(|item| match item {
        ast::SelectItem::Expr { expr, .. } => Some(expr),
        _ => None,
    });
    for tree in selected.chain(&query.filter) {
        visit(tree, &mut |e| {
            if let Tree::Column { name, .. } = &e.kind
                && [ROWPARTITION, ROWOFFSET].contains(&name.node.as_str())
            {
                found.get_or_insert((name.node.clone(), e.span));
            }
            true
        });
    }
    match found {
        Some((name, span)) => Err(PlanError::at(span, hint(&format!("A pull query cannot use {name}.")))),
        None => Ok(()),
    }
}

/// The table's row: its columns by position, its time and window as pseudo columns.
fn row_scope(source: &Source, alias: &Arc<str>) -> Scope {
    let columns = source.schema.columns.iter().enumerate().map(|(position, c)| ScopeColumn {
        source: alias.clone(),
        name: c.name.clone(),
        ty: c.ty.clone(),
        position,
    });
    let mut pseudo = vec![(ROWTIME, ExprKind::Rowtime)];
    if source.window.is_some() {
        pseudo.extend([(WINDOWSTART, ExprKind::WindowStart), (WINDOWEND, ExprKind::WindowEnd)]);
    }
    Scope {
        columns: columns.collect(),
        row: pseudo.into_iter().map(|(name, kind)| (name.into(), Expr::new(kind, SqlType::Bigint))).collect(),
        ..Scope::default()
    }
}

/// What part of the table's record a selected column is, if it is just one.
fn namespace_of(tree: &ast::Expr, source: &Source) -> Namespace {
    let Tree::Column { name, .. } = &tree.kind else { return Namespace::Value };
    if source.window.is_some() && [WINDOWSTART, WINDOWEND].contains(&name.node.as_str()) {
        return Namespace::Key;
    }
    source.schema.find(&name.node).map_or(Namespace::Value, |(_, c)| c.namespace.clone())
}

/// `key IN (…)` looks keys up, so its list must hold values of the key's type, and no NULL.
fn check_key_lists(tree: &ast::Expr, source: &Source) -> Result<()> {
    let mut fault: Option<PlanError> = None;
    visit(tree, &mut |e| {
        let Tree::In { operand, list, .. } = &e.kind else { return true };
        let Tree::Column { name, .. } = &operand.kind else { return true };
        let Some((_, column)) = source.schema.find(&name.node).filter(|(_, c)| c.namespace == Namespace::Key) else {
            return true;
        };
        for item in list {
            let message = match &item.kind {
                Tree::Literal(Value::Null) => format!("{} is a primary key and never NULL.", column.name),
                Tree::Literal(Value::Varchar(_)) if column.ty.is_numeric() || column.ty == SqlType::Boolean => {
                    format!(
                        "{} is text, but the key {} is {}. Write it without quotes.",
                        format_expression(item),
                        column.name,
                        column.ty
                    )
                }
                Tree::Literal(_) => continue,
                _ if !is_constant_tree(item) => {
                    format!("A key can only be looked up by constants, not by {}.", format_expression(item))
                }
                _ => continue,
            };
            fault.get_or_insert(PlanError::at(item.span, message));
        }
        true
    });
    fault.map_or(Ok(()), Err)
}

fn is_constant_tree(tree: &ast::Expr) -> bool {
    let mut constant = true;
    visit(tree, &mut |e| {
        if matches!(e.kind, Tree::Column { .. }) {
            constant = false;
        }
        true
    });
    constant
}

/// Without table scans every alternative of WHERE must say what the key is.
fn check_scan(ctx: &PlanContext, query: &ast::Query, source: &Source, disjuncts: &[Disjunct], keys: usize) -> Result<()> {
    if ctx.is_enabled("ksql.query.pull.table.scan.enabled", true)? {
        return Ok(());
    }
    // Only text is kept in the order of its values.
    let is_ordered = source.window.is_none() && source.schema.key().all(|c| c.ty == SqlType::Varchar);
    let ranges = ctx.is_enabled("ksql.query.pull.range.scan.enabled", true)? && keys == 1 && is_ordered;
    let is_range = matches!(disjuncts, [only] if ranges && !only.range.is_open());
    let all_keys = !disjuncts.is_empty() && disjuncts.iter().all(|d| d.keys.iter().all(Option::is_some));
    if is_range || all_keys {
        return Ok(());
    }
    let columns: Vec<&str> = source.schema.key().map(|c| &*c.name).collect();
    let message = format!(
        "WHERE must compare the whole key ({}) with constants in each of its alternatives, because reading all rows is switched off. Set 'ksql.query.pull.table.scan.enabled' to 'true' to allow it.",
        columns.join(", ")
    );
    let span = query.filter.as_ref().map_or(query.span, |f| f.span);
    Err(PlanError { span: Some(span), ..PlanError::of_kind(PlanErrorKind::Disabled, message) })
}
