//! Expressions that stand alone: no row gives their values.

use calzone_sql::ast;

use crate::context::PlanContext;
use crate::error::Result;
use crate::expression::Expr;
use crate::names::{Clause, Names};
use crate::scope::Scope;
use crate::typing::Typing;

/// Plans an expression without columns.
pub fn constant(ctx: &PlanContext, tree: &ast::Expr) -> Result<Expr> {
    let tree = Names::default().qualify(tree, Clause::Values)?;
    Typing { ctx, scope: &Scope::default(), clause: Clause::Values }.expression(&tree)
}
