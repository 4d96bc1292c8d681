//! `ASSERT STREAM|TABLE name (columns) WITH (…)`: is a source what a test says it is?

use calzone_sql::ast::{Name, Property, TableElement};

use crate::catalog::SourceKind;
use crate::context::PlanContext;
use crate::create_source::{declared_schema, formats, kind_text, timestamp_column};
use crate::error::{PlanError, Result};
use crate::names::expect_source;
use crate::with_properties;

/// Compares a source with a declaration; the first difference is the error. What WITH leaves out of topic and window is not
/// compared, formats have their defaults.
pub fn assert_source(
    ctx: &PlanContext,
    kind: SourceKind,
    name: &Name,
    elements: &[TableElement],
    properties: &[Property],
) -> Result<()> {
    let source = expect_source(ctx.catalog, name)?;
    let with = with_properties::of_source(properties)?;
    let schema = if elements.is_empty() { source.schema.clone() } else { declared_schema(ctx.catalog, kind, elements)? };
    let (key_format, value_format) = formats(ctx, &with, &schema)?;
    let timestamp = timestamp_column(&with, &schema)?;
    let differences = [
        ("kind", source.kind == kind, kind_text(source.kind).to_owned()),
        ("columns", source.schema == schema, source.schema.to_string()),
        ("topic", with.topic.as_deref().is_none_or(|t| *t == *source.topic), source.topic.to_string()),
        ("key format", source.key_format == key_format, format!("{:?}", source.key_format)),
        ("value format", source.value_format == value_format, format!("{:?}", source.value_format)),
        ("timestamp column", source.timestamp == timestamp, format!("{:?}", source.timestamp)),
        ("window", with.window.is_none() || source.window == with.window, format!("{:?}", source.window)),
    ];
    match differences.into_iter().find(|(_, same, _)| !same) {
        None => Ok(()),
        Some((what, _, is)) => Err(PlanError::at(name.span, format!("{} is not as asserted. It has {what} {is}.", name.node))),
    }
}
