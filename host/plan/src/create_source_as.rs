//! `CREATE STREAM|TABLE name [WITH (…)] AS SELECT …`.

use std::sync::Arc;

use calzone_formats::{Format, FormatSpec};
use calzone_sql::ast;
use calzone_types::{Column, Namespace, Schema};

use crate::catalog::{Source, SourceKind};
use crate::context::PlanContext;
use crate::create_source::{check_existing, kind_text, timestamp_column};
use crate::error::{PlanError, Result};
use crate::finish;
use crate::normalize::normalize;
use crate::plan::{Output, QueryPlan, SinkOutput};
use crate::query::{self, Planned, Purpose, column_of};
use crate::rows::usable_key_format;
use crate::topic::{self, TopicRequest};
use crate::upgrade;
use crate::use_policy;
use crate::with_properties::{self, WithProperties, check_formats, default_key_format};

/// A persistent query, and the source it writes.
#[derive(Clone, Debug)]
pub struct CreateQueryPlan {
    /// The sink.
    pub source: Source,
    pub topic: TopicRequest,
    /// Further sinks, of a stage that routes.
    pub others: Vec<(Source, TopicRequest)>,
    pub plan: QueryPlan,
    /// Takes the place of an older query and source of this name.
    pub replaces: bool,
    /// IF NOT EXISTS, and it does: nothing is to be done.
    pub already_exists: bool,
    /// What the query's error policy needs.
    pub policy_topics: Vec<TopicRequest>,
}

/// Plans a persistent query with a source of its own. What is kept of the statement is its normal form, else its `text`.
pub fn create_source_as(
    ctx: &PlanContext,
    statement: &ast::CreateSourceAs,
    text: &str,
    query_id: &str,
) -> Result<CreateQueryPlan> {
    let existing = check_existing(ctx, &statement.name, statement.kind, statement.or_replace, statement.if_not_exists)?;
    let kind = statement.kind;
    check_no_limit(&statement.query)?;
    let with = with_properties::of_sink(&statement.properties)?;
    let key_format = with.key_format.map(|format| with.key_spec(format)).transpose()?;
    let planned = query::plan(ctx, &statement.query, &Purpose::Sink { key_format })?;
    check_kind(&planned, kind, &statement.name)?;

    let schema = sink_schema(&planned);
    let key_format = sink_key_format(ctx, &with, &planned)?;
    let value_format = sink_value_format(ctx, &with, &planned, &schema)?;
    check_formats(&schema, &key_format, &value_format)?;
    let topic_name = match &with.topic {
        Some(topic) => topic.clone(),
        None => format!("{}{}", ctx.property("ksql.output.topic.name.prefix").unwrap_or_default(), statement.name.node),
    };
    let window = planned.root.output.window;
    let first_topic = planned.sources.first().map(|s| &*s.topic);
    let topic = topic::of_sink(ctx, topic_name, kind, window, &with, first_topic)?;
    let shown = normalize(ctx, &ast::Statement::CreateSourceAs(statement.clone())).unwrap_or_else(|| text.to_owned());
    let source = Source {
        name: statement.name.node.as_str().into(),
        kind,
        timestamp: timestamp_column(&with, &schema)?,
        schema,
        topic: topic.name.as_str().into(),
        key_format,
        value_format,
        window,
        is_source: false,
        error_policy: None,
        created_by: Some(query_id.into()),
        statement: shown.into(),
    };
    let sources = planned.sources.clone();
    let plan = sink_plan(planned, Arc::new(source.clone()))?;
    let already_exists = existing.is_some() && !statement.or_replace;
    if let Some(old) = existing.as_ref().filter(|_| !already_exists) {
        let Some(query) = old.created_by.as_ref().and_then(|id| ctx.catalog.queries.get(&**id)) else {
            let message = format!(
                "The {} {} is not made by a query that runs, so a query cannot replace it. Drop it first.",
                kind_text(kind),
                old.name
            );
            return Err(PlanError::at(statement.name.span, message));
        };
        upgrade::check_source(old, &source)?;
        upgrade::check_upgrade(query, &plan)?;
    }
    let replaces = existing.is_some() && !already_exists;
    let made = CreateQueryPlan { source, topic, others: Vec::new(), plan, replaces, already_exists, policy_topics: Vec::new() };
    if already_exists { Ok(made) } else { use_policy::give(ctx, &with.policy, made, &sources) }
}

/// A persistent query goes on for ever.
pub(crate) fn check_no_limit(query: &ast::Query) -> Result<()> {
    match &query.limit {
        Some(limit) => Err(PlanError::at(
            limit.span,
            "LIMIT is for queries that a client reads. A persistent query never ends: leave LIMIT out.",
        )),
        None => Ok(()),
    }
}

fn check_kind(planned: &Planned, kind: SourceKind, name: &ast::Name) -> Result<()> {
    let gives = if planned.root.output.is_table { SourceKind::Table } else { SourceKind::Stream };
    if gives == kind {
        return Ok(());
    }
    let help = match gives {
        SourceKind::Table => "Use CREATE TABLE … AS SELECT",
        SourceKind::Stream => "Use CREATE STREAM … AS SELECT, or add GROUP BY",
    };
    Err(PlanError::at(name.span, format!("The query gives a {}, not a {}. {help}.", kind_text(gives), kind_text(kind))))
}

/// The columns of a sink: its key, then its values.
pub(crate) fn sink_schema(planned: &Planned) -> Schema {
    let namespace = |i: usize| if i < planned.key_count { Namespace::Key } else { Namespace::Value };
    let columns = planned.root.output.columns.iter().enumerate();
    Schema::new(columns.map(|(i, c)| Column { name: c.name.clone(), ty: c.ty.clone(), namespace: namespace(i) }))
}

fn sink_key_format(ctx: &PlanContext, with: &WithProperties, planned: &Planned) -> Result<FormatSpec> {
    match with.key_format {
        Some(format) if planned.key_removed && format != Format::None => {
            Err(PlanError::new("PARTITION BY NULL leaves no key, so it cannot have a KEY_FORMAT. Leave it out."))
        }
        Some(format) => with.key_spec(format),
        None if planned.key_removed => with.key_spec(Format::None),
        None => {
            let inherited = if planned.key_count == 0 {
                planned.key_format.clone()
            } else {
                usable_key_format(&planned.key_format, default_key_format(ctx)?)
            };
            let own = with.key_spec(inherited.format)?;
            Ok(FormatSpec { delimiter: with.key_delimiter.unwrap_or(inherited.delimiter), ..own })
        }
    }
}

fn sink_value_format(ctx: &PlanContext, with: &WithProperties, planned: &Planned, schema: &Schema) -> Result<FormatSpec> {
    let inherited = &planned.value_format;
    let own = with.value_spec(ctx, with.value_format.unwrap_or(inherited.format), schema.value().count())?;
    // The delimiter goes with the format.
    let delimiter = match with.value_delimiter {
        None if own.format == inherited.format => inherited.delimiter,
        _ => own.delimiter,
    };
    Ok(FormatSpec { delimiter, ..own })
}

/// The plan of a query that writes to a sink.
pub(crate) fn sink_plan(planned: Planned, sink: Arc<Source>) -> Result<QueryPlan> {
    let width = planned.root.output.columns.len();
    let timestamp =
        sink.timestamp.as_ref().and_then(|t| column_of(&planned.root.output, &t.column).map(|(at, _)| (at, t.clone())));
    let output = Output::Sink(SinkOutput {
        key: (0..planned.key_count).collect(),
        value: (planned.key_count..width).collect(),
        timestamp,
        materialize: planned.root.output.is_table,
        writes: true,
        sink,
    });
    finish::finish(planned.root, output, &planned.sources, None)
}
