//! `INSERT INTO source (columns) VALUES (…)`.

use std::sync::Arc;

use calzone_sql::ast;
use calzone_sql::format_expression;
use calzone_types::{Namespace, SqlType};

use crate::catalog::{Source, SourceKind};
use crate::coercion::coerce;
use crate::context::PlanContext;
use crate::create_source::kind_text;
use crate::error::{PlanError, Result};
use crate::expression::Expr;
use crate::names::{Clause, Names, ROWTIME, expect_source, is_reserved};
use crate::scope::Scope;
use crate::typing::Typing;

/// A row to write. Columns that are not listed are null.
#[derive(Clone, Debug)]
pub struct InsertRow {
    pub source: Arc<Source>,
    /// Positions in the source's schema, with constant expressions of the column's type.
    pub columns: Vec<(usize, Expr)>,
    /// The record's timestamp, BIGINT milliseconds; None: now.
    pub rowtime: Option<Expr>,
}

/// Plans a row. Its expressions are constant; the caller evaluates them.
pub fn insert_values(ctx: &PlanContext, statement: &ast::InsertValues) -> Result<InsertRow> {
    let source = expect_source(ctx.catalog, &statement.name)?.clone();
    let refuse = |message: String| Err(PlanError::at(statement.name.span, message));
    if source.is_source {
        return refuse(format!(
            "{} is a read-only SOURCE {}. Nothing can be inserted into it.",
            source.name,
            kind_text(source.kind)
        ));
    }
    if source.window.is_some() {
        return refuse(format!("The key of {} holds a window, which INSERT VALUES cannot give.", source.name));
    }
    row(ctx, &source, statement)
}

/// The row that `ASSERT VALUES` and `INSERT VALUES` list, without regard to whether it may be written.
pub fn row(ctx: &PlanContext, source: &Arc<Source>, statement: &ast::InsertValues) -> Result<InsertRow> {
    let targets = targets(source, statement)?;
    if targets.len() != statement.values.len() {
        let message = format!("There are {} columns but {} values.", targets.len(), statement.values.len());
        return Err(PlanError::at(statement.name.span, message));
    }
    let names = Names::default();
    let scope = Scope::default();
    let typing = Typing { ctx, scope: &scope, clause: Clause::Values };
    let mut row = InsertRow { source: source.clone(), columns: Vec::with_capacity(targets.len()), rowtime: None };
    for (target, value) in targets.iter().zip(&statement.values) {
        let (name, ty) = match target {
            Some(index) => (&*source.schema.columns[*index].name, &source.schema.columns[*index].ty),
            None => (ROWTIME, &SqlType::Bigint),
        };
        let tree = names.qualify(value, Clause::Values).map_err(|e| PlanError {
            message: format!("VALUES can only hold constants, not {}. {}", format_expression(value), e.message),
            ..e
        })?;
        let typed = typing.typed(&tree).map_err(|e| e.or_at(value.span))?;
        let text_as_number = typed.text_literal().is_some() && (ty.is_numeric() || *ty == SqlType::Boolean);
        if text_as_number {
            let message =
                format!("Column {name} is {ty}, but the value {} is text. Write it without quotes.", format_expression(value));
            return Err(PlanError::at(value.span, message));
        }
        if !typed.is_null && *ty == SqlType::Varchar && typed.expr.ty != SqlType::Varchar {
            let message = format!(
                "Column {name} is STRING, but the value {} is {}. Put it in single quotes.",
                format_expression(value),
                typed.type_text()
            );
            return Err(PlanError::at(value.span, message));
        }
        let expr =
            coerce(typed, ty, value).map_err(|e| PlanError { message: format!("Column {name} is {ty}: {}", e.message), ..e })?;
        match target {
            Some(index) => row.columns.push((*index, expr)),
            None => row.rowtime = Some(expr),
        }
    }
    check_key(source, statement, &row)?;
    Ok(row)
}

/// The columns that get values; None is ROWTIME.
fn targets(source: &Source, statement: &ast::InsertValues) -> Result<Vec<Option<usize>>> {
    let no_header = |index: usize, span| match &source.schema.columns[index].namespace {
        Namespace::Headers(_) => {
            let message = format!(
                "{} shows headers of records, which INSERT VALUES cannot write. List the other columns only.",
                source.schema.columns[index].name
            );
            Err(PlanError::at(span, message))
        }
        _ => Ok(Some(index)),
    };
    if statement.columns.is_empty() {
        return (0..source.schema.columns.len()).map(|i| no_header(i, statement.name.span)).collect();
    }
    let mut targets: Vec<Option<usize>> = Vec::with_capacity(statement.columns.len());
    for column in &statement.columns {
        let target = match source.schema.find(&column.node) {
            Some((index, _)) => no_header(index, column.span)?,
            None if column.node == ROWTIME => None,
            None if is_reserved(&column.node) => {
                return Err(PlanError::at(
                    column.span,
                    format!("{} is a pseudo column, which cannot be inserted into.", column.node),
                ));
            }
            None => {
                let message = format!("{} has no column {}. Its columns are {}.", source.name, column.node, source.schema);
                return Err(PlanError::at(column.span, message));
            }
        };
        if targets.contains(&target) {
            return Err(PlanError::at(column.span, format!("{} is listed twice.", column.node)));
        }
        targets.push(target);
    }
    Ok(targets)
}

/// A row of a table is nothing without its key.
fn check_key(source: &Source, statement: &ast::InsertValues, row: &InsertRow) -> Result<()> {
    if source.kind != SourceKind::Table {
        return Ok(());
    }
    for (index, column) in source.schema.columns.iter().enumerate().filter(|(_, c)| c.namespace == Namespace::Key) {
        if !row.columns.iter().any(|(i, _)| *i == index) {
            let message = format!("{} is part of the primary key of {}, so it must have a value.", column.name, source.name);
            return Err(PlanError::at(statement.name.span, message));
        }
    }
    Ok(())
}
