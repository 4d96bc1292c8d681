//! Expressions as text, as ksqlDB prints them: every operator in parentheses.

use super::literal::{format_value, separated};
use crate::ast::{ArithmeticOp, CompareOp, Expr, ExprKind, Name};
use crate::keywords::{in_backticks, quote_name, quote_text, time_unit};
use crate::types::format_type;

pub(crate) fn format(out: &mut String, expr: &Expr) {
    match &expr.kind {
        ExprKind::Literal(value) => format_value(out, value),
        ExprKind::Column { source: Some(source), name } => {
            out.push_str(&quote_name(&source.node));
            out.push('.');
            out.push_str(&quote_name(&name.node));
        }
        ExprKind::Column { source: None, name } => out.push_str(&column_text(name)),
        ExprKind::Field { base, field } => {
            format_base(out, base);
            out.push_str("->");
            out.push_str(&quote_name(&field.node));
        }
        ExprKind::Subscript { base, index } => {
            format_base(out, base);
            out.push('[');
            format(out, index);
            out.push(']');
        }
        ExprKind::Arithmetic { op, left, right } => binary(out, left, arithmetic_text(*op), right),
        ExprKind::Concat { left, right } => binary(out, left, "||", right),
        ExprKind::Compare { op, left, right } => binary(out, left, compare_text(*op), right),
        ExprKind::And(left, right) => binary(out, left, "AND", right),
        ExprKind::Or(left, right) => binary(out, left, "OR", right),
        ExprKind::Not(operand) => {
            out.push_str("(NOT ");
            format(out, operand);
            out.push(')');
        }
        ExprKind::Negate(operand) => negate(out, operand),
        ExprKind::Plus(operand) => {
            out.push('+');
            format(out, operand);
        }
        ExprKind::IsNull { negated, operand } => {
            out.push('(');
            format(out, operand);
            out.push_str(if *negated { " IS NOT NULL)" } else { " IS NULL)" });
        }
        ExprKind::Between { negated, operand, low, high } => negatable(out, *negated, |out| {
            format(out, operand);
            out.push_str(" BETWEEN ");
            format(out, low);
            out.push_str(" AND ");
            format(out, high);
        }),
        ExprKind::In { negated, operand, list } => negatable(out, *negated, |out| {
            format(out, operand);
            out.push_str(" IN (");
            separated(out, list, format);
            out.push(')');
        }),
        ExprKind::Like { negated, operand, pattern, escape } => negatable(out, *negated, |out| {
            format(out, operand);
            out.push_str(" LIKE ");
            format(out, pattern);
            if let Some(escape) = escape {
                out.push_str(" ESCAPE ");
                out.push_str(&quote_text(&escape.to_string()));
            }
        }),
        ExprKind::SearchedCase { branches, otherwise } => case(out, None, branches, otherwise.as_deref()),
        ExprKind::SimpleCase { operand, branches, otherwise } => case(out, Some(operand), branches, otherwise.as_deref()),
        ExprKind::Cast { operand, ty } => {
            out.push_str("CAST(");
            format(out, operand);
            out.push_str(" AS ");
            format_type(out, ty);
            out.push(')');
        }
        ExprKind::Call { name, star: true, .. } => {
            out.push_str(&function_text(name));
            out.push_str("(*)");
        }
        ExprKind::Call { name, arguments, star: false } => {
            out.push_str(&function_text(name));
            out.push('(');
            separated(out, arguments, format);
            out.push(')');
        }
        ExprKind::Lambda { parameters, body } => {
            out.push('(');
            separated(out, parameters, |out, parameter| out.push_str(&quote_name(&parameter.node)));
            out.push_str(") => ");
            format(out, body);
        }
        ExprKind::IntervalUnit(unit) => out.push_str(unit),
        ExprKind::Array(elements) => {
            out.push_str("ARRAY[");
            separated(out, elements, format);
            out.push(']');
        }
        ExprKind::Map(entries) => {
            out.push_str("MAP(");
            separated(out, entries, |out, (key, value)| {
                format(out, key);
                out.push_str(":=");
                format(out, value);
            });
            out.push(')');
        }
        ExprKind::Struct(fields) => {
            out.push_str("STRUCT(");
            separated(out, fields, |out, (name, value)| {
                out.push_str(&quote_name(&name.node));
                out.push_str(":=");
                format(out, value);
            });
            out.push(')');
        }
        ExprKind::AtTimeZone { operand, zone } => {
            out.push('(');
            format_base(out, operand);
            out.push_str(" AT TIME ZONE ");
            out.push_str(&quote_text(zone));
            out.push(')');
        }
    }
}

fn binary(out: &mut String, left: &Expr, op: &str, right: &Expr) {
    out.push('(');
    format(out, left);
    out.push(' ');
    out.push_str(op);
    out.push(' ');
    format(out, right);
    out.push(')');
}

/// ksqlDB's tree has NOT around these predicates.
fn negatable(out: &mut String, negated: bool, write: impl FnOnce(&mut String)) {
    out.push_str(if negated { "(NOT (" } else { "(" });
    write(out);
    out.push_str(if negated { "))" } else { ")" });
}

/// A minus, so that it neither becomes part of a number nor, with another, a comment.
fn negate(out: &mut String, operand: &Expr) {
    let mut text = String::new();
    format(&mut text, operand);
    if text.starts_with('-') {
        out.push_str("- ");
        out.push_str(&text);
    } else if text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        out.push_str(&format!("-({text})"));
    } else {
        out.push('-');
        out.push_str(&text);
    }
}

fn case(out: &mut String, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) {
    out.push_str("(CASE");
    if let Some(operand) = operand {
        out.push(' ');
        format(out, operand);
    }
    for (condition, result) in branches {
        out.push_str(" WHEN ");
        format(out, condition);
        out.push_str(" THEN ");
        format(out, result);
    }
    if let Some(otherwise) = otherwise {
        out.push_str(" ELSE ");
        format(out, otherwise);
    }
    out.push_str(" END)");
}

/// What stands before `->` and `[`: signs and literals need parentheses there, other operators have them.
fn format_base(out: &mut String, base: &Expr) {
    let bare = match &base.kind {
        ExprKind::Literal(_) | ExprKind::Negate(_) | ExprKind::Plus(_) | ExprKind::Lambda { .. } => false,
        ExprKind::IntervalUnit(_) => false,
        // A column of this name before a bracket would read as the constructor.
        _ => true,
    };
    if !bare {
        out.push('(');
    }
    format(out, base);
    if !bare {
        out.push(')');
    }
}

/// An unqualified column. Names that would read as something else where they stand are quoted.
fn column_text(name: &Name) -> String {
    if name.node == "ARRAY" || time_unit(&name.node).is_some() { in_backticks(&name.node) } else { quote_name(&name.node) }
}

/// A function's name. Constructors that are grammar would not read back as calls.
fn function_text(name: &Name) -> String {
    if matches!(name.node.as_str(), "MAP" | "STRUCT") { in_backticks(&name.node) } else { quote_name(&name.node) }
}

fn arithmetic_text(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Subtract => "-",
        ArithmeticOp::Multiply => "*",
        ArithmeticOp::Divide => "/",
        ArithmeticOp::Modulo => "%",
    }
}

fn compare_text(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessOrEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterOrEqual => ">=",
        CompareOp::IsDistinctFrom => "IS DISTINCT FROM",
        CompareOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
    }
}
