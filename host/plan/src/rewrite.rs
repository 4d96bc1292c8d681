//! Walking and rebuilding syntax trees of expressions.

use calzone_sql::ast::{Expr, ExprKind};

use crate::error::Result;

/// The same expression with each direct child replaced by what `f` makes of it.
pub(crate) fn map_children(expr: &Expr, f: &mut dyn FnMut(&Expr) -> Result<Expr>) -> Result<Expr> {
    use ExprKind::*;
    let mut boxed = |e: &Expr| -> Result<Box<Expr>> { Ok(Box::new(f(e)?)) };
    let kind = match &expr.kind {
        Literal(_) | Column { .. } | IntervalUnit(_) => expr.kind.clone(),
        Field { base, field } => Field { base: boxed(base)?, field: field.clone() },
        Subscript { base, index } => Subscript { base: boxed(base)?, index: boxed(index)? },
        Arithmetic { op, left, right } => Arithmetic { op: *op, left: boxed(left)?, right: boxed(right)? },
        Negate(e) => Negate(boxed(e)?),
        Plus(e) => Plus(boxed(e)?),
        Concat { left, right } => Concat { left: boxed(left)?, right: boxed(right)? },
        Compare { op, left, right } => Compare { op: *op, left: boxed(left)?, right: boxed(right)? },
        And(a, b) => And(boxed(a)?, boxed(b)?),
        Or(a, b) => Or(boxed(a)?, boxed(b)?),
        Not(e) => Not(boxed(e)?),
        IsNull { negated, operand } => IsNull { negated: *negated, operand: boxed(operand)? },
        Between { negated, operand, low, high } => {
            Between { negated: *negated, operand: boxed(operand)?, low: boxed(low)?, high: boxed(high)? }
        }
        In { negated, operand, list } => {
            In { negated: *negated, operand: boxed(operand)?, list: list.iter().map(f).collect::<Result<_>>()? }
        }
        Like { negated, operand, pattern, escape } => {
            Like { negated: *negated, operand: boxed(operand)?, pattern: boxed(pattern)?, escape: *escape }
        }
        SearchedCase { branches, otherwise } => SearchedCase {
            branches: branches.iter().map(|(c, v)| Ok((f(c)?, f(v)?))).collect::<Result<_>>()?,
            otherwise: otherwise.as_ref().map(|e| f(e).map(Box::new)).transpose()?,
        },
        SimpleCase { operand, branches, otherwise } => SimpleCase {
            operand: boxed(operand)?,
            branches: branches.iter().map(|(c, v)| Ok((f(c)?, f(v)?))).collect::<Result<_>>()?,
            otherwise: otherwise.as_ref().map(|e| f(e).map(Box::new)).transpose()?,
        },
        Cast { operand, ty } => Cast { operand: boxed(operand)?, ty: ty.clone() },
        Call { name, arguments, star } => {
            Call { name: name.clone(), arguments: arguments.iter().map(f).collect::<Result<_>>()?, star: *star }
        }
        Lambda { parameters, body } => Lambda { parameters: parameters.clone(), body: boxed(body)? },
        Array(items) => Array(items.iter().map(f).collect::<Result<_>>()?),
        Map(entries) => Map(entries.iter().map(|(k, v)| Ok((f(k)?, f(v)?))).collect::<Result<_>>()?),
        Struct(fields) => Struct(fields.iter().map(|(n, e)| Ok((n.clone(), f(e)?))).collect::<Result<_>>()?),
        AtTimeZone { operand, zone } => AtTimeZone { operand: boxed(operand)?, zone: zone.clone() },
    };
    Ok(Expr { kind, span: expr.span })
}

/// The direct children of an expression.
pub(crate) fn children(expr: &Expr) -> Vec<&Expr> {
    use ExprKind::*;
    match &expr.kind {
        Literal(_) | Column { .. } | IntervalUnit(_) => Vec::new(),
        Field { base: e, .. } | Negate(e) | Plus(e) | Not(e) | IsNull { operand: e, .. } | Cast { operand: e, .. } => vec![e],
        Lambda { body: e, .. } | AtTimeZone { operand: e, .. } => vec![e],
        Subscript { base: a, index: b } | Concat { left: a, right: b } | And(a, b) | Or(a, b) => vec![a, b],
        Arithmetic { left: a, right: b, .. } | Compare { left: a, right: b, .. } => vec![a, b],
        Like { operand, pattern, .. } => vec![operand, pattern],
        Between { operand, low, high, .. } => vec![operand, low, high],
        In { operand, list, .. } => std::iter::once(&**operand).chain(list).collect(),
        SearchedCase { branches, otherwise } => branches.iter().flat_map(|(c, v)| [c, v]).chain(otherwise.as_deref()).collect(),
        SimpleCase { operand, branches, otherwise } => {
            std::iter::once(&**operand).chain(branches.iter().flat_map(|(c, v)| [c, v])).chain(otherwise.as_deref()).collect()
        }
        Call { arguments, .. } | Array(arguments) => arguments.iter().collect(),
        Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        Struct(fields) => fields.iter().map(|(_, e)| e).collect(),
    }
}

/// Visits an expression and everything below it, outermost first. `f` says whether to go below.
pub(crate) fn visit<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr) -> bool) {
    if f(expr) {
        children(expr).into_iter().for_each(|child| visit(child, f));
    }
}
