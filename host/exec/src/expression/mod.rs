//! Expressions over the columns of a batch.
//!
//! An [`Evaluator`] is an [`Expr`] with its functions made for one task. It works on whole columns; a branch of CASE, AND,
//! OR or COALESCE sees only the rows that reach it, as a [`Scope`] of selected rows. A row whose evaluation fails is null
//! in the result and has an error; its neighbours are unharmed.

mod access;
mod call;
mod compare;
mod construct;
mod logic;
mod pattern;

use std::cell::RefCell;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use calzone_functions::{Evaluated, Implementation, RowError, Scalar};
use calzone_plan::{Expr, ExprKind};
use calzone_types::cast::{ArithmeticOp, arithmetic_column, cast_column};
use calzone_types::column::constant_column;
use calzone_types::{Batch, Origin, Side, SqlType, Value, WindowBounds};

use crate::Environment;

pub(crate) use call::make as make_function;

/// The rows an expression is evaluated over.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub columns: &'a [ArrayRef],
    /// ROWTIME of each row.
    pub timestamps: &'a ScalarBuffer<i64>,
    pub windows: Option<&'a WindowBounds>,
    /// The records that the rows come from, where they come from records.
    pub origin: Option<&'a Origin>,
}

impl<'a> Rows<'a> {
    /// The rows of a batch as they are now.
    pub fn of(batch: &'a Batch) -> Rows<'a> {
        Rows::side(batch, &batch.new)
    }

    /// One state of the rows of a batch.
    pub fn side(batch: &'a Batch, side: &'a Side) -> Rows<'a> {
        Rows {
            columns: &side.columns,
            timestamps: &batch.timestamps,
            windows: batch.windows.as_ref(),
            origin: Some(&batch.origin),
        }
    }
}

/// Says that a row is null because an operand was. Such rows are null, but not reported.
const NULL_OPERAND: &str = "An operand is null.";

/// An expression ready to run. Functions may keep something between calls, so each task has its own.
pub struct Evaluator {
    node: Node,
    ty: SqlType,
}

impl Evaluator {
    /// Makes the functions the expression calls. The error says which one could not be made.
    pub fn new(expression: &Expr, environment: &mut dyn Environment) -> Result<Evaluator, String> {
        Ok(Evaluator { node: Node::compile(expression, environment)?, ty: expression.ty.clone() })
    }

    /// Type of the result.
    pub fn ty(&self) -> &SqlType {
        &self.ty
    }

    /// Evaluates every row. Rows that failed are null and have an error, in row order, one a row.
    pub fn evaluate(&mut self, rows: Rows<'_>) -> Evaluated {
        self.run(rows, None)
    }

    /// Evaluates the rows whose bit is set; the others are null, and nothing of them is looked at.
    pub fn evaluate_selected(&mut self, rows: Rows<'_>, selected: &BooleanBuffer) -> Evaluated {
        self.run(rows, Some(selected))
    }

    fn run(&mut self, rows: Rows<'_>, selected: Option<&BooleanBuffer>) -> Evaluated {
        let reported = RefCell::new(Vec::new());
        let whole = Scope { rows, selection: None, parameters: Vec::new(), len: rows.timestamps.len(), reported: &reported };
        let mut outcome = match selected {
            Some(bits) if bits.count_set_bits() < bits.len() => {
                let chosen: Vec<u32> = bits.set_indices().map(|row| row as u32).collect();
                let part = self.node.evaluate(&whole.select(&chosen));
                scatter(whole.len, &self.ty, vec![(chosen, part)])
            }
            _ => self.node.evaluate(&whole),
        };
        outcome.errors.sort_by_key(|error| error.row);
        outcome.errors.dedup_by_key(|error| error.row);
        let column = nulled(&outcome.column, &outcome.errors);
        let mut errors = outcome.errors;
        errors.extend(reported.into_inner());
        // A null among the operands is no failure that anybody wants to read about.
        errors.retain(|error| error.message != NULL_OPERAND);
        errors.sort_by_key(|error| error.row);
        Evaluated { column, errors }
    }
}

/// A predicate: which rows pass. Rows that fail or are null do not.
pub struct Predicate(Evaluator);

impl Predicate {
    pub fn new(expression: &Expr, environment: &mut dyn Environment) -> Result<Predicate, String> {
        Evaluator::new(expression, environment).map(Predicate)
    }

    /// The rows of `live` (all, if it is `None`) for which the predicate is true, and the rows that failed.
    pub fn test(&mut self, rows: Rows<'_>, live: Option<&BooleanBuffer>) -> (BooleanBuffer, Vec<RowError>) {
        let evaluated = match live {
            Some(live) => self.0.evaluate_selected(rows, live),
            None => self.0.evaluate(rows),
        };
        let passes = match evaluated.column.as_any().downcast_ref::<BooleanArray>() {
            Some(column) => truth(column),
            None => BooleanBuffer::new_unset(rows.timestamps.len()),
        };
        (passes, evaluated.errors)
    }
}

/// Evaluates an expression without columns, as in INSERT VALUES or the keys of a pull query.
pub fn evaluate_constant(expression: &Expr, environment: &mut dyn Environment) -> Result<Value, String> {
    let timestamps = ScalarBuffer::from(vec![0i64]);
    let rows = Rows { columns: &[], timestamps: &timestamps, windows: None, origin: None };
    let evaluated = Evaluator::new(expression, environment)?.evaluate(rows);
    match evaluated.errors.into_iter().next() {
        Some(error) => Err(error.message),
        None => Ok(calzone_types::value_at(&evaluated.column, 0)),
    }
}

/// The rows that a part of an expression sees.
struct Scope<'a> {
    rows: Rows<'a>,
    /// Rows of `rows`, where not all are seen.
    selection: Option<UInt32Array>,
    /// Columns of the lambda parameters in scope, one row for each row seen.
    parameters: Vec<ArrayRef>,
    len: usize,
    /// Errors of rows of `rows` that do not make the whole expression null.
    reported: &'a RefCell<Vec<RowError>>,
}

impl<'a> Scope<'a> {
    /// The scope of these rows of this scope.
    fn select(&self, chosen: &[u32]) -> Scope<'a> {
        let indices = UInt32Array::from(chosen.to_vec());
        let selection = match &self.selection {
            None => indices.clone(),
            Some(outer) => chosen.iter().map(|row| outer.value(*row as usize)).collect::<Vec<u32>>().into(),
        };
        let parameters = self.parameters.iter().map(|column| take(column, &indices)).collect();
        Scope { rows: self.rows, selection: Some(selection), parameters, len: chosen.len(), reported: self.reported }
    }

    /// The records that the rows of this scope come from, if they come from records.
    fn records(&self) -> Option<Origin> {
        let origin = self.rows.origin?;
        let Some(selection) = &self.selection else { return Some(origin.clone()) };
        let offsets = selection.values().iter().map(|row| origin.offsets[*row as usize]).collect();
        Some(Origin { topic: origin.topic.clone(), partition: origin.partition, offsets })
    }

    /// The row of the whole batch that a row of this scope is.
    fn origin(&self, row: u32) -> u32 {
        self.selection.as_ref().map_or(row, |selection| selection.value(row as usize))
    }

    fn column(&self, position: usize, ty: &SqlType) -> ArrayRef {
        match (self.rows.columns.get(position), &self.selection) {
            (Some(column), None) => column.clone(),
            (Some(column), Some(selection)) => take(column, selection),
            (None, _) => arrow_array::new_null_array(&ty.to_arrow(), self.len),
        }
    }

    fn bigints(&self, values: &ScalarBuffer<i64>) -> ArrayRef {
        let all: ArrayRef = Arc::new(arrow_array::Int64Array::new(values.clone(), None));
        match &self.selection {
            None => all,
            Some(selection) => take(&all, selection),
        }
    }
}

/// A column and the rows of the scope that failed; what the column holds for those does not matter.
struct Outcome {
    column: ArrayRef,
    errors: Vec<RowError>,
}

impl From<ArrayRef> for Outcome {
    fn from(column: ArrayRef) -> Outcome {
        Outcome { column, errors: Vec::new() }
    }
}

/// An expression with its functions.
enum Node {
    Literal {
        value: Value,
        ty: SqlType,
        cached: Option<ArrayRef>,
    },
    Column {
        position: usize,
        ty: SqlType,
    },
    WindowStart,
    WindowEnd,
    Rowtime,
    Parameter {
        number: usize,
        ty: SqlType,
    },
    Call {
        function: Box<dyn Scalar>,
        arguments: Vec<call::ArgumentNode>,
        returns: SqlType,
    },
    /// COALESCE and IFNULL: later arguments are only evaluated where the earlier are null.
    FirstNotNull {
        arguments: Vec<Node>,
        ty: SqlType,
    },
    Cast {
        operand: Box<Node>,
        from: SqlType,
        to: SqlType,
    },
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Node>,
        right: Box<Node>,
        ty: SqlType,
    },
    Compare {
        op: calzone_sql::ast::CompareOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    IsNull(Box<Node>),
    In {
        operand: Box<Node>,
        list: Vec<Node>,
    },
    Like {
        operand: Box<Node>,
        pattern: Box<Node>,
        escape: Option<char>,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
        ty: SqlType,
    },
    Subscript {
        base: Box<Node>,
        index: Box<Node>,
        ty: SqlType,
    },
    Field {
        base: Box<Node>,
        index: usize,
        ty: SqlType,
    },
    Array {
        items: Vec<Node>,
        ty: SqlType,
    },
    Map {
        entries: Vec<(Node, Node)>,
        ty: SqlType,
    },
    Struct {
        fields: Vec<Node>,
        ty: SqlType,
    },
}

impl Node {
    fn compile(expression: &Expr, environment: &mut dyn Environment) -> Result<Node, String> {
        let ty = expression.ty.clone();
        let mut one = |e: &Expr| Node::compile(e, environment).map(Box::new);
        Ok(match &expression.kind {
            ExprKind::Literal(value) => Node::Literal { value: value.clone(), ty, cached: None },
            ExprKind::Column(position) => Node::Column { position: *position, ty },
            ExprKind::WindowStart => Node::WindowStart,
            ExprKind::WindowEnd => Node::WindowEnd,
            ExprKind::Rowtime => Node::Rowtime,
            ExprKind::Parameter(number) => Node::Parameter { number: *number, ty },
            ExprKind::Call { function, arguments } => {
                let built_in = matches!(function.implementation, Implementation::BuiltIn(_));
                if built_in && matches!(&*function.name, "COALESCE" | "IFNULL") {
                    let arguments = arguments.iter().map(|e| Node::compile(e, environment)).collect::<Result<_, _>>()?;
                    return Ok(Node::FirstNotNull { arguments, ty });
                }
                let arguments = call::compile_arguments(arguments, environment)?;
                let function = call::make(function, environment)?;
                Node::Call { function, arguments, returns: ty }
            }
            ExprKind::Lambda { .. } => return Err("A lambda can only be an argument of a function.".into()),
            ExprKind::Cast(operand) => Node::Cast { from: operand.ty.clone(), operand: one(operand)?, to: ty },
            ExprKind::Arithmetic { op, left, right } => {
                Node::Arithmetic { op: arithmetic_op(*op), left: one(left)?, right: one(right)?, ty }
            }
            ExprKind::Negate(operand) => {
                // `0 - x`, except that a DECIMAL zero must not widen the result: the operand's own type is kept.
                let zero = Node::Literal { value: zero_of(&operand.ty), ty: operand.ty.clone(), cached: None };
                if operand.ty == SqlType::Double {
                    let minus_one = Node::Literal { value: Value::Double(-1.0), ty: SqlType::Double, cached: None };
                    return Ok(Node::Arithmetic {
                        op: ArithmeticOp::Multiply,
                        left: Box::new(minus_one),
                        right: one(operand)?,
                        ty,
                    });
                }
                Node::Arithmetic { op: ArithmeticOp::Subtract, left: Box::new(zero), right: one(operand)?, ty }
            }
            ExprKind::Compare { op, left, right } => Node::Compare { op: *op, left: one(left)?, right: one(right)? },
            ExprKind::And(left, right) => Node::And(one(left)?, one(right)?),
            ExprKind::Or(left, right) => Node::Or(one(left)?, one(right)?),
            ExprKind::Not(operand) => Node::Not(one(operand)?),
            ExprKind::IsNull(operand) => Node::IsNull(one(operand)?),
            ExprKind::In { operand, list } => {
                let operand = one(operand)?;
                let list = list.iter().map(|e| Node::compile(e, environment)).collect::<Result<_, _>>()?;
                Node::In { operand, list }
            }
            ExprKind::Like { operand, pattern, escape } => {
                Node::Like { operand: one(operand)?, pattern: one(pattern)?, escape: *escape }
            }
            ExprKind::Case { branches, otherwise } => {
                let otherwise = otherwise.as_ref().map(|e| one(e)).transpose()?;
                let branches = compile_pairs(branches, environment)?;
                Node::Case { branches, otherwise, ty }
            }
            ExprKind::Subscript { base, index } => Node::Subscript { base: one(base)?, index: one(index)?, ty },
            ExprKind::Field { base, index } => Node::Field { base: one(base)?, index: *index, ty },
            ExprKind::Array(items) => {
                Node::Array { items: items.iter().map(|e| Node::compile(e, environment)).collect::<Result<_, _>>()?, ty }
            }
            ExprKind::Map(entries) => Node::Map { entries: compile_pairs(entries, environment)?, ty },
            ExprKind::Struct(fields) => {
                Node::Struct { fields: fields.iter().map(|e| Node::compile(e, environment)).collect::<Result<_, _>>()?, ty }
            }
        })
    }

    fn evaluate(&mut self, scope: &Scope<'_>) -> Outcome {
        match self {
            Node::Literal { value, ty, cached } => literal(value, ty, cached, scope.len).into(),
            Node::Column { position, ty } => scope.column(*position, ty).into(),
            Node::WindowStart => window_bound(scope, |windows| &windows.start).into(),
            Node::WindowEnd => window_bound(scope, |windows| &windows.end).into(),
            Node::Rowtime => scope.bigints(scope.rows.timestamps).into(),
            Node::Parameter { number, ty } => match scope.parameters.get(*number) {
                Some(column) => column.clone().into(),
                None => arrow_array::new_null_array(&ty.to_arrow(), scope.len).into(),
            },
            Node::Call { function, arguments, returns } => call::evaluate(function.as_mut(), arguments, returns, scope),
            Node::FirstNotNull { arguments, ty } => logic::first_not_null(arguments, ty, scope),
            Node::Cast { operand, from, to } => {
                let operand = operand.evaluate(scope);
                let (column, failed) = cast_column(&operand.column, from, to);
                Outcome { column, errors: also(operand.errors, row_errors(failed)) }
            }
            Node::Arithmetic { op, left, right, ty } => {
                let (left, right) = (left.evaluate(scope), right.evaluate(scope));
                let (column, failed) = arithmetic_column(*op, &left.column, &right.column, ty);
                let mut errors = also(also(left.errors, right.errors), row_errors(failed));
                if column.null_count() > errors.len() {
                    // Null has no arithmetic: the whole expression is null then, a CASE or IFNULL around it too.
                    let nulls = (0..scope.len as u32).filter(|row| column.is_null(*row as usize));
                    errors.extend(nulls.map(|row| RowError { row, message: NULL_OPERAND.to_owned() }));
                }
                Outcome { column, errors }
            }
            Node::Compare { op, left, right } => compare::compare(*op, left, right, scope),
            Node::And(left, right) => logic::and(left, right, scope),
            Node::Or(left, right) => logic::or(left, right, scope),
            Node::Not(operand) => logic::not(operand, scope),
            Node::IsNull(operand) => logic::is_null(operand, scope),
            Node::In { operand, list } => compare::is_in(operand, list, scope),
            Node::Like { operand, pattern, escape } => pattern::like(operand, pattern, *escape, scope),
            Node::Case { branches, otherwise, ty } => logic::case(branches, otherwise.as_deref_mut(), ty, scope),
            Node::Subscript { base, index, ty } => access::subscript(base, index, ty, scope),
            Node::Field { base, index, ty } => access::field(base, *index, ty, scope),
            Node::Array { items, ty } => construct::array(items, ty, scope),
            Node::Map { entries, ty } => construct::map(entries, ty, scope),
            Node::Struct { fields, ty } => construct::structure(fields, ty, scope),
        }
    }
}

fn compile_pairs(pairs: &[(Expr, Expr)], environment: &mut dyn Environment) -> Result<Vec<(Node, Node)>, String> {
    pairs.iter().map(|(a, b)| Ok((Node::compile(a, environment)?, Node::compile(b, environment)?))).collect()
}

/// A constant column costs as much as a short one is long; the longest made so far is kept and cut.
fn literal(value: &Value, ty: &SqlType, cached: &mut Option<ArrayRef>, len: usize) -> ArrayRef {
    match cached {
        Some(column) if column.len() >= len => column.slice(0, len),
        _ => {
            let column = constant_column(ty, value, len);
            *cached = Some(column.clone());
            column
        }
    }
}

fn window_bound(scope: &Scope<'_>, bound: impl Fn(&WindowBounds) -> &ScalarBuffer<i64>) -> ArrayRef {
    match scope.rows.windows {
        Some(windows) => scope.bigints(bound(windows)),
        None => arrow_array::new_null_array(&SqlType::Bigint.to_arrow(), scope.len),
    }
}

fn zero_of(ty: &SqlType) -> Value {
    match ty {
        SqlType::Integer => Value::Integer(0),
        SqlType::Bigint => Value::Bigint(0),
        SqlType::Decimal { scale, .. } => Value::Decimal(calzone_types::Decimal::new(0, *scale)),
        _ => Value::Null,
    }
}

fn arithmetic_op(op: calzone_sql::ast::ArithmeticOp) -> ArithmeticOp {
    match op {
        calzone_sql::ast::ArithmeticOp::Add => ArithmeticOp::Add,
        calzone_sql::ast::ArithmeticOp::Subtract => ArithmeticOp::Subtract,
        calzone_sql::ast::ArithmeticOp::Multiply => ArithmeticOp::Multiply,
        calzone_sql::ast::ArithmeticOp::Divide => ArithmeticOp::Divide,
        calzone_sql::ast::ArithmeticOp::Modulo => ArithmeticOp::Modulo,
    }
}

fn take(column: &ArrayRef, rows: &UInt32Array) -> ArrayRef {
    arrow_select::take::take(column, rows, None).expect("selected rows lie inside the column")
}

fn row_errors(failed: Vec<(u32, String)>) -> Vec<RowError> {
    failed.into_iter().map(|(row, message)| RowError { row, message }).collect()
}

/// Both lists; the first error of a row is the one that counts, so earlier operands come first.
fn also(mut errors: Vec<RowError>, more: Vec<RowError>) -> Vec<RowError> {
    errors.extend(more);
    errors
}

/// The column with these rows null.
fn nulled(column: &ArrayRef, errors: &[RowError]) -> ArrayRef {
    if errors.iter().all(|error| column.is_null(error.row as usize)) {
        return column.clone();
    }
    let mut failed = vec![false; column.len()];
    errors.iter().for_each(|error| failed[error.row as usize] = true);
    let indices: UInt32Array = failed.iter().enumerate().map(|(row, failed)| (!failed).then_some(row as u32)).collect();
    take(column, &indices)
}

/// The bits that are true and not null.
fn truth(column: &BooleanArray) -> BooleanBuffer {
    match column.nulls() {
        Some(nulls) => column.values() & nulls.inner(),
        None => column.values().clone(),
    }
}

/// Puts results of parts of a scope together: each part has its rows of the scope. Rows of no part are null.
fn scatter(len: usize, ty: &SqlType, parts: Vec<(Vec<u32>, Outcome)>) -> Outcome {
    let mut errors = Vec::new();
    let mut places: Vec<(usize, usize)> = vec![(0, 0); len];
    let null = arrow_array::new_null_array(&ty.to_arrow(), 1);
    let mut columns: Vec<&dyn Array> = vec![null.as_ref()];
    for (rows, outcome) in &parts {
        columns.push(outcome.column.as_ref());
        for (i, row) in rows.iter().enumerate() {
            places[*row as usize] = (columns.len() - 1, i);
        }
        errors.extend(outcome.errors.iter().map(|e| RowError { row: rows[e.row as usize], message: e.message.clone() }));
    }
    let column = match arrow_select::interleave::interleave(&columns, &places) {
        Ok(column) => column,
        // Types of branches differ only where the plan is at fault; nulls are the safe answer.
        Err(_) => arrow_array::new_null_array(&ty.to_arrow(), len),
    };
    Outcome { column, errors }
}

/// A BOOLEAN column from values and validity.
fn booleans(values: BooleanBuffer, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(BooleanArray::new(values, nulls))
}
