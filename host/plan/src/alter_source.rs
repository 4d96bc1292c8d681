//! `ALTER STREAM|TABLE name ADD COLUMN …`.

use calzone_sql::ast::{Name, TypeName};
use calzone_types::{Column, Schema};

use crate::catalog::{Source, SourceKind};
use crate::context::PlanContext;
use crate::create_source::kind_text;
use crate::error::{PlanError, Result};
use crate::names::{expect_source, is_reserved};
use crate::types::resolve_type;
use crate::with_properties::check_formats;

/// The source with more value columns.
pub fn alter_source(ctx: &PlanContext, kind: SourceKind, name: &Name, add_columns: &[(Name, TypeName)]) -> Result<Source> {
    let source = expect_source(ctx.catalog, name)?;
    let refuse = |message: String| Err(PlanError::at(name.span, message));
    if source.kind != kind {
        let is = kind_text(source.kind);
        return refuse(format!("{} is a {is}. Use ALTER {}.", name.node, is.to_uppercase()));
    }
    if source.created_by.is_some() {
        return refuse(format!(
            "The columns of {} come from its query. Use CREATE OR REPLACE {} … AS SELECT.",
            name.node,
            kind_text(kind).to_uppercase()
        ));
    }
    if source.is_source {
        return refuse(format!(
            "{} is a read-only SOURCE {} and cannot be altered. Drop it and create it again.",
            name.node,
            kind_text(kind)
        ));
    }
    let mut columns: Vec<Column> = source.schema.columns.to_vec();
    for (column, ty) in add_columns {
        if is_reserved(&column.node) {
            return Err(PlanError::at(
                column.span,
                format!("{} is the name of a pseudo column, so a column cannot have it.", column.node),
            ));
        }
        if columns.iter().any(|c| *c.name == *column.node) {
            return Err(PlanError::at(column.span, format!("{} has a column {} already.", name.node, column.node)));
        }
        columns.push(Column::value(column.node.as_str(), resolve_type(ctx.catalog, ty)?));
    }
    let altered = Source { schema: Schema::new(columns), ..(**source).clone() };
    check_formats(&altered.schema, &altered.key_format, &altered.value_format)?;
    Ok(altered)
}
