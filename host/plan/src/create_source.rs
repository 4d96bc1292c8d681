//! `CREATE [SOURCE] STREAM|TABLE name (columns) WITH (…)`.

use std::sync::Arc;

use calzone_sql::ast::{self, ElementRole, TableElement};
use calzone_types::{Column, Field, Namespace, Schema, SqlType};

use crate::catalog::{Catalog, Source, SourceKind, TimestampColumn};
use crate::context::PlanContext;
use crate::error::{PlanError, PlanErrorKind, Result};
use crate::names::is_reserved;
use crate::normalize::normalize;
use crate::plan::{Output, QueryPlan, SinkOutput, SourceColumn, SourceStep, Step, StepColumn, StepKind, StepOutput};
use crate::topic::{self, TopicRequest};
use crate::types::resolve_type;
use crate::upgrade;
use crate::use_policy;
use crate::with_properties::{self, WithProperties, check_formats};

/// A stream or table to declare.
#[derive(Clone, Debug)]
pub struct CreateSourcePlan {
    pub source: Source,
    pub topic: TopicRequest,
    /// Takes the place of an older source of this name.
    pub replaces: bool,
    /// IF NOT EXISTS, and it does: nothing is to be done.
    pub already_exists: bool,
    /// Keeps the rows of a `CREATE SOURCE TABLE`, so that pull queries can ask it.
    pub materialize_query: Option<QueryPlan>,
    /// What that query's error policy needs.
    pub policy_topics: Vec<TopicRequest>,
}

/// Plans a declaration. What is kept of the statement is its normal form, else its `text`.
pub fn create_source(ctx: &PlanContext, statement: &ast::CreateSource, text: &str) -> Result<CreateSourcePlan> {
    let existing = check_existing(ctx, &statement.name, statement.kind, statement.or_replace, statement.if_not_exists)?;
    if statement.is_source && statement.or_replace {
        let message = "A SOURCE stream or table is read-only and cannot be replaced. Drop it and create it again.";
        return Err(PlanError::at(statement.name.span, message));
    }
    let with = with_properties::of_source(&statement.properties)?;
    let schema = declared_schema(ctx.catalog, statement.kind, &statement.elements)?;
    if statement.kind == SourceKind::Table && schema.key().next().is_none() && !infers(&with, true) {
        let message =
            format!("Table {} needs a key: mark the columns that identify a row with PRIMARY KEY.", statement.name.node);
        return Err(PlanError::at(statement.name.span, message));
    }
    check_schema_ids(&with, &schema)?;
    let formats = formats(ctx, &with, &schema)?;
    check_columns_given(&with, &schema, &formats, statement)?;
    check_formats(&schema, &formats.0, &formats.1)?;
    if with.window.is_some() && schema.key().next().is_none() {
        return Err(PlanError::at(statement.name.span, "A windowed source needs a key column: the window is a part of the key."));
    }
    let timestamp = timestamp_column(&with, &schema)?;
    let topic = topic::of_source(ctx, statement.kind, &with)?;
    let shown = normalize(ctx, &ast::Statement::CreateSource(statement.clone())).unwrap_or_else(|| text.to_owned());
    let source = Source {
        name: statement.name.node.as_str().into(),
        kind: statement.kind,
        schema,
        topic: topic.name.as_str().into(),
        key_format: formats.0,
        value_format: formats.1,
        window: with.window,
        timestamp,
        is_source: statement.is_source,
        error_policy: use_policy::of_source(ctx, with.policy.clone())?,
        created_by: None,
        statement: shown.into(),
    };
    if let Some(old) = existing.as_ref().filter(|_| statement.or_replace) {
        if old.created_by.is_some() {
            let message = format!("{} is made by a query. CREATE OR REPLACE … AS SELECT replaces that.", old.name);
            return Err(PlanError::at(statement.name.span, message));
        }
        upgrade::check_source(old, &source)?;
    }
    let (mut materialize_query, mut policy_topics) = (None, Vec::new());
    if statement.is_source && statement.kind == SourceKind::Table {
        let (plan, topics) = use_policy::give_keeper(ctx, keep_rows(&source), &source)?;
        (materialize_query, policy_topics) = (Some(plan), topics);
    }
    let already_exists = existing.is_some() && !statement.or_replace;
    let replaces = existing.is_some() && !already_exists;
    Ok(CreateSourcePlan { source, topic, replaces, already_exists, materialize_query, policy_topics })
}

/// The source of that name, if there is one and the statement may go on all the same.
pub(crate) fn check_existing(
    ctx: &PlanContext,
    name: &ast::Name,
    kind: SourceKind,
    or_replace: bool,
    if_not_exists: bool,
) -> Result<Option<Arc<Source>>> {
    let Some(existing) = ctx.catalog.sources.get(&name.node) else { return Ok(None) };
    let is = kind_text(existing.kind);
    if or_replace {
        if !ctx.is_enabled("ksql.create.or.replace.enabled", true)? {
            return Err(PlanError::of_kind(
                PlanErrorKind::Disabled,
                "CREATE OR REPLACE is switched off by 'ksql.create.or.replace.enabled'.",
            ));
        }
        if existing.kind != kind {
            let message = format!("{} is a {is} and cannot be replaced by a {}. Drop it first.", name.node, kind_text(kind));
            return Err(PlanError::at(name.span, message));
        }
        if existing.is_source {
            let message = format!("{} is a read-only SOURCE {is} and cannot be replaced. Drop it first.", name.node);
            return Err(PlanError::at(name.span, message));
        }
    } else if !if_not_exists {
        let message =
            format!("There is a {is} named {} already. Choose another name, drop it, or use CREATE OR REPLACE.", name.node);
        return Err(PlanError::at(name.span, message));
    }
    Ok(Some(existing.clone()))
}

/// `stream` or `table`.
pub(crate) fn kind_text(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Stream => "stream",
        SourceKind::Table => "table",
    }
}

/// The columns of a declaration: keys first, then values and headers, in their order.
pub(crate) fn declared_schema(catalog: &Catalog, kind: SourceKind, elements: &[TableElement]) -> Result<Schema> {
    let mut columns: Vec<Column> = Vec::with_capacity(elements.len());
    for element in elements {
        let name = &element.name;
        if is_reserved(&name.node) {
            return Err(PlanError::at(
                name.span,
                format!("{} is the name of a pseudo column, so a column cannot have it.", name.node),
            ));
        }
        if columns.iter().any(|c| *c.name == *name.node) {
            return Err(PlanError::at(name.span, format!("There are two columns named {}.", name.node)));
        }
        let ty = resolve_type(catalog, &element.ty)?;
        let namespace = match (&element.role, kind) {
            (ElementRole::Value, _) => Namespace::Value,
            (ElementRole::Key, SourceKind::Stream) | (ElementRole::PrimaryKey, SourceKind::Table) => Namespace::Key,
            (ElementRole::PrimaryKey, SourceKind::Stream) => {
                return Err(PlanError::at(
                    name.span,
                    format!("Rows of a stream are not unique, so {} can only be KEY, not PRIMARY KEY.", name.node),
                ));
            }
            (ElementRole::Key, SourceKind::Table) => {
                return Err(PlanError::at(
                    name.span,
                    format!("A table has one row for each key, so {} must be PRIMARY KEY, not KEY.", name.node),
                ));
            }
            (ElementRole::Headers, _) => Namespace::Headers(None),
            (ElementRole::Header(key), _) => Namespace::Headers(Some(key.as_str().into())),
        };
        check_headers(&columns, element, &namespace, &ty)?;
        columns.push(Column { name: name.node.as_str().into(), ty, namespace });
    }
    let (keys, others): (Vec<Column>, Vec<Column>) = columns.into_iter().partition(|c| c.namespace == Namespace::Key);
    Ok(Schema::new(keys.into_iter().chain(others)))
}

fn check_headers(columns: &[Column], element: &TableElement, namespace: &Namespace, ty: &SqlType) -> Result<()> {
    let Namespace::Headers(key) = namespace else { return Ok(()) };
    let refuse = |message: String| Err(PlanError::at(element.name.span, message));
    let wanted = match key {
        Some(_) => SqlType::Bytes,
        None => SqlType::array(SqlType::structure([Field::new("KEY", SqlType::Varchar), Field::new("VALUE", SqlType::Bytes)])),
    };
    if *ty != wanted {
        let what = if key.is_some() { "HEADER('key')" } else { "HEADERS" };
        return refuse(format!("A {what} column must be {wanted}, but {} is {ty}.", element.name.node));
    }
    let mut others = columns.iter().filter_map(|c| match &c.namespace {
        Namespace::Headers(other) => Some(other),
        _ => None,
    });
    match others.find(|other| *other == key || other.is_none() || key.is_none()) {
        None => Ok(()),
        Some(_) => refuse("A source has either one HEADERS column, or HEADER columns with different keys.".to_owned()),
    }
}

pub(crate) fn formats(
    ctx: &PlanContext,
    with: &WithProperties,
    schema: &Schema,
) -> Result<(calzone_formats::FormatSpec, calzone_formats::FormatSpec)> {
    let key = match with.key_format {
        Some(format) => format,
        None => with_properties::default_key_format(ctx)?,
    };
    let value = match with.value_format {
        Some(format) => format,
        None => with_properties::default_format(ctx, "ksql.persistence.default.format.value")?.ok_or_else(|| {
            PlanError::new("WITH must name the format of values: VALUE_FORMAT='JSON', for example. The setting 'ksql.persistence.default.format.value' gives a default.")
        })?,
    };
    Ok((with.key_spec(key)?, with.value_spec(ctx, value, schema.value().count())?))
}

/// Could the columns of the key (else of the value) come from a schema registry?
fn infers(with: &WithProperties, key: bool) -> bool {
    let format = if key { with.key_format } else { with.value_format };
    format.is_some_and(|f| f.supports_schema_inference())
}

fn check_columns_given(
    with: &WithProperties,
    schema: &Schema,
    formats: &(calzone_formats::FormatSpec, calzone_formats::FormatSpec),
    statement: &ast::CreateSource,
) -> Result<()> {
    let needs_registry = formats.1.format.supports_schema_inference() || infers(with, true);
    let no_values = schema.value().next().is_none();
    if no_values && needs_registry {
        let message = "The columns are not given, and there is no schema registry to take them from. List the columns.";
        return Err(PlanError::of_kind(PlanErrorKind::SchemaRegistry, message));
    }
    if schema.columns.is_empty() {
        return Err(PlanError::at(
            statement.name.span,
            format!("{} has no columns. List them: CREATE … (name type, …) WITH (…).", statement.name.node),
        ));
    }
    Ok(())
}

fn check_schema_ids(with: &WithProperties, schema: &Schema) -> Result<()> {
    for (id, name, columns) in [
        (with.key_schema_id, "KEY_SCHEMA_ID", schema.key().count()),
        (with.value_schema_id, "VALUE_SCHEMA_ID", schema.value().count()),
    ] {
        if id.is_some() && columns > 0 {
            return Err(PlanError::new(format!(
                "{name} takes the columns from the schema registry, so they cannot be listed too."
            )));
        }
    }
    Ok(())
}

/// The column that TIMESTAMP names, checked.
pub(crate) fn timestamp_column(with: &WithProperties, schema: &Schema) -> Result<Option<TimestampColumn>> {
    let Some(name) = &with.timestamp else { return Ok(None) };
    let Some((_, column)) = schema.find(name) else {
        return Err(PlanError::new(format!("TIMESTAMP names column {name}, which does not exist. The columns are {schema}.")));
    };
    let format = with.timestamp_format.as_deref();
    match (&column.ty, format) {
        (SqlType::Bigint | SqlType::Timestamp, None) | (SqlType::Varchar, Some(_)) => {
            Ok(Some(TimestampColumn { column: column.name.clone(), format: format.map(Into::into) }))
        }
        (SqlType::Varchar, None) => Err(PlanError::new(format!(
            "TIMESTAMP names column {name}, which is STRING: TIMESTAMP_FORMAT must say how to read it, as in 'yyyy-MM-dd HH:mm:ss'."
        ))),
        (SqlType::Bigint | SqlType::Timestamp, Some(_)) => {
            Err(PlanError::new(format!("TIMESTAMP_FORMAT is for STRING columns, but {name} is {}. Leave it out.", column.ty)))
        }
        (ty, _) => {
            Err(PlanError::new(format!("TIMESTAMP names column {name}, which is {ty}, but must be BIGINT, TIMESTAMP or STRING.")))
        }
    }
}

/// The table as its kept rows are: columns of headers are values like others.
pub(crate) fn kept(source: &Source) -> Source {
    let columns = source.schema.columns.iter().map(|c| match c.namespace {
        Namespace::Headers(_) => Column { namespace: Namespace::Value, ..c.clone() },
        _ => c.clone(),
    });
    Source { schema: Schema::new(columns), ..source.clone() }
}

/// A query that keeps all rows of a table and writes nothing.
fn keep_rows(source: &Source) -> QueryPlan {
    let columns: Vec<StepColumn> =
        source.schema.columns.iter().map(|c| StepColumn { name: c.name.clone(), ty: c.ty.clone() }).collect();
    let (key, value): (Vec<usize>, Vec<usize>) =
        (0..columns.len()).partition(|&i| source.schema.columns[i].namespace == Namespace::Key);
    let step = SourceStep {
        source: Arc::new(source.clone()),
        alias: source.name.clone(),
        columns: (0..columns.len()).map(SourceColumn::Schema).collect(),
        materialize: None,
    };
    let output = StepOutput { columns, key: key.clone(), is_table: true, window: source.window };
    let sink = Arc::new(kept(source));
    QueryPlan {
        root: Step { kind: StepKind::Source(step), output },
        output: Output::Sink(SinkOutput { sink, key, value, timestamp: None, materialize: true, writes: false }),
        reads: vec![source.name.clone()],
        plugins: Vec::new(),
        limit: None,
        error_policy: None,
    }
}
