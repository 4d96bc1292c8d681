//! Typed expressions: every name is a position, every call is resolved, every implicit conversion is a cast.

use std::fmt;
use std::sync::Arc;

use calzone_functions::{ResolvedAggregate, ResolvedScalar};
use calzone_sql::ast::ArithmeticOp;
use calzone_types::{SqlType, Value};

/// An expression over the columns of one row.
#[derive(Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: SqlType,
}

/// How a value is found. Nulls: as SQL's three-valued logic unless said otherwise.
#[derive(Clone)]
pub enum ExprKind {
    Literal(Value),
    /// Position in the input step's columns.
    Column(usize),
    /// Bounds of the row's window, BIGINT milliseconds.
    WindowStart,
    WindowEnd,
    /// The row's timestamp, BIGINT milliseconds.
    Rowtime,
    /// A lambda's parameter; lambdas in scope number their parameters one after the other, outermost first.
    Parameter(usize),
    /// Arguments have exactly the binding's types. COALESCE, IFNULL and the like must not fail on arguments that do not matter.
    Call {
        function: Arc<ResolvedScalar>,
        arguments: Vec<Expr>,
    },
    /// An argument of a call: a body over the row and `parameters` values, the first of them numbered `first`.
    Lambda {
        first: usize,
        parameters: Vec<SqlType>,
        body: Box<Expr>,
    },
    Cast(Box<Expr>),
    /// Both sides have types for which the operator is defined (equal types, or DECIMALs).
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    /// Both sides have the same type.
    Compare {
        op: calzone_sql::ast::CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull(Box<Expr>),
    In {
        operand: Box<Expr>,
        list: Vec<Expr>,
    },
    Like {
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<char>,
    },
    /// Searched; a branch's value is only evaluated for rows that reach it.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// `array[i]` (1-based, negative from the end) or `map[key]`.
    Subscript {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// Field by position in the STRUCT.
    Field {
        base: Box<Expr>,
        index: usize,
    },
    Array(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Struct(Vec<Expr>),
}

/// An aggregate function and its column arguments.
#[derive(Clone)]
pub struct AggregateCall {
    pub function: Arc<ResolvedAggregate>,
    pub arguments: Vec<Expr>,
    /// Type of the result.
    pub ty: SqlType,
}

/// A table function and its arguments; `ty` is the type of one row.
#[derive(Clone)]
pub struct TableCall {
    pub function: Arc<ResolvedScalar>,
    pub arguments: Vec<Expr>,
    pub ty: SqlType,
}

impl Expr {
    pub fn new(kind: ExprKind, ty: SqlType) -> Expr {
        Expr { kind, ty }
    }

    pub fn column(position: usize, ty: SqlType) -> Expr {
        Expr { kind: ExprKind::Column(position), ty }
    }

    pub fn literal(value: Value, ty: SqlType) -> Expr {
        Expr { kind: ExprKind::Literal(value), ty }
    }
}

/// For EXPLAIN and for comparing plans: columns as `#3`.
impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ExprKind::*;
        let list = |items: &[Expr]| items.iter().map(|e| format!("{e:?}")).collect::<Vec<_>>().join(", ");
        match &self.kind {
            Literal(v) => write!(f, "{v:?}"),
            Column(i) => write!(f, "#{i}"),
            WindowStart => f.write_str("WINDOWSTART"),
            WindowEnd => f.write_str("WINDOWEND"),
            Rowtime => f.write_str("ROWTIME"),
            Parameter(i) => write!(f, "${i}"),
            Call { function, arguments } => write!(f, "{}({})", function.name, list(arguments)),
            Lambda { first, parameters, body } => write!(f, "(${first}..{}) => {body:?}", first + parameters.len()),
            Cast(e) => write!(f, "CAST({e:?} AS {})", self.ty),
            Arithmetic { op, left, right } => write!(f, "({left:?} {op:?} {right:?})"),
            Negate(e) => write!(f, "-{e:?}"),
            Compare { op, left, right } => write!(f, "({left:?} {op:?} {right:?})"),
            And(a, b) => write!(f, "({a:?} AND {b:?})"),
            Or(a, b) => write!(f, "({a:?} OR {b:?})"),
            Not(e) => write!(f, "(NOT {e:?})"),
            IsNull(e) => write!(f, "({e:?} IS NULL)"),
            In { operand, list: items } => write!(f, "({operand:?} IN ({}))", list(items)),
            Like { operand, pattern, escape } => write!(f, "({operand:?} LIKE {pattern:?} ESCAPE {escape:?})"),
            Case { branches, otherwise } => write!(f, "CASE {branches:?} ELSE {otherwise:?}"),
            Subscript { base, index } => write!(f, "{base:?}[{index:?}]"),
            Field { base, index } => write!(f, "{base:?}->{index}"),
            Array(items) => write!(f, "ARRAY[{}]", list(items)),
            Map(entries) => write!(f, "MAP({entries:?})"),
            Struct(items) => write!(f, "STRUCT({})", list(items)),
        }
    }
}

impl fmt::Debug for AggregateCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?}; {:?})", self.function.name, self.arguments, self.function.init)
    }
}

impl fmt::Debug for TableCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.function.name, self.arguments)
    }
}
