//! Where in a step's output the columns that expressions name are.

use std::sync::Arc;

use calzone_sql::ast::{self, ExprKind};
use calzone_types::SqlType;

use crate::expression::{self, Expr};
use crate::names::{WINDOWEND, WINDOWSTART};

/// Columns of a step by name, and expressions that the step has computed already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub columns: Vec<ScopeColumn>,
    /// Trees that stand for a column: group-by expressions, aggregates, table functions, a join's key.
    pub computed: Vec<Computed>,
    /// Only computed expressions are there: the rows are groups.
    pub grouped: bool,
    /// Pseudo columns that are no columns of the rows but known of each.
    pub row: Vec<(Arc<str>, Expr)>,
}

#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    /// Alias of its source.
    pub source: Arc<str>,
    pub name: Arc<str>,
    pub ty: SqlType,
    /// In the step's output.
    pub position: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Computed {
    pub tree: ast::Expr,
    pub position: usize,
    pub ty: SqlType,
}

impl Scope {
    /// What a tree is, if it is a column here: one of a source, or one computed before.
    pub fn find(&self, tree: &ast::Expr) -> Option<Expr> {
        if let Some(computed) = self.computed.iter().find(|c| c.tree == *tree) {
            return Some(Expr::column(computed.position, computed.ty.clone()));
        }
        let ExprKind::Column { source, name } = &tree.kind else { return None };
        if self.grouped {
            return match (source, name.node.as_str()) {
                (None, WINDOWSTART) => Some(Expr::new(expression::ExprKind::WindowStart, SqlType::Bigint)),
                (None, WINDOWEND) => Some(Expr::new(expression::ExprKind::WindowEnd, SqlType::Bigint)),
                _ => None,
            };
        }
        if let Some((_, expr)) = self.row.iter().find(|(n, _)| **n == *name.node) {
            return Some(expr.clone());
        }
        let source = source.as_ref()?;
        let column = self.columns.iter().find(|c| *c.source == *source.node && *c.name == *name.node)?;
        Some(Expr::column(column.position, column.ty.clone()))
    }

    /// The same columns, `by` positions further right.
    pub fn shifted(&self, by: usize) -> Scope {
        let mut scope = self.clone();
        scope.columns.iter_mut().for_each(|c| c.position += by);
        scope.computed.iter_mut().for_each(|c| c.position += by);
        scope
    }
}
