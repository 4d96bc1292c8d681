//! One type for several expressions: elements of an ARRAY, results of a CASE, the list of an IN.
//!
//! Text literals give way: beside numbers, booleans or times they are read as such (`ARRAY[1, '2']`), and beside text
//! other literals are written as text.

use calzone_sql::ast;
use calzone_sql::format_expression;
use calzone_types::{Decimal, SqlType, Value, cast};

use crate::error::{PlanError, Result};
use crate::expression::{Expr, ExprKind};
use crate::typing::{Typed, cast_expr, literal_type};

/// The expressions as their common type, and that type; None if all are NULL literals. `trees` are for messages.
pub(crate) fn to_common_type(items: Vec<Typed>, trees: &[&ast::Expr]) -> Result<(Vec<Expr>, Option<SqlType>)> {
    let Some(mut target) = firm_type(&items, trees)? else {
        return Ok((items.into_iter().map(|typed| typed.expr).collect(), None));
    };
    if target.is_numeric() {
        for (typed, tree) in items.iter().zip(trees) {
            if let Some(text) = typed.text_literal() {
                let ty = number_type(text).ok_or_else(|| unreadable(text, &target, tree))?;
                target = cast::common_type(&target, &ty).unwrap_or(target);
            }
        }
    }
    let exprs = items.into_iter().zip(trees).map(|(typed, tree)| coerce(typed, &target, tree)).collect::<Result<_>>()?;
    Ok((exprs, Some(target)))
}

/// The expression as `target`, if it converts without a CAST.
pub(crate) fn coerce(typed: Typed, target: &SqlType, tree: &ast::Expr) -> Result<Expr> {
    if typed.is_null || typed.expr.ty == *target {
        return Ok(typed.cast_to(target));
    }
    if let Some(text) = typed.text_literal() {
        let value = match target {
            SqlType::Boolean => cast::parse_boolean(text).map(Value::Boolean),
            _ => cast::cast_value(&Value::Varchar(text.to_owned()), &SqlType::Varchar, target).ok(),
        };
        let value = value.ok_or_else(|| unreadable(text, target, tree))?;
        return Ok(Expr::literal(value, target.clone()));
    }
    let is_literal = matches!(typed.expr.kind, ExprKind::Literal(_));
    match (typed.expr.kind, target) {
        (ExprKind::Array(items), SqlType::Array(element)) => {
            let items = items.into_iter().map(|e| coerce(retyped(e), element, tree)).collect::<Result<_>>()?;
            Ok(Expr::new(ExprKind::Array(items), target.clone()))
        }
        (ExprKind::Map(entries), SqlType::Map(key, value)) => {
            let entries =
                entries.into_iter().map(|(k, v)| Ok((coerce(retyped(k), key, tree)?, coerce(retyped(v), value, tree)?)));
            Ok(Expr::new(ExprKind::Map(entries.collect::<Result<_>>()?), target.clone()))
        }
        (ExprKind::Struct(values), SqlType::Struct(fields)) => {
            let SqlType::Struct(own) = &typed.expr.ty else { return Err(mismatch(&typed.expr.ty, target, tree)) };
            let mut converted = Vec::with_capacity(fields.len());
            for field in fields.iter() {
                converted.push(match own.iter().position(|f| f.name == field.name) {
                    Some(at) => coerce(retyped(values[at].clone()), &field.ty, tree)?,
                    None => Expr::literal(Value::Null, field.ty.clone()),
                });
            }
            Ok(Expr::new(ExprKind::Struct(converted), target.clone()))
        }
        (kind, _) if cast::can_coerce(&typed.expr.ty, target) || (is_literal && *target == SqlType::Varchar) => {
            Ok(cast_expr(Expr::new(kind, typed.expr.ty), target))
        }
        _ => Err(mismatch(&typed.expr.ty, target, tree)),
    }
}

/// The common type of all items whose type is not open to change; of all, if there are only such.
fn firm_type(items: &[Typed], trees: &[&ast::Expr]) -> Result<Option<SqlType>> {
    let typed = || items.iter().zip(trees).filter(|(typed, _)| !typed.is_null);
    let firm: Vec<_> = typed().filter(|(typed, _)| !has_text_literal(&typed.expr)).collect();
    let deciding: Vec<_> = if firm.is_empty() { typed().collect() } else { firm };
    let is_literal = |typed: &Typed| matches!(typed.expr.kind, ExprKind::Literal(_));
    if deciding.iter().any(|(typed, _)| typed.expr.ty == SqlType::Varchar)
        && deciding.iter().all(|(typed, _)| typed.expr.ty == SqlType::Varchar || is_literal(typed))
    {
        return Ok(Some(SqlType::Varchar));
    }
    let mut common: Option<SqlType> = None;
    for (typed, tree) in deciding {
        common = Some(match common {
            None => typed.expr.ty.clone(),
            Some(so_far) => cast::common_type(&so_far, &typed.expr.ty).ok_or_else(|| mismatch(&typed.expr.ty, &so_far, tree))?,
        });
    }
    Ok(common)
}

fn has_text_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Value::Varchar(_)) => true,
        ExprKind::Array(items) | ExprKind::Struct(items) => items.iter().any(has_text_literal),
        ExprKind::Map(entries) => entries.iter().any(|(k, v)| has_text_literal(k) || has_text_literal(v)),
        _ => false,
    }
}

fn retyped(expr: Expr) -> Typed {
    let is_null = matches!(expr.kind, ExprKind::Literal(Value::Null));
    Typed { expr, is_null }
}

/// The narrowest type of the number that a text holds.
fn number_type(text: &str) -> Option<SqlType> {
    let text = text.trim();
    if text.parse::<i32>().is_ok() {
        return Some(SqlType::Integer);
    }
    if text.parse::<i64>().is_ok() {
        return Some(SqlType::Bigint);
    }
    literal_type(&Value::Decimal(text.parse::<Decimal>().ok()?)).map(|ty| match ty {
        SqlType::Decimal { precision, scale: 0 } => SqlType::decimal(precision, 0),
        ty => ty,
    })
}

fn unreadable(text: &str, target: &SqlType, tree: &ast::Expr) -> PlanError {
    PlanError::at(tree.span, format!("The text '{text}' stands beside values of type {target}, but cannot be read as one."))
}

fn mismatch(found: &SqlType, wanted: &SqlType, tree: &ast::Expr) -> PlanError {
    let message = format!("{} is {found}, which does not go with {wanted}. CAST it.", format_expression(tree));
    PlanError::at(tree.span, message)
}
