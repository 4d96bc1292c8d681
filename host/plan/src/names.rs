//! What names mean: the sources of a query by alias, their columns, and pseudo columns.

use std::sync::Arc;

use calzone_sql::Spanned;
use calzone_sql::ast::{self, ExprKind};
use calzone_types::SqlType;

use crate::catalog::{Catalog, Source};
use crate::error::{PlanError, Result};
use crate::rewrite::map_children;

pub(crate) const ROWTIME: &str = "ROWTIME";
pub(crate) const ROWPARTITION: &str = "ROWPARTITION";
pub(crate) const ROWOFFSET: &str = "ROWOFFSET";
pub(crate) const WINDOWSTART: &str = "WINDOWSTART";
pub(crate) const WINDOWEND: &str = "WINDOWEND";

/// Is this the name of a pseudo column, which no column of a source can have?
pub(crate) fn is_reserved(name: &str) -> bool {
    [ROWTIME, ROWPARTITION, ROWOFFSET, WINDOWSTART, WINDOWEND].contains(&name)
}

/// Type of a pseudo column.
pub(crate) fn pseudo_type(name: &str) -> SqlType {
    if name == ROWPARTITION { SqlType::Integer } else { SqlType::Bigint }
}

/// A source and the name that the query gives it.
#[derive(Clone, Debug)]
pub(crate) struct NamedSource {
    pub alias: Arc<str>,
    pub source: Arc<Source>,
}

impl NamedSource {
    /// Pseudo columns that rows of this source have.
    pub fn pseudo_columns(&self) -> Vec<&'static str> {
        let mut names = vec![ROWTIME, ROWPARTITION, ROWOFFSET];
        if self.source.window.is_some() {
            names.extend([WINDOWSTART, WINDOWEND]);
        }
        names
    }

    fn has_column(&self, name: &str) -> bool {
        self.source.schema.find(name).is_some() || self.pseudo_columns().contains(&name)
    }
}

/// The names that expressions of one query can use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub sources: Vec<NamedSource>,
    /// Name of the key column that a join makes because no column of its sources is the key.
    pub join_key: Option<Arc<str>>,
    /// The query makes windows: SELECT and HAVING know WINDOWSTART and WINDOWEND.
    pub makes_windows: bool,
}

/// Part of a query, for messages and for what may be named there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clause {
    Select,
    JoinOn,
    Where,
    GroupBy,
    PartitionBy,
    Having,
    Values,
    LockBy,
}

impl Clause {
    pub fn as_str(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::JoinOn => "JOIN ON",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::PartitionBy => "PARTITION BY",
            Clause::Having => "HAVING",
            Clause::Values => "VALUES",
            Clause::LockBy => "LOCK BY",
        }
    }
}

impl Names {
    pub fn is_join(&self) -> bool {
        self.sources.len() > 1
    }

    pub fn source(&self, alias: &str) -> Option<&NamedSource> {
        self.sources.iter().find(|s| &*s.alias == alias)
    }

    /// The source that `alias` names, or an error that lists what there is.
    pub fn expect_source(&self, alias: &ast::Name) -> Result<&NamedSource> {
        self.source(&alias.node).ok_or_else(|| {
            let known: Vec<&str> = self.sources.iter().map(|s| &*s.alias).collect();
            let message = format!("'{}' is no stream, table or alias of this query. There is {}.", alias.node, known.join(", "));
            PlanError::at(alias.span, message)
        })
    }

    /// The same expression with every column named by its source, so that equal expressions are equal trees.
    pub fn qualify(&self, expr: &ast::Expr, clause: Clause) -> Result<ast::Expr> {
        self.qualify_inside(expr, clause, &mut Vec::new())
    }

    fn qualify_inside(&self, expr: &ast::Expr, clause: Clause, parameters: &mut Vec<String>) -> Result<ast::Expr> {
        match &expr.kind {
            ExprKind::Column { source, name } => self.qualify_column(expr, source.as_ref(), name, clause, parameters),
            ExprKind::Lambda { parameters: own, .. } => {
                let outer = parameters.len();
                parameters.extend(own.iter().map(|p| p.node.clone()));
                let body = map_children(expr, &mut |child| self.qualify_inside(child, clause, parameters));
                parameters.truncate(outer);
                body
            }
            ExprKind::IntervalUnit(unit) => {
                // The unit is plural in the tree, whatever was written.
                let length = (expr.span.end - expr.span.start) as usize;
                let name = ast::Name { node: unit.get(..length).unwrap_or(unit).to_owned(), span: expr.span };
                // A column of that name is meant rather than the unit of time.
                match self.sources.iter().any(|s| s.has_column(&name.node)) {
                    true => self.qualify_column(expr, None, &name, clause, parameters),
                    false => Ok(expr.clone()),
                }
            }
            _ => map_children(expr, &mut |child| self.qualify_inside(child, clause, parameters)),
        }
    }

    fn qualify_column(
        &self,
        expr: &ast::Expr,
        source: Option<&ast::Name>,
        name: &ast::Name,
        clause: Clause,
        parameters: &[String],
    ) -> Result<ast::Expr> {
        let column =
            |source: Option<ast::Name>| ast::Expr { kind: ExprKind::Column { source, name: name.clone() }, span: expr.span };
        if let Some(alias) = source {
            if self.expect_source(alias)?.has_column(&name.node) {
                return Ok(column(Some(alias.clone())));
            }
            return Err(self.unknown_column(expr, &format!("{}.{}", alias.node, name.node), clause));
        }
        let is_own = parameters.contains(&name.node) || self.join_key.as_deref() == Some(name.node.as_str());
        let is_bound = self.makes_windows
            && matches!(clause, Clause::Select | Clause::Having)
            && [WINDOWSTART, WINDOWEND].contains(&name.node.as_str());
        if is_own || is_bound {
            return Ok(column(None));
        }
        let owners: Vec<&NamedSource> = self.sources.iter().filter(|s| s.has_column(&name.node)).collect();
        match owners.as_slice() {
            [] => Err(self.unknown_column(expr, &name.node, clause)),
            [only] => Ok(column(Some(Spanned { node: only.alias.to_string(), span: name.span }))),
            several => {
                let choices: Vec<String> = several.iter().map(|s| format!("{}.{}", s.alias, name.node)).collect();
                let message = format!("Column {} is in several sources. Write {}.", name.node, choices.join(" or "));
                Err(PlanError::at(name.span, message))
            }
        }
    }

    fn unknown_column(&self, expr: &ast::Expr, name: &str, clause: Clause) -> PlanError {
        if self.sources.is_empty() {
            return PlanError::at(expr.span, format!("{name} is a column, and there is no row to take it from."));
        }
        let bound = [WINDOWSTART, WINDOWEND].iter().any(|w| name == *w || name.ends_with(&format!(".{w}")));
        let message = if bound && self.makes_windows {
            format!(
                "{}: {name} is known in SELECT and HAVING only, because {} works on rows before they are put into windows.",
                clause.as_str(),
                clause.as_str()
            )
        } else if bound {
            format!("{}: there is no column {name}, because the source is not windowed.", clause.as_str())
        } else {
            let columns: Vec<&str> = self.sources.iter().flat_map(|s| s.source.schema.columns.iter().map(|c| &*c.name)).collect();
            let hint = match columns.iter().find(|c| c.eq_ignore_ascii_case(name)) {
                Some(other) => format!("There is `{other}`: names in other than upper case must be quoted."),
                None if clause == Clause::PartitionBy => {
                    format!("It must be one of the columns before SELECT: {}.", columns.join(", "))
                }
                None => format!("The columns are {}.", columns.join(", ")),
            };
            format!("{}: there is no column {name}. {hint}", clause.as_str())
        };
        PlanError::at(expr.span, message)
    }
}

/// Finds a stream or table. The error helps with names in the wrong case.
pub(crate) fn expect_source<'a>(catalog: &'a Catalog, name: &ast::Name) -> Result<&'a Arc<Source>> {
    catalog.sources.get(&name.node).ok_or_else(|| PlanError::at(name.span, unknown_source(catalog, &name.node)))
}

/// What to say of a source that does not exist.
pub(crate) fn unknown_source(catalog: &Catalog, name: &str) -> String {
    let hint = match catalog.sources.keys().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) if *known == known.to_uppercase() => format!("Did you mean {known}? Write it without quotes."),
        Some(known) => format!("Did you mean `{known}`? Quote it, because it is not all upper case."),
        None => "SHOW STREAMS and SHOW TABLES list what there is.".to_owned(),
    };
    format!("There is no stream or table named {name}. {hint}")
}

/// A column of a source as a tree; without a source, a join's own key column.
pub(crate) fn column_ref(source: Option<&str>, name: &str) -> ast::Expr {
    let spanned = |text: &str| Spanned { node: text.to_owned(), span: Default::default() };
    ast::Expr { kind: ExprKind::Column { source: source.map(spanned), name: spanned(name) }, span: Default::default() }
}
