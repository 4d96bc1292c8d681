//! Comparisons, BETWEEN, IN, LIKE, IS NULL, IS DISTINCT FROM.

use super::{expression, value_expression};
use crate::ast::{CompareOp, Expr, ExprKind};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// The predicate over `left` that is next.
#[inline(never)]
pub(super) fn predicate(p: &mut Parser, left: Expr, start: usize) -> Parsing<Expr> {
    let operand = Box::new(left);
    let kind = if let TokenKind::Symbol(symbol) = *p.peek() {
        comparison(p, operand, symbol)?
    } else if p.take("IS") {
        is(p, operand)?
    } else {
        let negated = p.take("NOT");
        if p.take("BETWEEN") {
            let low = Box::new(value_expression(p)?);
            let height = p.height;
            p.expect("AND", "between the bounds of BETWEEN")?;
            let high = Box::new(value_expression(p)?);
            p.height = p.height.max(height);
            ExprKind::Between { negated, operand, low, high }
        } else if p.take("IN") {
            list(p, operand, negated)?
        } else {
            p.expect("LIKE", "after NOT")?;
            like(p, operand, negated)?
        }
    };
    Ok(Expr { kind, span: p.span_from(start) })
}

fn comparison(p: &mut Parser, left: Box<Expr>, symbol: Symbol) -> Parsing<ExprKind> {
    let op = match symbol {
        Symbol::Equal => CompareOp::Equal,
        Symbol::NotEqual => CompareOp::NotEqual,
        Symbol::Less => CompareOp::Less,
        Symbol::LessOrEqual => CompareOp::LessOrEqual,
        Symbol::Greater => CompareOp::Greater,
        _ => CompareOp::GreaterOrEqual,
    };
    p.advance();
    Ok(ExprKind::Compare { op, left, right: Box::new(value_expression(p)?) })
}

fn is(p: &mut Parser, operand: Box<Expr>) -> Parsing<ExprKind> {
    let negated = p.take("NOT");
    if p.take("NULL") {
        p.height = 0;
        return Ok(ExprKind::IsNull { negated, operand });
    }
    if !p.take("DISTINCT") {
        return Err(p.expected_words(&["NULL", "DISTINCT"], if negated { "after IS NOT" } else { "after IS" }));
    }
    p.expect("FROM", "after IS DISTINCT")?;
    let op = if negated { CompareOp::IsNotDistinctFrom } else { CompareOp::IsDistinctFrom };
    Ok(ExprKind::Compare { op, left: operand, right: Box::new(value_expression(p)?) })
}

fn list(p: &mut Parser, operand: Box<Expr>, negated: bool) -> Parsing<ExprKind> {
    let mut height = 0;
    let list = p.parenthesised("the values of IN", |p| {
        let element = expression(p)?;
        height = height.max(p.height);
        Ok(element)
    })?;
    p.height = height;
    Ok(ExprKind::In { negated, operand, list })
}

fn like(p: &mut Parser, operand: Box<Expr>, negated: bool) -> Parsing<ExprKind> {
    let pattern = Box::new(value_expression(p)?);
    let mut escape = None;
    if p.take("ESCAPE") {
        let start = p.start();
        let text = p.text_literal("the escape character of LIKE")?.node;
        let mut chars = text.chars();
        escape = match (chars.next(), chars.next()) {
            (Some(c), None) => Some(c),
            _ => return Err(p.fault_from(start, format!("the escape of LIKE must be one character, '{text}' is not"))),
        };
    }
    Ok(ExprKind::Like { negated, operand, pattern, escape })
}
