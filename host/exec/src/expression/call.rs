//! Calls of scalar functions, built in or from plugins, and their lambdas.

use arrow_array::{Array, ArrayRef, UInt32Array};
use calzone_functions::{Argument, Evaluated, Implementation, LambdaEvaluator, ResolvedScalar, RowError, Scalar};
use calzone_plan::{Expr, ExprKind};
use calzone_types::SqlType;

use super::{Node, Outcome, Scope, also, take};
use crate::Environment;

/// An argument of a call.
pub(super) enum ArgumentNode {
    Value(Node),
    Lambda { first: usize, body: Node, ty: SqlType },
}

/// An instance of the function, for one call in one task.
pub(crate) fn make(function: &ResolvedScalar, environment: &mut dyn Environment) -> Result<Box<dyn Scalar>, String> {
    let made = match &function.implementation {
        Implementation::BuiltIn(make) => make(&function.binding),
        Implementation::Plugin { plugin, function: name } => environment.scalar(plugin, name, &function.binding),
    };
    made.map_err(|reason| format!("Function {} cannot be used here: {reason}", function.name))
}

pub(super) fn compile_arguments(arguments: &[Expr], environment: &mut dyn Environment) -> Result<Vec<ArgumentNode>, String> {
    arguments
        .iter()
        .map(|argument| match &argument.kind {
            ExprKind::Lambda { first, body, .. } => {
                Ok(ArgumentNode::Lambda { first: *first, body: Node::compile(body, environment)?, ty: body.ty.clone() })
            }
            _ => Node::compile(argument, environment).map(ArgumentNode::Value),
        })
        .collect()
}

pub(super) fn evaluate(
    function: &mut dyn Scalar,
    arguments: &mut [ArgumentNode],
    returns: &SqlType,
    scope: &Scope<'_>,
) -> Outcome {
    if scope.len == 0 {
        return arrow_array::new_empty_array(&returns.to_arrow()).into();
    }
    let mut errors = Vec::new();
    let mut lambdas: Vec<Option<Lambda<'_, '_>>> = Vec::with_capacity(arguments.len());
    let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument {
            ArgumentNode::Value(node) => {
                let outcome = node.evaluate(scope);
                errors = also(errors, outcome.errors);
                columns.push(Some(outcome.column));
                lambdas.push(None);
            }
            ArgumentNode::Lambda { first, body, ty } => {
                columns.push(None);
                lambdas.push(Some(Lambda { first: *first, body, ty, scope }));
            }
        }
    }
    let mut passed: Vec<Argument<'_>> = Vec::with_capacity(lambdas.len());
    for (column, lambda) in columns.into_iter().zip(&mut lambdas) {
        match (column, lambda) {
            (Some(column), _) => passed.push(Argument::Column(column)),
            (None, Some(lambda)) => passed.push(Argument::Lambda(lambda)),
            (None, None) => {}
        }
    }
    if function.wants_origin()
        && let Some(origin) = scope.records()
    {
        function.set_origin(&origin);
    }
    let answer = function.call(&mut passed, scope.len);
    // A function that fails gives null; the expression around it goes on. Rows whose arguments failed are no news.
    let known: Vec<u32> = errors.iter().map(|error| error.row).collect();
    let news = answer.errors.iter().filter(|error| !known.contains(&error.row));
    let news = news.map(|error| RowError { row: scope.origin(error.row), message: error.message.clone() });
    scope.reported.borrow_mut().extend(news);
    Outcome { column: super::nulled(&answer.column, &answer.errors), errors }
}

/// A lambda's body over the rows of the call.
struct Lambda<'n, 's> {
    /// Number of the lambda's first parameter; those before it belong to lambdas around it.
    first: usize,
    body: &'n mut Node,
    ty: &'n SqlType,
    scope: &'s Scope<'s>,
}

impl LambdaEvaluator for Lambda<'_, '_> {
    fn evaluate(&mut self, parameters: &[ArrayRef], outer_rows: &[u32]) -> Evaluated {
        let rows = UInt32Array::from(outer_rows.to_vec());
        let mut inner = self.scope.select(outer_rows);
        inner.parameters = self.scope.parameters.iter().take(self.first).map(|column| take(column, &rows)).collect();
        inner.parameters.extend(parameters.iter().cloned());
        let mut outcome = self.body.evaluate(&inner);
        outcome.errors.sort_by_key(|error| error.row);
        outcome.errors.dedup_by_key(|error| error.row);
        debug_assert_eq!(outcome.column.len(), outer_rows.len());
        Evaluated { column: super::nulled(&outcome.column, &outcome.errors), errors: outcome.errors }
    }

    fn output_type(&self) -> &SqlType {
        self.ty
    }
}
