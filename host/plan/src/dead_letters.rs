//! What `REPLAY DEAD LETTERS … WHERE` can ask about a dead letter.

use std::sync::Arc;

use calzone_formats::{Format, FormatSpec};
use calzone_sql::ast;
use calzone_types::{Column, Namespace, Schema, SqlType};

use crate::catalog::{Source, SourceKind};
use crate::context::PlanContext;
use crate::error::Result;
use crate::expression::Expr;
use crate::names::{Clause, NamedSource, Names, ROWOFFSET, ROWPARTITION, ROWTIME};
use crate::rows;
use crate::typing::Typing;

/// The columns, in the order of the positions in the condition. The last three are of the dead letter itself.
pub const COLUMNS: &[(&str, SqlType)] = &[
    ("CAUSE", SqlType::Varchar),
    ("CLASS", SqlType::Varchar),
    ("STAGE", SqlType::Varchar),
    ("QUERY", SqlType::Varchar),
    ("ORIGINAL_TOPIC", SqlType::Varchar),
    ("ORIGINAL_PARTITION", SqlType::Integer),
    ("ORIGINAL_OFFSET", SqlType::Bigint),
    ("ATTEMPTS", SqlType::Integer),
    ("KEY", SqlType::Varchar),
    ("VALUE", SqlType::Varchar),
    (ROWTIME, SqlType::Bigint),
    (ROWPARTITION, SqlType::Integer),
    (ROWOFFSET, SqlType::Bigint),
];

/// Plans the condition over [`COLUMNS`].
pub fn filter(ctx: &PlanContext, tree: &ast::Expr) -> Result<Expr> {
    let declared = COLUMNS.iter().filter(|(name, _)| !crate::names::is_reserved(name));
    let columns = declared.map(|(name, ty)| Column { name: (*name).into(), ty: ty.clone(), namespace: Namespace::Value });
    let source = Source {
        name: "DEAD_LETTERS".into(),
        kind: SourceKind::Stream,
        schema: Schema::new(columns),
        topic: "".into(),
        key_format: FormatSpec::new(Format::None),
        value_format: FormatSpec::new(Format::None),
        window: None,
        timestamp: None,
        is_source: false,
        error_policy: None,
        created_by: None,
        statement: "".into(),
    };
    let named = NamedSource { alias: source.name.clone(), source: Arc::new(source) };
    let rows = rows::read(&named, false, None);
    let names = Names { sources: vec![named], ..Names::default() };
    let tree = names.qualify(tree, Clause::Where)?;
    Typing { ctx, scope: &rows.scope, clause: Clause::Where }.condition(&tree)
}
