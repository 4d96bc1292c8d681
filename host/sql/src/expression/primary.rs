//! What operators join: literals, columns, calls, constructors, CASE, CAST, and `[…]` and `->` behind them.

use super::{expression, literal, value_expression};
use crate::ast::{Expr, ExprKind, Name};
use crate::keywords::time_unit;
use crate::parser::{Parser, Parsing};
use crate::token::{Symbol, TokenKind};
use crate::types::type_name;

/// A primary with its subscripts and dereferences.
pub(super) fn postfix(p: &mut Parser) -> Parsing<Expr> {
    let start = p.start();
    let mut base = primary(p)?;
    loop {
        let height = p.height;
        if p.is_symbol(Symbol::OpenBracket) {
            p.advance();
            let index = value_expression(p)?;
            p.expect_symbol(Symbol::CloseBracket, "']' after the subscript")?;
            let height = height.max(p.height) + 1;
            p.set_height(height)?;
            let kind = ExprKind::Subscript { base: Box::new(base), index: Box::new(index) };
            base = Expr { kind, span: p.span_from(start) };
        } else if p.is_symbol(Symbol::Arrow) && !p.is_symbol_at(1, Symbol::Star) {
            p.advance();
            let field = p.name("a field's name after '->'")?;
            p.set_height(height + 1)?;
            base = Expr { kind: ExprKind::Field { base: Box::new(base), field }, span: p.span_from(start) };
        } else {
            return Ok(base);
        }
    }
}

fn primary(p: &mut Parser) -> Parsing<Expr> {
    let start = p.start();
    p.height = 1;
    if let Some(literal) = literal::literal_if_next(p)? {
        return Ok(Expr { kind: ExprKind::Literal(literal.value), span: literal.span });
    }
    match p.peek() {
        TokenKind::Symbol(Symbol::OpenParen) => {
            p.advance();
            let mut inner = expression(p)?;
            if p.is_symbol(Symbol::Comma) {
                return Err(p.fault_here("a list of values in parentheses is no expression: use ARRAY[…] or STRUCT(…)".into()));
            }
            p.expect_symbol(Symbol::CloseParen, "')' or an operator")?;
            inner.span = p.span_from(start);
            Ok(inner)
        }
        TokenKind::Word { folded, quoted: false } => match folded.as_str() {
            "CASE" => case(p, start),
            "CAST" => cast(p, start),
            "ARRAY" if p.is_symbol_at(1, Symbol::OpenBracket) => array(p, start),
            "MAP" if p.is_symbol_at(1, Symbol::OpenParen) => map(p, start),
            "STRUCT" if p.is_symbol_at(1, Symbol::OpenParen) => structure(p, start),
            _ => named(p, start),
        },
        TokenKind::Word { .. } => named(p, start),
        TokenKind::Symbol(Symbol::Star) => {
            Err(p.fault_here("'*' cannot stand here: it is a whole select item, or COUNT(*)".into()))
        }
        _ => Err(p.expected("an expression")),
    }
}

/// Collects child expressions and the height of the tallest.
struct Children(usize);

impl Children {
    fn parse(&mut self, p: &mut Parser, rule: fn(&mut Parser) -> Parsing<Expr>) -> Parsing<Expr> {
        let child = rule(p)?;
        self.0 = self.0.max(p.height);
        Ok(child)
    }

    /// The expression over the children.
    fn parent(self, p: &mut Parser, kind: ExprKind, start: usize) -> Parsing<Expr> {
        p.set_height(self.0 + 1)?;
        Ok(Expr { kind, span: p.span_from(start) })
    }
}

#[inline(never)]
fn case(p: &mut Parser, start: usize) -> Parsing<Expr> {
    p.advance();
    let mut children = Children(0);
    let operand = if p.is("WHEN") { None } else { Some(Box::new(children.parse(p, value_expression)?)) };
    let mut branches = Vec::new();
    while p.take("WHEN") {
        let condition = children.parse(p, expression)?;
        p.expect("THEN", "after the condition of WHEN")?;
        branches.push((condition, children.parse(p, expression)?));
    }
    if branches.is_empty() {
        return Err(p.expected_words(&["WHEN"], "after CASE"));
    }
    let otherwise = if p.take("ELSE") { Some(Box::new(children.parse(p, expression)?)) } else { None };
    if !p.take("END") {
        let words: &[&str] = if otherwise.is_some() { &["END"] } else { &["WHEN", "ELSE", "END"] };
        return Err(p.expected_words(words, "in CASE"));
    }
    let kind = match operand {
        Some(operand) => ExprKind::SimpleCase { operand, branches, otherwise },
        None => ExprKind::SearchedCase { branches, otherwise },
    };
    children.parent(p, kind, start)
}

#[inline(never)]
fn cast(p: &mut Parser, start: usize) -> Parsing<Expr> {
    p.advance();
    let mut children = Children(0);
    p.expect_symbol(Symbol::OpenParen, "'(' after CAST")?;
    let operand = Box::new(children.parse(p, expression)?);
    p.expect("AS", "before the type of CAST")?;
    let ty = type_name(p)?;
    p.expect_symbol(Symbol::CloseParen, "')' after the type of CAST")?;
    children.parent(p, ExprKind::Cast { operand, ty }, start)
}

#[inline(never)]
fn array(p: &mut Parser, start: usize) -> Parsing<Expr> {
    p.advance();
    p.advance();
    let mut children = Children(0);
    let mut elements = Vec::new();
    if !p.is_symbol(Symbol::CloseBracket) {
        elements = p.list(|p| children.parse(p, expression))?;
    }
    p.expect_symbol(Symbol::CloseBracket, "',' or ']' after the elements of ARRAY")?;
    children.parent(p, ExprKind::Array(elements), start)
}

#[inline(never)]
fn map(p: &mut Parser, start: usize) -> Parsing<Expr> {
    p.advance();
    p.advance();
    let mut children = Children(0);
    let mut entries = Vec::new();
    if !p.is_symbol(Symbol::CloseParen) {
        entries = p.list(|p| {
            let key = children.parse(p, expression)?;
            p.expect_symbol(Symbol::Assign, "':=' between a key and its value in MAP")?;
            Ok((key, children.parse(p, expression)?))
        })?;
    }
    p.expect_symbol(Symbol::CloseParen, "',' or ')' after the entries of MAP")?;
    children.parent(p, ExprKind::Map(entries), start)
}

#[inline(never)]
fn structure(p: &mut Parser, start: usize) -> Parsing<Expr> {
    p.advance();
    p.advance();
    let mut children = Children(0);
    let mut fields = Vec::new();
    if !p.is_symbol(Symbol::CloseParen) {
        fields = p.list(|p| {
            let name = p.name("a field's name in STRUCT")?;
            p.expect_symbol(Symbol::Assign, "':=' between a field's name and its value in STRUCT")?;
            Ok((name, children.parse(p, expression)?))
        })?;
    }
    p.expect_symbol(Symbol::CloseParen, "',' or ')' after the fields of STRUCT")?;
    children.parent(p, ExprKind::Struct(fields), start)
}

/// A call or a column.
#[inline(never)]
fn named(p: &mut Parser, start: usize) -> Parsing<Expr> {
    let name = p.name("an expression")?;
    if p.is_symbol(Symbol::OpenParen) {
        return call(p, name, start);
    }
    let kind = if p.is_symbol(Symbol::Period) && !p.is_symbol_at(1, Symbol::Star) {
        p.advance();
        let column = p.name("a column's name after '.'")?;
        if p.is_symbol(Symbol::Period) {
            return Err(p.fault_here("a column has one qualifier, its source: fields of a STRUCT are reached with '->'".into()));
        }
        ExprKind::Column { source: Some(name), name: column }
    } else {
        ExprKind::Column { source: None, name }
    };
    p.height = 1;
    Ok(Expr { kind, span: p.span_from(start) })
}

fn call(p: &mut Parser, mut name: Name, start: usize) -> Parsing<Expr> {
    p.advance();
    // Function names know no case, quoted or not.
    name.node = name.node.to_uppercase();
    let mut children = Children(0);
    let mut arguments = Vec::new();
    let mut star = false;
    if p.is_symbol(Symbol::Star) && p.is_symbol_at(1, Symbol::CloseParen) {
        p.advance();
        star = true;
    } else if !p.is_symbol(Symbol::CloseParen) {
        let mut first = true;
        arguments = p.list(|p| {
            let unit = if std::mem::take(&mut first) { interval_unit(p) } else { None };
            match unit {
                Some(unit) => Ok(unit),
                None => children.parse(p, argument),
            }
        })?;
    }
    p.expect_symbol(Symbol::CloseParen, "',' or ')' after the arguments of a function")?;
    children.parent(p, ExprKind::Call { name, arguments, star }, start)
}

/// A bare unit of time as the first of several arguments is that unit, not a column.
fn interval_unit(p: &mut Parser) -> Option<Expr> {
    let TokenKind::Word { folded, quoted: false } = p.peek() else { return None };
    let (unit, _) = time_unit(folded)?;
    if !p.is_symbol_at(1, Symbol::Comma) {
        return None;
    }
    let start = p.start();
    p.advance();
    Some(Expr { kind: ExprKind::IntervalUnit(unit.to_owned()), span: p.span_from(start) })
}

/// An argument of a call: an expression or a lambda.
fn argument(p: &mut Parser) -> Parsing<Expr> {
    let start = p.start();
    if p.is_name() && p.is_symbol_at(1, Symbol::LambdaArrow) {
        let parameter = p.name("a lambda's parameter")?;
        return lambda(p, vec![parameter], start);
    }
    if is_lambda(p) {
        let parameters = p.parenthesised("a lambda's parameters", |p| p.name("a lambda's parameter"))?;
        return lambda(p, parameters, start);
    }
    expression(p)
}

/// Is `(a, b) =>` next?
fn is_lambda(p: &Parser) -> bool {
    if !p.is_symbol(Symbol::OpenParen) {
        return false;
    }
    let mut ahead = 1;
    loop {
        if !matches!(p.peek_at(ahead), TokenKind::Word { .. }) {
            return false;
        }
        match p.peek_at(ahead + 1) {
            TokenKind::Symbol(Symbol::Comma) => ahead += 2,
            TokenKind::Symbol(Symbol::CloseParen) => return p.is_symbol_at(ahead + 2, Symbol::LambdaArrow),
            _ => return false,
        }
    }
}

fn lambda(p: &mut Parser, parameters: Vec<Name>, start: usize) -> Parsing<Expr> {
    p.advance();
    let mut children = Children(0);
    let body = Box::new(children.parse(p, expression)?);
    children.parent(p, ExprKind::Lambda { parameters, body }, start)
}
