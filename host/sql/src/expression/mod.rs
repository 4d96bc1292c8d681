//! Expressions: operators by precedence, weakest first.
//!
//! `OR`, `AND`, `NOT`, one predicate (comparisons do not chain), `||`, `+ -`, `* / %`, sign, `AT TIME ZONE`, then
//! [`primary`]. A value expression starts at `||`: GROUP BY, PARTITION BY and VALUES take those alone, and a predicate
//! inside needs parentheses.

pub(crate) mod literal;
mod predicate;
mod primary;
pub(crate) mod text;

use crate::ast::{ArithmeticOp, Expr, ExprKind};
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};

/// How tightly an operator binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binding {
    Or,
    And,
    Not,
    Predicate,
    Concat,
    Sum,
    Product,
    Sign,
    Zone,
}

/// Any expression.
pub(crate) fn expression(p: &mut Parser) -> Parsing<Expr> {
    bound(p, Binding::Or)
}

/// An expression without a logical operator or predicate outside parentheses.
pub(crate) fn value_expression(p: &mut Parser) -> Parsing<Expr> {
    bound(p, Binding::Concat)
}

/// An expression whose operators bind at least as tightly as `min`.
fn bound(p: &mut Parser, min: Binding) -> Parsing<Expr> {
    p.nested(|p| climb(p, min))
}

fn climb(p: &mut Parser, min: Binding) -> Parsing<Expr> {
    let start = p.start();
    let negation = p.is("NOT");
    let mut left = prefix(p, min)?;
    // What has one predicate takes no second: `a = b = c` is no expression.
    let mut max = if negation { Binding::And } else { Binding::Zone };
    while let Some(binding) = operator(p)
        && binding >= min
        && binding <= max
    {
        let height = p.height;
        left = match binding {
            Binding::Or => logical(p, left, Binding::Or)?,
            Binding::And => logical(p, left, Binding::And)?,
            Binding::Predicate => {
                max = Binding::And;
                predicate::predicate(p, left, start)?
            }
            Binding::Zone => zone(p, left, start)?,
            _ => arithmetic(p, left, binding)?,
        };
        let height = height.max(p.height) + 1;
        p.set_height(height)?;
    }
    Ok(left)
}

/// The binding of the operator that is next, if one is.
fn operator(p: &Parser) -> Option<Binding> {
    match p.peek() {
        TokenKind::Symbol(symbol) => match symbol {
            Symbol::Concat => Some(Binding::Concat),
            Symbol::Plus | Symbol::Minus => Some(Binding::Sum),
            Symbol::Star | Symbol::Slash | Symbol::Percent => Some(Binding::Product),
            Symbol::Equal | Symbol::NotEqual | Symbol::Less | Symbol::LessOrEqual | Symbol::Greater | Symbol::GreaterOrEqual => {
                Some(Binding::Predicate)
            }
            _ => None,
        },
        TokenKind::Word { folded, quoted: false } => match folded.as_str() {
            "OR" => Some(Binding::Or),
            "AND" => Some(Binding::And),
            "IS" | "BETWEEN" | "IN" | "LIKE" => Some(Binding::Predicate),
            "NOT" if ["BETWEEN", "IN", "LIKE"].iter().any(|w| p.is_at(1, w)) => Some(Binding::Predicate),
            "AT" => Some(Binding::Zone),
            _ => None,
        },
        _ => None,
    }
}

/// A sign or NOT, else a primary.
fn prefix(p: &mut Parser, min: Binding) -> Parsing<Expr> {
    let start = p.start();
    if p.is("NOT") {
        if min > Binding::Not {
            return Err(p.fault_here("NOT cannot stand here: put the condition in parentheses".into()));
        }
        p.advance();
        let operand = bound(p, Binding::Not)?;
        let span = p.span_from(start);
        let height = p.height + 1;
        p.set_height(height)?;
        return Ok(Expr { kind: negate(operand), span });
    }
    if p.is_symbol(Symbol::Minus) {
        if let TokenKind::Number(_) = p.peek_at(1) {
            return primary::postfix(p);
        }
        p.advance();
        let operand = bound(p, Binding::Sign)?;
        let height = p.height + 1;
        p.set_height(height)?;
        return Ok(Expr { kind: ExprKind::Negate(Box::new(operand)), span: p.span_from(start) });
    }
    if p.take_symbol(Symbol::Plus) {
        let operand = bound(p, Binding::Sign)?;
        let height = p.height + 1;
        p.set_height(height)?;
        return Ok(Expr { kind: ExprKind::Plus(Box::new(operand)), span: p.span_from(start) });
    }
    primary::postfix(p)
}

/// `NOT x IN (…)` and `x NOT IN (…)` are one thing, as in ksqlDB's tree; so are those of LIKE and BETWEEN.
fn negate(operand: Expr) -> ExprKind {
    match operand.kind {
        ExprKind::Between { negated: false, operand, low, high } => ExprKind::Between { negated: true, operand, low, high },
        ExprKind::In { negated: false, operand, list } => ExprKind::In { negated: true, operand, list },
        ExprKind::Like { negated: false, operand, pattern, escape } => ExprKind::Like { negated: true, operand, pattern, escape },
        kind => ExprKind::Not(Box::new(Expr { kind, span: operand.span })),
    }
}

fn logical(p: &mut Parser, left: Expr, binding: Binding) -> Parsing<Expr> {
    p.advance();
    let right = bound(p, if binding == Binding::Or { Binding::And } else { Binding::Not })?;
    let span = left.span.to(right.span);
    let (left, right) = (Box::new(left), Box::new(right));
    let kind = if binding == Binding::Or { ExprKind::Or(left, right) } else { ExprKind::And(left, right) };
    Ok(Expr { kind, span })
}

fn arithmetic(p: &mut Parser, left: Expr, binding: Binding) -> Parsing<Expr> {
    let TokenKind::Symbol(symbol) = *p.peek() else { return Err(p.expected("an operator")) };
    p.advance();
    let tighter = match binding {
        Binding::Concat => Binding::Sum,
        Binding::Sum => Binding::Product,
        _ => Binding::Sign,
    };
    let right = bound(p, tighter)?;
    let span = left.span.to(right.span);
    let (left, right) = (Box::new(left), Box::new(right));
    let op = match symbol {
        Symbol::Plus => ArithmeticOp::Add,
        Symbol::Minus => ArithmeticOp::Subtract,
        Symbol::Star => ArithmeticOp::Multiply,
        Symbol::Slash => ArithmeticOp::Divide,
        Symbol::Percent => ArithmeticOp::Modulo,
        _ => return Ok(Expr { kind: ExprKind::Concat { left, right }, span }),
    };
    Ok(Expr { kind: ExprKind::Arithmetic { op, left, right }, span })
}

/// `AT TIME ZONE 'z'`
fn zone(p: &mut Parser, operand: Expr, start: usize) -> Parsing<Expr> {
    p.advance();
    p.expect("TIME", "after AT")?;
    p.expect("ZONE", "after AT TIME")?;
    let zone = p.text_literal("a time zone")?.node;
    // The height of what was just parsed is the operand's: nothing else was.
    Ok(Expr { kind: ExprKind::AtTimeZone { operand: Box::new(operand), zone }, span: p.span_from(start) })
}
