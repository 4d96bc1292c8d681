//! Types of expressions: resolves names to positions and calls to functions, and writes implicit conversions out as casts.

use calzone_sql::ast::{self, ArithmeticOp, CompareOp, ExprKind as Tree};
use calzone_sql::format_expression;
use calzone_types::cast;
use calzone_types::{SqlType, Value};

use crate::coercion;
use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::expression::{Expr, ExprKind};
use crate::names::{Clause, ROWTIME, WINDOWEND, WINDOWSTART};
use crate::pseudo_timestamp::parse_partial_timestamp;
use crate::scope::Scope;
use crate::types::resolve_type;
use crate::walk::visit;

/// Nodes an expression may have after BETWEEN and CASE are written out, which repeats their operand. Nested ones would
/// otherwise grow without bound.
const EXPRESSION_NODES_MAX: usize = 100_000;

/// An expression with its type. NULL as a literal has none: its `ty` is a placeholder.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub expr: Expr,
    pub is_null: bool,
}

impl Typed {
    pub(crate) fn new(kind: ExprKind, ty: SqlType) -> Typed {
        Typed { expr: Expr::new(kind, ty), is_null: false }
    }

    pub(crate) fn null() -> Typed {
        Typed { expr: Expr::literal(Value::Null, SqlType::Varchar), is_null: true }
    }

    /// The type as messages print it.
    pub(crate) fn type_text(&self) -> String {
        if self.is_null { "NULL".to_owned() } else { self.expr.ty.to_string() }
    }

    /// A text literal's text.
    pub(crate) fn text_literal(&self) -> Option<&str> {
        match &self.expr.kind {
            ExprKind::Literal(Value::Varchar(text)) => Some(text),
            _ => None,
        }
    }

    /// The expression as `ty`: itself, a typed null, or a cast.
    pub(crate) fn cast_to(self, ty: &SqlType) -> Expr {
        if self.is_null { Expr::literal(Value::Null, ty.clone()) } else { cast_expr(self.expr, ty) }
    }
}

/// The expression as `ty`.
pub(crate) fn cast_expr(expr: Expr, ty: &SqlType) -> Expr {
    if expr.ty == *ty {
        return expr;
    }
    if let ExprKind::Literal(value) = &expr.kind
        && let Ok(value) = cast::cast_value(value, &expr.ty, ty)
    {
        return Expr::literal(value, ty.clone());
    }
    Expr::new(ExprKind::Cast(Box::new(expr)), ty.clone())
}

/// Type of a literal; None for NULL.
pub(crate) fn literal_type(value: &Value) -> Option<SqlType> {
    Some(match value {
        Value::Boolean(_) => SqlType::Boolean,
        Value::Integer(_) => SqlType::Integer,
        Value::Bigint(_) => SqlType::Bigint,
        Value::Double(_) => SqlType::Double,
        // A fraction below one still has a digit before the point: 0.05 is DECIMAL(3, 2).
        Value::Decimal(d) => SqlType::decimal(d.precision().max(d.scale + 1), d.scale),
        Value::Varchar(_) => SqlType::Varchar,
        Value::Bytes(_) => SqlType::Bytes,
        Value::Date(_) => SqlType::Date,
        Value::Time(_) => SqlType::Time,
        Value::Timestamp(_) => SqlType::Timestamp,
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Struct(_) => return None,
    })
}

/// Types expressions of one clause against one scope.
pub(crate) struct Typing<'a> {
    pub ctx: &'a PlanContext<'a>,
    pub scope: &'a Scope,
    pub clause: Clause,
}

/// Parameters of the lambdas around an expression, outermost first.
pub(crate) type Parameters = Vec<(String, SqlType)>;

impl Typing<'_> {
    /// Types an expression; a NULL literal becomes a VARCHAR null.
    pub(crate) fn expression(&self, tree: &ast::Expr) -> Result<Expr> {
        Ok(self.typed(tree)?.expr)
    }

    /// Types an expression that keeps whether it is a NULL literal.
    pub(crate) fn typed(&self, tree: &ast::Expr) -> Result<Typed> {
        self.inside(tree, &mut Vec::new())
    }

    /// Types a condition: it must be BOOLEAN.
    pub(crate) fn condition(&self, tree: &ast::Expr) -> Result<Expr> {
        let typed = self.typed(tree).map_err(|e| e.or_at(tree.span).within(self.clause.as_str()))?;
        self.boolean(typed, tree).map_err(|e| e.within(self.clause.as_str()))
    }

    fn boolean(&self, typed: Typed, tree: &ast::Expr) -> Result<Expr> {
        if typed.is_null {
            return Ok(typed.cast_to(&SqlType::Boolean));
        }
        if typed.expr.ty != SqlType::Boolean {
            let message = format!("{} must be BOOLEAN, but is {}.", format_expression(tree), typed.type_text());
            return Err(PlanError::at(tree.span, message));
        }
        Ok(typed.expr)
    }

    pub(crate) fn inside(&self, tree: &ast::Expr, parameters: &mut Parameters) -> Result<Typed> {
        if let Some(expr) = self.scope.find(tree) {
            return Ok(Typed { expr, is_null: false });
        }
        if let Tree::Column { source: None, name } = &tree.kind
            && let Some(at) = parameters.iter().rposition(|(p, _)| *p == name.node)
        {
            // The innermost lambda's parameter hides outer ones of its name.
            return Ok(Typed::new(ExprKind::Parameter(at), parameters[at].1.clone()));
        }
        let mut sub = |e: &ast::Expr| self.inside(e, parameters);
        match &tree.kind {
            Tree::Literal(Value::Null) => Ok(Typed::null()),
            Tree::Literal(value) => {
                let ty =
                    literal_type(value).ok_or_else(|| PlanError::at(tree.span, "A literal of this type is not possible."))?;
                Ok(Typed::new(ExprKind::Literal(value.clone()), ty))
            }
            Tree::Column { .. } => Err(self.missing_column(tree)),
            Tree::Field { base, field } => field_of(sub(base)?, field, tree),
            Tree::Subscript { base, index } => {
                let (base_typed, index_typed) = (sub(base)?, sub(index)?);
                subscript(base_typed, index_typed, tree)
            }
            Tree::Arithmetic { op, left, right } => {
                let (l, r) = (sub(left)?, sub(right)?);
                arithmetic(*op, l, r, tree)
            }
            Tree::Negate(operand) => negate(sub(operand)?, tree),
            Tree::Plus(operand) => {
                let typed = sub(operand)?;
                if typed.is_null || !typed.expr.ty.is_numeric() {
                    return Err(PlanError::at(tree.span, format!("The sign + needs a number, not {}.", typed.type_text())));
                }
                Ok(typed)
            }
            Tree::Concat { left, right } => {
                let name = calzone_sql::Spanned { node: "CONCAT".to_owned(), span: tree.span };
                self.call(&name, &[(**left).clone(), (**right).clone()], tree, parameters)
            }
            Tree::Compare { op, left, right } => {
                let (l, r) = (sub(left)?, sub(right)?);
                self.compare(*op, (left, l), (right, r), tree)
            }
            Tree::And(a, b) | Tree::Or(a, b) => {
                let (left, right) = (sub(a)?, sub(b)?);
                let (left, right) = (Box::new(self.boolean(left, a)?), Box::new(self.boolean(right, b)?));
                let kind =
                    if matches!(tree.kind, Tree::And(..)) { ExprKind::And(left, right) } else { ExprKind::Or(left, right) };
                Ok(Typed::new(kind, SqlType::Boolean))
            }
            Tree::Not(operand) => {
                let typed = sub(operand)?;
                Ok(not(self.boolean(typed, operand)?))
            }
            Tree::IsNull { negated, operand } => {
                let is_null = Typed::new(ExprKind::IsNull(Box::new(sub(operand)?.expr)), SqlType::Boolean);
                Ok(if *negated { not(is_null.expr) } else { is_null })
            }
            Tree::Between { negated, operand, low, high } => {
                let (o, l, h) = (sub(operand)?, sub(low)?, sub(high)?);
                check_copies(&o.expr, 2, tree)?;
                let above = self.compare(CompareOp::GreaterOrEqual, (operand, o.clone()), (low, l), tree)?;
                let below = self.compare(CompareOp::LessOrEqual, (operand, o), (high, h), tree)?;
                let both = Typed::new(ExprKind::And(Box::new(above.expr), Box::new(below.expr)), SqlType::Boolean);
                Ok(if *negated { not(both.expr) } else { both })
            }
            Tree::In { negated, operand, list } => {
                let mut items = vec![sub(operand)?];
                for item in list {
                    items.push(sub(item)?);
                }
                let trees: Vec<&ast::Expr> = std::iter::once(&**operand).chain(list).collect();
                let (mut items, _) = coercion::to_common_type(items, &trees)?;
                let operand = Box::new(items.remove(0));
                let found = Typed::new(ExprKind::In { operand, list: items }, SqlType::Boolean);
                Ok(if *negated { not(found.expr) } else { found })
            }
            Tree::Like { negated, operand, pattern, escape } => {
                let (o, p) = (sub(operand)?, sub(pattern)?);
                for (typed, side) in [(&o, operand), (&p, pattern)] {
                    if !typed.is_null && typed.expr.ty != SqlType::Varchar {
                        let message = format!("LIKE compares STRINGs, but {} is {}.", format_expression(side), typed.type_text());
                        return Err(PlanError::at(side.span, message));
                    }
                }
                let (operand, pattern) = (Box::new(o.expr), Box::new(p.expr));
                let like = Typed::new(ExprKind::Like { operand, pattern, escape: *escape }, SqlType::Boolean);
                Ok(if *negated { not(like.expr) } else { like })
            }
            Tree::SearchedCase { branches, otherwise } => {
                let mut conditions = Vec::with_capacity(branches.len());
                let mut values = Vec::with_capacity(branches.len() + 1);
                for (condition, value) in branches {
                    let typed = self.inside(condition, parameters)?;
                    conditions.push(self.boolean(typed, condition)?);
                    values.push(self.inside(value, parameters)?);
                }
                self.case(conditions, values, branches, otherwise.as_deref(), tree, parameters)
            }
            Tree::SimpleCase { operand, branches, otherwise } => {
                let operand_typed = sub(operand)?;
                check_copies(&operand_typed.expr, branches.len(), tree)?;
                let mut conditions = Vec::with_capacity(branches.len());
                let mut values = Vec::with_capacity(branches.len() + 1);
                for (candidate, value) in branches {
                    let typed = self.inside(candidate, parameters)?;
                    let equal = self.compare(CompareOp::Equal, (operand, operand_typed.clone()), (candidate, typed), tree)?;
                    conditions.push(equal.expr);
                    values.push(self.inside(value, parameters)?);
                }
                self.case(conditions, values, branches, otherwise.as_deref(), tree, parameters)
            }
            Tree::Cast { operand, ty } => {
                let to = resolve_type(self.ctx.catalog, ty)?;
                let typed = sub(operand)?;
                if !typed.is_null && !cast::can_cast(&typed.expr.ty, &to) {
                    return Err(PlanError::at(tree.span, format!("{} cannot be cast to {to}.", typed.type_text())));
                }
                // A cast that a user wrote stays, even where it folds to a literal that would read differently.
                let same = !typed.is_null && typed.expr.ty == to;
                Ok(match typed.is_null || same {
                    true => Typed { expr: typed.cast_to(&to), is_null: false },
                    false => Typed::new(ExprKind::Cast(Box::new(typed.expr)), to),
                })
            }
            Tree::Call { name, arguments, .. } => self.call(name, arguments, tree, parameters),
            Tree::Array(items) => {
                if items.is_empty() {
                    return Err(PlanError::at(tree.span, "ARRAY[] needs at least one element, from which its type is known."));
                }
                let typed = items.iter().map(&mut sub).collect::<Result<Vec<_>>>()?;
                let (items, ty) = coercion::to_common_type(typed, &items.iter().collect::<Vec<_>>())?;
                let ty = ty.ok_or_else(|| {
                    PlanError::at(tree.span, "All elements of the ARRAY are NULL, so its type is not known. CAST one of them.")
                })?;
                Ok(Typed::new(ExprKind::Array(items), SqlType::array(ty)))
            }
            Tree::Map(entries) => self.map(entries, tree, parameters),
            Tree::Struct(fields) => self.structure(fields, parameters),
            Tree::Lambda { .. } => {
                Err(PlanError::at(tree.span, "A lambda can only be an argument of a function such as TRANSFORM."))
            }
            Tree::IntervalUnit(unit) => {
                let message = format!("{unit} can only be the first argument of a function such as TIMESTAMPADD.");
                Err(PlanError::at(tree.span, message))
            }
            Tree::AtTimeZone { .. } => {
                Err(PlanError::at(tree.span, "AT TIME ZONE is not supported. Use CONVERT_TZ(timestamp, from_zone, to_zone)."))
            }
        }
    }

    fn missing_column(&self, tree: &ast::Expr) -> PlanError {
        let name = format_expression(tree);
        let message = if self.scope.grouped {
            format!(
                "{name} is neither in the GROUP BY nor inside an aggregate function. Add it to the GROUP BY, or aggregate it."
            )
        } else {
            format!("Column {name} cannot be used in {}.", self.clause.as_str())
        };
        PlanError::at(tree.span, message)
    }

    fn compare(&self, op: CompareOp, left: (&ast::Expr, Typed), right: (&ast::Expr, Typed), tree: &ast::Expr) -> Result<Typed> {
        let ((left_tree, mut l), (right_tree, mut r)) = (left, right);
        if l.is_null || r.is_null {
            let message =
                format!("{} compares with NULL, which is never true. Use IS NULL or IS NOT NULL.", format_expression(tree));
            return Err(PlanError::at(tree.span, message));
        }
        time_from_text(left_tree, &l, &mut r)?;
        time_from_text(right_tree, &r, &mut l)?;
        let refuse = || {
            let message = format!(
                "{} cannot compare {} with {}. CAST one side to the type of the other.",
                format_expression(tree),
                l.expr.ty,
                r.expr.ty
            );
            PlanError::at(tree.span, message)
        };
        let common = comparison_type(&l.expr.ty, &r.expr.ty).ok_or_else(refuse)?;
        let for_equality_only = common == SqlType::Boolean || common.is_nested();
        let is_order = matches!(op, CompareOp::Less | CompareOp::LessOrEqual | CompareOp::Greater | CompareOp::GreaterOrEqual);
        if for_equality_only && is_order {
            let message =
                format!("{}: {} has no order, so it can only be compared with = and <>.", format_expression(tree), common);
            return Err(PlanError::at(tree.span, message));
        }
        let (left, right) = (Box::new(cast_expr(l.expr, &common)), Box::new(cast_expr(r.expr, &common)));
        Ok(Typed::new(ExprKind::Compare { op, left, right }, SqlType::Boolean))
    }

    fn case(
        &self,
        conditions: Vec<Expr>,
        mut values: Vec<Typed>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        tree: &ast::Expr,
        parameters: &mut Parameters,
    ) -> Result<Typed> {
        let mut trees: Vec<&ast::Expr> = branches.iter().map(|(_, value)| value).collect();
        if let Some(otherwise) = otherwise {
            values.push(self.inside(otherwise, parameters)?);
            trees.push(otherwise);
        }
        let (mut values, ty) = coercion::to_common_type(values, &trees)?;
        let ty = ty.ok_or_else(|| {
            PlanError::at(tree.span, "All results of the CASE are NULL, so its type is not known. CAST one of them.")
        })?;
        let otherwise = otherwise.and_then(|_| values.pop()).map(Box::new);
        let branches = conditions.into_iter().zip(values).collect();
        Ok(Typed::new(ExprKind::Case { branches, otherwise }, ty))
    }

    fn map(&self, entries: &[(ast::Expr, ast::Expr)], tree: &ast::Expr, parameters: &mut Parameters) -> Result<Typed> {
        if entries.is_empty() {
            return Err(PlanError::at(tree.span, "MAP() needs at least one entry, from which its type is known."));
        }
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            keys.push(self.inside(key, parameters)?);
            values.push(self.inside(value, parameters)?);
        }
        let key_trees: Vec<&ast::Expr> = entries.iter().map(|(k, _)| k).collect();
        let value_trees: Vec<&ast::Expr> = entries.iter().map(|(_, v)| v).collect();
        let (keys, key_type) = coercion::to_common_type(keys, &key_trees)?;
        let (values, value_type) = coercion::to_common_type(values, &value_trees)?;
        let (Some(key_type), Some(value_type)) = (key_type, value_type) else {
            return Err(PlanError::at(
                tree.span,
                "All keys or all values of the MAP are NULL, so its type is not known. CAST one of them.",
            ));
        };
        Ok(Typed::new(ExprKind::Map(keys.into_iter().zip(values).collect()), SqlType::map(key_type, value_type)))
    }

    fn structure(&self, fields: &[(ast::Name, ast::Expr)], parameters: &mut Parameters) -> Result<Typed> {
        let (mut values, mut types) =
            (Vec::with_capacity(fields.len()), Vec::<calzone_types::Field>::with_capacity(fields.len()));
        for (name, value) in fields {
            if types.iter().any(|f| *f.name == *name.node) {
                return Err(PlanError::at(name.span, format!("The STRUCT has two fields named {}.", name.node)));
            }
            let typed = self.inside(value, parameters)?;
            types.push(calzone_types::Field::new(name.node.as_str(), typed.expr.ty.clone()));
            values.push(typed.expr);
        }
        Ok(Typed::new(ExprKind::Struct(values), SqlType::structure(types)))
    }
}

/// The type in which two types are compared; None if they are not.
fn comparison_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (a, b) if a.is_numeric() && b.is_numeric() => cast::common_type(a, b),
        (SqlType::Date, SqlType::Timestamp) | (SqlType::Timestamp, SqlType::Date) => Some(SqlType::Timestamp),
        (SqlType::Varchar, temporal) | (temporal, SqlType::Varchar) if temporal.is_temporal() => Some(temporal.clone()),
        _ => None,
    }
}

/// ROWTIME, WINDOWSTART and WINDOWEND can be compared with text such as `'2020-02-23T23:45'`: the text becomes milliseconds.
fn time_from_text(column: &ast::Expr, column_typed: &Typed, text: &mut Typed) -> Result<()> {
    let Tree::Column { name, .. } = &column.kind else { return Ok(()) };
    if ![ROWTIME, WINDOWSTART, WINDOWEND].contains(&name.node.as_str()) || column_typed.expr.ty != SqlType::Bigint {
        return Ok(());
    }
    let Some(literal) = text.text_literal() else { return Ok(()) };
    let millis = parse_partial_timestamp(literal).ok_or_else(|| {
        let message = format!("'{literal}' is no time to compare {} with. Write it like '2020-02-23T23:45:12.000+0000'; parts at the end may be left out.", name.node);
        PlanError::at(name.span, message)
    })?;
    *text = Typed::new(ExprKind::Literal(Value::Bigint(millis)), SqlType::Bigint);
    Ok(())
}

/// Refuses to repeat an expression so often that it becomes too large.
fn check_copies(expr: &Expr, copies: usize, tree: &ast::Expr) -> Result<()> {
    let mut nodes = 0;
    visit(expr, &mut |_| nodes += 1);
    if nodes * copies <= EXPRESSION_NODES_MAX {
        return Ok(());
    }
    Err(PlanError::at(tree.span, "This expression is too large. Compute parts of it in a query before this one."))
}

fn not(expr: Expr) -> Typed {
    Typed::new(ExprKind::Not(Box::new(expr)), SqlType::Boolean)
}

fn negate(typed: Typed, tree: &ast::Expr) -> Result<Typed> {
    if typed.is_null || !typed.expr.ty.is_numeric() {
        return Err(PlanError::at(tree.span, format!("The sign - needs a number, not {}.", typed.type_text())));
    }
    let ty = typed.expr.ty.clone();
    let folded = match &typed.expr.kind {
        ExprKind::Literal(Value::Integer(v)) => v.checked_neg().map(Value::Integer),
        ExprKind::Literal(Value::Bigint(v)) => v.checked_neg().map(Value::Bigint),
        ExprKind::Literal(Value::Double(v)) => Some(Value::Double(-v)),
        ExprKind::Literal(Value::Decimal(d)) => Some(Value::Decimal(calzone_types::Decimal::new(-d.unscaled, d.scale))),
        _ => None,
    };
    Ok(match folded {
        Some(value) => Typed::new(ExprKind::Literal(value), ty),
        None => Typed::new(ExprKind::Negate(Box::new(typed.expr)), ty),
    })
}

fn arithmetic(op: ArithmeticOp, left: Typed, right: Typed, tree: &ast::Expr) -> Result<Typed> {
    let cast_op = match op {
        ArithmeticOp::Add => cast::ArithmeticOp::Add,
        ArithmeticOp::Subtract => cast::ArithmeticOp::Subtract,
        ArithmeticOp::Multiply => cast::ArithmeticOp::Multiply,
        ArithmeticOp::Divide => cast::ArithmeticOp::Divide,
        ArithmeticOp::Modulo => cast::ArithmeticOp::Modulo,
    };
    let known = if left.is_null || right.is_null { None } else { cast::arithmetic_type(cast_op, &left.expr.ty, &right.expr.ty) };
    let Some(ty) = known else {
        let message =
            format!("{} cannot calculate with {} and {}.", format_expression(tree), left.type_text(), right.type_text());
        return Err(PlanError::at(tree.span, message));
    };
    // DECIMALs keep their own scales; other operands take the type of the result.
    let operand = |typed: Typed| match &ty {
        SqlType::Decimal { .. } => {
            let own = cast::to_decimal_type(&typed.expr.ty).unwrap_or_else(|| ty.clone());
            Box::new(cast_expr(typed.expr, &own))
        }
        _ => Box::new(cast_expr(typed.expr, &ty)),
    };
    let (left, right) = (operand(left), operand(right));
    Ok(Typed::new(ExprKind::Arithmetic { op, left, right }, ty.clone()))
}

fn field_of(base: Typed, field: &ast::Name, tree: &ast::Expr) -> Result<Typed> {
    let SqlType::Struct(fields) = &base.expr.ty else {
        let message =
            format!("{} takes a field of something that is {}, not a STRUCT.", format_expression(tree), base.type_text());
        return Err(PlanError::at(tree.span, message));
    };
    let found = fields.iter().position(|f| *f.name == *field.node);
    let Some(index) = found.or_else(|| fields.iter().position(|f| f.name.to_uppercase() == field.node)) else {
        let known: Vec<&str> = fields.iter().map(|f| &*f.name).collect();
        let message = format!("The STRUCT has no field {}. Its fields are {}.", field.node, known.join(", "));
        return Err(PlanError::at(field.span, message));
    };
    let ty = fields[index].ty.clone();
    Ok(Typed::new(ExprKind::Field { base: Box::new(base.expr), index }, ty))
}

fn subscript(base: Typed, index: Typed, tree: &ast::Expr) -> Result<Typed> {
    let refuse = |needed: &str| {
        let message = format!("{} needs {needed} in the brackets, not {}.", format_expression(tree), index.type_text());
        PlanError::at(tree.span, message)
    };
    let (ty, index_type) = match &base.expr.ty {
        SqlType::Array(element) => match &index.expr.ty {
            SqlType::Integer | SqlType::Bigint => ((**element).clone(), SqlType::Integer),
            _ => return Err(refuse("an INTEGER")),
        },
        SqlType::Map(key, value) if !index.is_null && cast::can_coerce(&index.expr.ty, key) => {
            ((**value).clone(), (**key).clone())
        }
        SqlType::Map(key, _) => return Err(refuse(&format!("a {key}"))),
        other => {
            let message =
                format!("{} takes an element of something that is {other}, neither ARRAY nor MAP.", format_expression(tree));
            return Err(PlanError::at(tree.span, message));
        }
    };
    let (base, index) = (Box::new(base.expr), Box::new(cast_expr(index.expr, &index_type)));
    Ok(Typed::new(ExprKind::Subscript { base, index }, ty))
}
