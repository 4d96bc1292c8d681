//! What a SELECT lists: `*` written out, and a name for every column.

use std::collections::HashMap;
use std::sync::Arc;

use calzone_sql::Span;
use calzone_sql::ast::{self, ExprKind, SelectItem};
use calzone_types::SqlType;

use crate::error::{PlanError, Result};
use crate::grouping::is_null_literal;
use crate::names::{Clause, NamedSource, Names, WINDOWEND, WINDOWSTART, column_ref, is_reserved};

/// A column that a query gives: its qualified expression and its name.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub tree: ast::Expr,
    pub name: Arc<str>,
    pub span: Span,
}

/// How `*` is written out.
pub(crate) struct Expansion<'a> {
    pub names: &'a Names,
    /// Of PARTITION BY: these become the key, so they come first, and the former key comes last.
    pub partition_by: &'a [ast::Expr],
    /// Push and pull queries show the windows of their source.
    pub with_windows: bool,
    /// Look-ups show columns of headers before values.
    pub headers_first: bool,
}

/// The columns of a SELECT. `type_of` gives the type of a qualified expression, for `struct->*`.
pub(crate) fn expand(
    items: &[SelectItem],
    expansion: &Expansion,
    type_of: &dyn Fn(&ast::Expr) -> Result<SqlType>,
) -> Result<Vec<Selected>> {
    let mut aliases = Aliases::new(expansion.names);
    let mut selected = Vec::new();
    for item in items {
        match item {
            SelectItem::All { source, span } => {
                let sources: Vec<&NamedSource> = match source {
                    Some(alias) => vec![expansion.names.expect_source(alias)?],
                    None => expansion.names.sources.iter().collect(),
                };
                if source.is_none()
                    && let Some(key) = &expansion.names.join_key
                {
                    selected.push(Selected { tree: column_ref(None, key), name: key.clone(), span: *span });
                }
                let others = sources.iter().flat_map(|source| columns_of(source, expansion));
                let is_new_key = |tree: &ast::Expr| expansion.partition_by.contains(tree);
                let trees = expansion.partition_by.iter().cloned().chain(others.filter(|tree| !is_new_key(tree)));
                for tree in trees.filter(|tree| !is_null_literal(tree)) {
                    let name = match &tree.kind {
                        ExprKind::Column { source: Some(source), name } if expansion.names.is_join() => {
                            format!("{}_{}", source.node, name.node).into()
                        }
                        ExprKind::Column { name, .. } => name.node.as_str().into(),
                        _ => aliases.of(&tree, expansion.names),
                    };
                    selected.push(Selected { tree, name, span: *span });
                }
            }
            SelectItem::StructAll { base, span } => {
                let base = expansion.names.qualify(base, Clause::Select)?;
                let SqlType::Struct(fields) = type_of(&base)? else {
                    return Err(PlanError::at(*span, "->* needs a STRUCT before it."));
                };
                for field in fields.iter() {
                    let name = calzone_sql::Spanned { node: field.name.to_string(), span: *span };
                    let tree = ast::Expr { kind: ExprKind::Field { base: Box::new(base.clone()), field: name }, span: *span };
                    selected.push(Selected { tree, name: field.name.clone(), span: *span });
                }
            }
            SelectItem::Expr { expr, alias } => {
                let tree = expansion.names.qualify(expr, Clause::Select)?;
                let name = match alias {
                    Some(alias) if is_reserved(&alias.node) => {
                        let message = format!(
                            "{} is the name of a pseudo column, so it cannot be an alias. Choose another one.",
                            alias.node
                        );
                        return Err(PlanError::at(alias.span, message));
                    }
                    Some(alias) => alias.node.as_str().into(),
                    None => aliases.of(&tree, expansion.names),
                };
                selected.push(Selected { tree, name, span: expr.span });
            }
        }
    }
    Ok(selected)
}

/// The columns that `*` means for one source, in order.
fn columns_of(source: &NamedSource, expansion: &Expansion) -> Vec<ast::Expr> {
    let column = |name: &str| column_ref(Some(&source.alias), name);
    let schema = &source.source.schema;
    let keys: Vec<ast::Expr> = schema.key().map(|c| column(&c.name)).collect();
    let values = schema.value().chain(schema.headers()).map(|c| column(&c.name));
    if !expansion.partition_by.is_empty() {
        // The former key is a value now. Over a join ksqlDB shows the pseudo columns too.
        let pseudo = if expansion.names.is_join() { source.pseudo_columns() } else { Vec::new() };
        return values.chain(pseudo.into_iter().map(&column)).chain(keys.iter().cloned()).collect();
    }
    let mut columns = keys;
    if source.source.window.is_some() && (expansion.with_windows || expansion.names.is_join()) {
        columns.extend([column(WINDOWSTART), column(WINDOWEND)]);
    }
    if expansion.headers_first {
        columns.extend(schema.headers().chain(schema.value()).map(|c| column(&c.name)));
    } else {
        columns.extend(values);
    }
    columns
}

/// Makes names for columns that have none: `KSQL_COL_0`, or that of a STRUCT's field.
pub(crate) struct Aliases {
    /// Numbers taken by columns of the sources, by prefix.
    taken: Vec<Arc<str>>,
    next_column: usize,
    next_field: HashMap<String, usize>,
}

impl Aliases {
    pub fn new(names: &Names) -> Aliases {
        let taken = names.sources.iter().flat_map(|s| s.source.schema.columns.iter().map(|c| c.name.clone())).collect();
        Aliases { taken, next_column: 0, next_field: HashMap::new() }
    }

    pub fn of(&mut self, tree: &ast::Expr, names: &Names) -> Arc<str> {
        match &tree.kind {
            ExprKind::Column { source: Some(source), name } if is_shared(names, &name.node) => {
                format!("{}_{}", source.node, name.node).into()
            }
            ExprKind::Column { name, .. } => name.node.as_str().into(),
            ExprKind::Field { field, .. } => {
                let next = self.next_field.entry(field.node.clone()).or_insert(0);
                loop {
                    let name = if *next == 0 { field.node.clone() } else { format!("{}_{next}", field.node) };
                    *next += 1;
                    if !self.taken.iter().any(|t| **t == *name) {
                        return name.into();
                    }
                }
            }
            _ => loop {
                let name = format!("KSQL_COL_{}", self.next_column);
                self.next_column += 1;
                if !self.taken.iter().any(|t| **t == *name) {
                    return name.into();
                }
            },
        }
    }
}

/// Do several sources of a join have a column of that name?
fn is_shared(names: &Names, column: &str) -> bool {
    let has = |s: &&NamedSource| s.source.schema.find(column).is_some() || s.pseudo_columns().contains(&column);
    names.sources.iter().filter(has).count() > 1
}
