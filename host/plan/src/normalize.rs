//! Statements as they are shown and kept: names folded, columns with their source, every select item with its name, every
//! property written out. `*` stays `*`.
//!
//! A statement has this form as soon as its sources, properties and types are known, also when it is refused later on: the
//! answer to a CREATE that names a missing column shows the normal form, with that column as it was written.

use calzone_formats::Format;
use calzone_sql::ast::{self, CreateSource, CreateSourceAs, Emit, Expr, ExprKind, Literal, Property, Relation, SelectItem};
use calzone_sql::ast::{Statement, TypeKind, TypeName};
use calzone_sql::{Span, Spanned, format_statement};
use calzone_types::{SqlType, Value};

use crate::catalog::{KeyWindow, SourceKind, WindowType};
use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::names::{NamedSource, Names, expect_source};
use crate::rewrite::map_children;
use crate::select::Aliases;
use crate::topic;
use crate::types::resolve_type;
use crate::with_properties::{self, default_format, default_key_format};

/// Shown where a sink's topic has no retention time of its own: what Kafka takes.
const RETENTION_MS_SHOWN: i64 = 604_800_000;

/// The normal form of a statement. None: it is shown as it was typed, as most statements are.
pub fn normalize(ctx: &PlanContext, statement: &Statement) -> Option<String> {
    let normal = match statement {
        Statement::CreateSource(create) => Statement::CreateSource(create_source(ctx, create).ok()?),
        Statement::CreateSourceAs(create) => Statement::CreateSourceAs(create_source_as(ctx, create).ok()?),
        Statement::DropSource(drop) if drop.delete_topic && ctx.catalog.sources.contains_key(&drop.name.node) => {
            Statement::DropSource(ast::DropSource { delete_topic: false, ..drop.clone() })
        }
        _ => return None,
    };
    Some(format_statement(&normal))
}

/// A query whose columns all say which source they are from, and whose select items all have a name.
///
/// # Errors
/// A source is missing, or a name may mean columns of several sources. Columns that no source has stay as they are.
pub fn normalize_query(ctx: &PlanContext, query: &ast::Query) -> Result<ast::Query> {
    let mut names = Names { makes_windows: query.window.is_some(), ..Names::default() };
    collect_sources(ctx, &query.from, &mut names)?;
    let mut query = query.clone();
    let mut aliases = Aliases::new(&names);
    for item in &mut query.select {
        match item {
            SelectItem::All { .. } => {}
            SelectItem::StructAll { base, .. } => *base = qualify(&names, base, &mut Vec::new())?,
            SelectItem::Expr { expr, alias } => {
                *expr = qualify(&names, expr, &mut Vec::new())?;
                alias.get_or_insert_with(|| spanned(&aliases.of(expr, &names)));
            }
        }
    }
    let trees = query.filter.iter_mut().chain(&mut query.having).chain(&mut query.partition_by);
    for tree in trees.chain(query.group_by.iter_mut().flat_map(|g| &mut g.expressions)) {
        *tree = qualify(&names, tree, &mut Vec::new())?;
    }
    query.emit.get_or_insert(Emit::Changes);
    name_relation(&mut query.from, &names)?;
    Ok(query)
}

fn create_source(ctx: &PlanContext, create: &CreateSource) -> Result<CreateSource> {
    let mut create = create.clone();
    let given = |name: &str| create.properties.iter().find(|p| p.name.node == name);
    if given("KAFKA_TOPIC").is_none() {
        return Err(PlanError::new("no topic"));
    }
    let mut missing = Vec::new();
    if given("FORMAT").is_none() && (given("KEY_FORMAT").is_none() || given("VALUE_FORMAT").is_none()) {
        for (name, default) in [
            ("KEY_FORMAT", Some(default_key_format(ctx)?)),
            ("VALUE_FORMAT", default_format(ctx, "ksql.persistence.default.format.value")?),
        ] {
            let text = match (given(name), default) {
                (Some(Property { value: Literal { value: Value::Varchar(text), .. }, .. }), _) => text.to_uppercase(),
                (None, Some(default)) => default.name().to_owned(),
                _ => return Err(PlanError::new("no format")),
            };
            missing.push((name, Value::Varchar(text)));
        }
    }
    // The kind of a format's fault is looked at later than that of other properties.
    let formats_known = create
        .properties
        .iter()
        .filter(|p| p.name.node.ends_with("FORMAT") && !p.name.node.starts_with("TIMESTAMP"))
        .all(|p| p.value.value.as_str().is_some_and(|text| Format::parse(text).is_some()));
    if formats_known {
        let with = with_properties::of_source(&create.properties)?;
        let default = match create.kind {
            SourceKind::Stream => "delete",
            SourceKind::Table => "compact",
        };
        missing.push(("CLEANUP_POLICY", Value::Varchar(with.cleanup_policy.unwrap_or_else(|| default.to_owned()))));
    }
    create.properties.retain(|p| !missing.iter().any(|(name, _)| p.name.node == *name));
    complete(&mut create.properties, missing);
    for (i, element) in create.elements.iter().enumerate() {
        if create.elements[..i].iter().any(|other| other.name.node == element.name.node) {
            return Err(PlanError::at(element.name.span, "two columns of one name"));
        }
    }
    for element in &mut create.elements {
        element.ty = type_name(&resolve_type(ctx.catalog, &element.ty)?);
    }
    Ok(create)
}

fn create_source_as(ctx: &PlanContext, create: &CreateSourceAs) -> Result<CreateSourceAs> {
    let mut create = create.clone();
    let with = with_properties::of_sink(&create.properties)?;
    let query = normalize_query(ctx, &create.query)?;
    let name = match &with.topic {
        Some(topic) => topic.clone(),
        None => format!("{}{}", ctx.property("ksql.output.topic.name.prefix").unwrap_or_default(), create.name.node),
    };
    let first = first_source(&query.from);
    let first_topic = ctx.catalog.sources.get(&first.node).map(|s| s.topic.clone());
    let window = query.window.as_ref().map(|_| KeyWindow { kind: WindowType::Tumbling, size_ms: None });
    let topic = topic::of_sink(ctx, name, create.kind, window, &with, first_topic.as_deref())?;
    let mut missing = vec![
        ("CLEANUP_POLICY", Value::Varchar(topic.cleanup_policy)),
        ("KAFKA_TOPIC", Value::Varchar(topic.name)),
        ("RETENTION_MS", Value::Bigint(topic.retention_ms.unwrap_or(RETENTION_MS_SHOWN))),
    ];
    missing.extend(topic.partitions.map(|n| ("PARTITIONS", Value::Integer(n))));
    missing.extend(topic.replicas.map(|n| ("REPLICAS", Value::Integer(n))));
    complete(&mut create.properties, missing);
    *create.query = query;
    Ok(create)
}

fn spanned(text: &str) -> ast::Name {
    Spanned { node: text.to_owned(), span: Span::default() }
}

/// Adds properties that are not there and sorts all by name.
fn complete(properties: &mut Vec<Property>, missing: Vec<(&str, Value)>) {
    for (name, value) in missing {
        if !properties.iter().any(|p| p.name.node == name) {
            properties.push(Property { name: spanned(name), value: Literal { value, span: Span::default() } });
        }
    }
    properties.sort_by(|a, b| a.name.node.cmp(&b.name.node));
}

/// A type with the names of CREATE TYPE replaced by what they stand for.
fn type_name(ty: &SqlType) -> TypeName {
    let kind = match ty {
        SqlType::Array(element) => TypeKind::Array(Box::new(type_name(element))),
        SqlType::Map(key, value) => TypeKind::Map(Box::new(type_name(key)), Box::new(type_name(value))),
        SqlType::Struct(fields) => TypeKind::Struct(fields.iter().map(|f| (spanned(&f.name), type_name(&f.ty))).collect()),
        simple => TypeKind::Simple(simple.clone()),
    };
    TypeName { kind, span: Span::default() }
}

fn first_source(from: &Relation) -> &ast::Name {
    match from {
        Relation::Source { name, .. } => name,
        Relation::Join(join) => first_source(&join.left),
    }
}

fn collect_sources(ctx: &PlanContext, from: &Relation, names: &mut Names) -> Result<()> {
    match from {
        Relation::Source { name, alias } => {
            let source = expect_source(ctx.catalog, name)?.clone();
            names.sources.push(NamedSource { alias: alias.as_ref().unwrap_or(name).node.as_str().into(), source });
            Ok(())
        }
        Relation::Join(join) => {
            collect_sources(ctx, &join.left, names)?;
            collect_sources(ctx, &join.right, names)
        }
    }
}

/// Gives every source its alias, and qualifies what joins compare.
fn name_relation(from: &mut Relation, names: &Names) -> Result<()> {
    match from {
        Relation::Source { name, alias } => {
            alias.get_or_insert_with(|| name.clone());
        }
        Relation::Join(join) => {
            name_relation(&mut join.left, names)?;
            name_relation(&mut join.right, names)?;
            join.on = qualify(names, &join.on, &mut Vec::new())?;
        }
    }
    Ok(())
}

/// The same expression with the source before every column. `parameters`: those of the lambdas around it.
fn qualify(names: &Names, expr: &Expr, parameters: &mut Vec<String>) -> Result<Expr> {
    match &expr.kind {
        ExprKind::Column { source: None, name } if !parameters.contains(&name.node) => {
            let has =
                |s: &&NamedSource| s.source.schema.find(&name.node).is_some() || s.pseudo_columns().contains(&name.node.as_str());
            let owners: Vec<&NamedSource> = names.sources.iter().filter(has).collect();
            let source = match owners.as_slice() {
                [] => return Ok(expr.clone()),
                [only] => spanned(&only.alias),
                _ => return Err(PlanError::at(name.span, format!("Column {} is in several sources.", name.node))),
            };
            Ok(Expr { kind: ExprKind::Column { source: Some(source), name: name.clone() }, span: expr.span })
        }
        ExprKind::Lambda { parameters: own, .. } => {
            let outer = parameters.len();
            parameters.extend(own.iter().map(|p| p.node.clone()));
            let body = map_children(expr, &mut |child| qualify(names, child, parameters));
            parameters.truncate(outer);
            body
        }
        _ => map_children(expr, &mut |child| qualify(names, child, parameters)),
    }
}

#[cfg(test)]
mod tests;
