//! Calls of functions in expressions: overloads, lambdas, conversion of arguments.

use std::sync::Arc;

use calzone_functions::ArgumentType;
use calzone_sql::ast::{self, ExprKind as Tree};
use calzone_types::{SqlType, Value};

use crate::error::{PlanError, Result};
use crate::expression::{AggregateCall, Expr, ExprKind, TableCall};
use crate::names::ROWTIME;
use crate::typing::{Parameters, Typed, Typing, cast_expr};

/// Arguments of a call, before the overload is known.
struct Arguments {
    types: Vec<ArgumentType>,
    literals: Vec<Option<Value>>,
    lambda_outputs: Vec<Option<SqlType>>,
    exprs: Vec<Option<Typed>>,
}

impl Typing<'_> {
    /// Types a call of a scalar function.
    pub(crate) fn call(
        &self,
        name: &ast::Name,
        arguments: &[ast::Expr],
        tree: &ast::Expr,
        parameters: &mut Parameters,
    ) -> Result<Typed> {
        let functions = &self.ctx.catalog.functions;
        if functions.scalar(&name.node).is_none() {
            let misplaced = if functions.aggregate(&name.node).is_some() {
                Some(
                    "an aggregate function, which can only be used in the SELECT and HAVING of a query with GROUP BY, and not inside another one",
                )
            } else if functions.table(&name.node).is_some() {
                Some("a table function, which can only be used in SELECT, and not inside another one or an aggregate function")
            } else {
                None
            };
            if let Some(what) = misplaced {
                return Err(PlanError::at(
                    name.span,
                    format!("{} cannot be used in this place of {}: it is {what}.", name.node, self.clause.as_str()),
                ));
            }
        }
        if name.node == "AS_VALUE"
            && let [argument] = arguments
        {
            // It only keeps a column from being taken for the key; that was decided on the tree.
            return self.inside(argument, parameters);
        }
        let mut typed = self.arguments(&name.node, arguments, tree, parameters)?;
        let resolved = functions
            .resolve_scalar(&name.node, &typed.types, &typed.lambda_outputs, &typed.literals, self.ctx.properties)
            .map_err(|error| PlanError::at(tree.span, error.to_string()))?;
        let arguments = converted(&mut typed.exprs, &resolved.binding.arguments);
        let ty = resolved.binding.returns.clone();
        Ok(Typed::new(ExprKind::Call { function: Arc::new(resolved), arguments }, ty))
    }

    /// Types a call of a table function.
    pub(crate) fn table_call(&self, name: &ast::Name, arguments: &[ast::Expr], tree: &ast::Expr) -> Result<TableCall> {
        let mut typed = self.arguments(&name.node, arguments, tree, &mut Vec::new())?;
        let resolved = self
            .ctx
            .catalog
            .functions
            .resolve_table(&name.node, &typed.types, &typed.lambda_outputs, &typed.literals, self.ctx.properties)
            .map_err(|error| PlanError::at(tree.span, error.to_string()))?;
        let arguments = converted(&mut typed.exprs, &resolved.binding.arguments);
        // A table function gives an array for each row, whose elements are the rows it makes.
        let ty = match &resolved.binding.returns {
            SqlType::Array(element) => (**element).clone(),
            ty => ty.clone(),
        };
        Ok(TableCall { function: Arc::new(resolved), arguments, ty })
    }

    /// Types a call of an aggregate function; its arguments are over the rows before grouping.
    pub(crate) fn aggregate_call(&self, name: &ast::Name, arguments: &[ast::Expr], tree: &ast::Expr) -> Result<AggregateCall> {
        let mut typed = self.arguments(&name.node, arguments, tree, &mut Vec::new())?;
        let functions = &self.ctx.catalog.functions;
        let mut resolved = functions.resolve_aggregate(&name.node, &typed.types, &typed.literals, self.ctx.properties);
        if arguments.is_empty() && resolved.is_err() && name.node == "COUNT" {
            // COUNT(*) counts rows: every row has a ROWTIME.
            if let Some(column) = self.scope.columns.iter().find(|c| &*c.name == ROWTIME) {
                typed.types = vec![ArgumentType::Sql(SqlType::Bigint)];
                typed.literals = vec![None];
                typed.exprs = vec![Some(Typed { expr: Expr::column(column.position, SqlType::Bigint), is_null: false })];
                resolved = functions.resolve_aggregate(&name.node, &typed.types, &typed.literals, self.ctx.properties);
            }
        }
        let resolved = resolved.map_err(|error| PlanError::at(tree.span, error.to_string()))?;
        let arguments = converted(&mut typed.exprs, &resolved.binding.arguments);
        let ty = resolved.binding.returns.clone();
        Ok(AggregateCall { function: Arc::new(resolved), arguments, ty })
    }

    fn arguments(
        &self,
        function: &str,
        arguments: &[ast::Expr],
        tree: &ast::Expr,
        parameters: &mut Parameters,
    ) -> Result<Arguments> {
        let count = arguments.len();
        let mut typed = Arguments {
            types: Vec::with_capacity(count),
            literals: vec![None; count],
            lambda_outputs: vec![None; count],
            exprs: Vec::with_capacity(count),
        };
        for (i, argument) in arguments.iter().enumerate() {
            match &argument.kind {
                Tree::Lambda { parameters, .. } => {
                    typed.types.push(ArgumentType::Lambda(parameters.len()));
                    typed.exprs.push(None);
                }
                Tree::IntervalUnit(unit) => {
                    typed.types.push(ArgumentType::IntervalUnit);
                    let value = Value::Varchar(unit.clone());
                    typed.literals[i] = Some(value.clone());
                    typed.exprs.push(Some(Typed::new(ExprKind::Literal(value), SqlType::Varchar)));
                }
                _ => {
                    let expr = self.inside(argument, parameters)?;
                    if let ExprKind::Literal(value) = &expr.expr.kind {
                        typed.literals[i] = Some(value.clone());
                    }
                    typed.types.push(if expr.is_null { ArgumentType::Null } else { ArgumentType::Sql(expr.expr.ty.clone()) });
                    typed.exprs.push(Some(expr));
                }
            }
        }
        // Lambdas come last: the types of their parameters follow from the other arguments.
        for (i, argument) in arguments.iter().enumerate() {
            let Tree::Lambda { parameters: names, body } = &argument.kind else { continue };
            let inputs = self
                .ctx
                .catalog
                .functions
                .lambda_inputs(function, &typed.types, i)
                .map_err(|error| PlanError::at(tree.span, error.to_string()))?;
            if inputs.len() != names.len() {
                let message =
                    format!("{function} calls this lambda with {} values, but it has {} parameters.", inputs.len(), names.len());
                return Err(PlanError::at(argument.span, message));
            }
            let first = parameters.len();
            parameters.extend(names.iter().map(|n| n.node.clone()).zip(inputs.iter().cloned()));
            let body = self.inside(body, parameters);
            parameters.truncate(first);
            let body = body?.expr;
            typed.lambda_outputs[i] = Some(body.ty.clone());
            let ty = body.ty.clone();
            typed.exprs[i] = Some(Typed::new(ExprKind::Lambda { first, parameters: inputs, body: Box::new(body) }, ty));
        }
        Ok(typed)
    }
}

/// The arguments as the overload takes them. Aggregates leave out their init literals, for which there is no type.
fn converted(exprs: &mut [Option<Typed>], types: &[SqlType]) -> Vec<Expr> {
    let one = |(typed, ty): (&mut Option<Typed>, &SqlType)| {
        let typed = typed.take().unwrap_or_else(Typed::null);
        match typed.expr.kind {
            ExprKind::Lambda { first, parameters, body } if body.ty != *ty => {
                let body = Box::new(cast_expr(*body, ty));
                Expr::new(ExprKind::Lambda { first, parameters, body }, ty.clone())
            }
            _ => typed.cast_to(ty),
        }
    };
    exprs.iter_mut().zip(types).map(one).collect()
}
