//! Walking and renumbering typed expressions.

use crate::expression::{Expr, ExprKind};

/// Visits an expression and everything below it.
pub(crate) fn visit(expr: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(expr);
    match &expr.kind {
        ExprKind::Literal(_)
        | ExprKind::Column(_)
        | ExprKind::WindowStart
        | ExprKind::WindowEnd
        | ExprKind::Rowtime
        | ExprKind::Parameter(_) => {}
        ExprKind::Call { arguments: items, .. } | ExprKind::Array(items) | ExprKind::Struct(items) => {
            items.iter().for_each(|e| visit(e, f));
        }
        ExprKind::Lambda { body: e, .. }
        | ExprKind::Cast(e)
        | ExprKind::Negate(e)
        | ExprKind::Not(e)
        | ExprKind::IsNull(e)
        | ExprKind::Field { base: e, .. } => visit(e, f),
        ExprKind::Arithmetic { left: a, right: b, .. }
        | ExprKind::Compare { left: a, right: b, .. }
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Like { operand: a, pattern: b, .. }
        | ExprKind::Subscript { base: a, index: b } => {
            visit(a, f);
            visit(b, f);
        }
        ExprKind::In { operand, list } => {
            visit(operand, f);
            list.iter().for_each(|e| visit(e, f));
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                visit(condition, f);
                visit(value, f);
            }
            if let Some(e) = otherwise {
                visit(e, f);
            }
        }
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                visit(key, f);
                visit(value, f);
            }
        }
    }
}

/// Changes every node of an expression.
pub(crate) fn visit_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    f(expr);
    match &mut expr.kind {
        ExprKind::Literal(_)
        | ExprKind::Column(_)
        | ExprKind::WindowStart
        | ExprKind::WindowEnd
        | ExprKind::Rowtime
        | ExprKind::Parameter(_) => {}
        ExprKind::Call { arguments: items, .. } | ExprKind::Array(items) | ExprKind::Struct(items) => {
            items.iter_mut().for_each(|e| visit_mut(e, f));
        }
        ExprKind::Lambda { body: e, .. }
        | ExprKind::Cast(e)
        | ExprKind::Negate(e)
        | ExprKind::Not(e)
        | ExprKind::IsNull(e)
        | ExprKind::Field { base: e, .. } => visit_mut(e, f),
        ExprKind::Arithmetic { left: a, right: b, .. }
        | ExprKind::Compare { left: a, right: b, .. }
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Like { operand: a, pattern: b, .. }
        | ExprKind::Subscript { base: a, index: b } => {
            visit_mut(a, f);
            visit_mut(b, f);
        }
        ExprKind::In { operand, list } => {
            visit_mut(operand, f);
            list.iter_mut().for_each(|e| visit_mut(e, f));
        }
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                visit_mut(condition, f);
                visit_mut(value, f);
            }
            if let Some(e) = otherwise {
                visit_mut(e, f);
            }
        }
        ExprKind::Map(entries) => {
            for (key, value) in entries {
                visit_mut(key, f);
                visit_mut(value, f);
            }
        }
    }
}
