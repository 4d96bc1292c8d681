//! `CREATE STAGE s FROM source INTO sink USING PLUGIN 'p'`.

use std::sync::Arc;

use calzone_sql::ast;
use calzone_types::{Column, Namespace, Schema, Value};

use crate::catalog::{Source, SourceKind};
use crate::context::{PlanContext, StageOffer};
use crate::create_source_as::CreateQueryPlan;
use crate::error::{PlanError, Result};
use crate::finish;
use crate::names::{NamedSource, expect_source, is_reserved};
use crate::plan::{Output, SinkOutput, SourceColumn, StageRoute, StageStep, Step, StepKind, StepOutput};
use crate::rows;
use crate::topic;
use crate::use_policy::{self, PolicyClause};
use crate::with_properties::{self, check_formats, default_key_format};

/// Plans a stage between a stream and its sinks, which are made unless they exist.
pub fn create_stage(ctx: &PlanContext, statement: &ast::CreateStage, text: &str, query_id: &str) -> Result<CreateQueryPlan> {
    let source = expect_source(ctx.catalog, &statement.from)?.clone();
    if source.kind == SourceKind::Table {
        let message = format!("{} is a table; a stage works on the rows of a stream.", source.name);
        return Err(PlanError::at(statement.from.span, message));
    }
    check_grants(&statement.grants)?;
    let config = config(&statement.config)?;
    let named = NamedSource { alias: source.name.clone(), source: source.clone() };
    let input = declared_columns(rows::read(&named, false, rows::partitions_of(ctx, &source)).step, &source);
    let stage = statement.stage.as_ref().map(|s| s.node.as_str());
    let offer = ctx
        .plugins
        .stage(&statement.plugin.node, stage, &config, &statement.grants, &input.output.columns, &input.output.key)
        .map_err(|reason| PlanError::at(statement.plugin.span, reason))?;
    check_targets(statement, &offer)?;
    let mut routes = Vec::with_capacity(offer.outputs.len());
    let mut sinks = Vec::with_capacity(offer.outputs.len());
    for (into, offered) in statement.into.iter().zip(offer.outputs) {
        let output = StepOutput { columns: offered.output, key: offered.key, is_table: false, window: source.window };
        let (sink, request) = sink_of(ctx, statement, into, &output, &source, text, query_id)?;
        let value = (0..output.columns.len()).filter(|i| !output.key.contains(i)).collect();
        let written =
            SinkOutput { sink: sink.clone(), key: output.key.clone(), value, timestamp: None, materialize: false, writes: true };
        routes.push(StageRoute { columns: offered.columns, output, sink: written });
        sinks.push(((*sink).clone(), request));
    }
    let first = routes.remove(0);
    let root = Step {
        kind: StepKind::Stage(Box::new(StageStep {
            input,
            name: statement.name.node.as_str().into(),
            plugin: statement.plugin.node.as_str().into(),
            stage: offer.stage,
            config,
            reads: offer.reads,
            columns: first.columns,
            others: routes,
            key_value: statement.grants.iter().any(|g| g.kind == ast::GrantKind::KeyValue),
            revision_header: ctx.is_enabled("calzone.stage.revision.header", true)?,
        })),
        output: first.output,
    };
    let replaces = statement.or_replace && ctx.catalog.queries.contains_key(query_id);
    let plan = finish::finish(root, Output::Sink(first.sink), std::slice::from_ref(&source), None)?;
    let (written, topic) = sinks.remove(0);
    let made = CreateQueryPlan {
        source: written,
        topic,
        others: sinks,
        plan,
        replaces,
        already_exists: false,
        policy_topics: Vec::new(),
    };
    use_policy::give(ctx, &policy(statement)?, made, std::slice::from_ref(&source))
}

/// A stage may use what every guest may, and a store; the rest is for endpoints.
fn check_grants(grants: &[ast::Grant]) -> Result<()> {
    match grants.iter().find(|g| matches!(g.kind, ast::GrantKind::InsertOn(..) | ast::GrantKind::QueryOn(..))) {
        Some(grant) => {
            let message = "INSERT ON and QUERY ON are for endpoints: a stage's rows go where INTO says.";
            Err(PlanError::at(grant.span, message))
        }
        None => Ok(()),
    }
}

/// INTO must name a stream for each output, none twice.
fn check_targets(statement: &ast::CreateStage, offer: &StageOffer) -> Result<()> {
    let (into, outputs) = (&statement.into, &offer.outputs);
    if into.len() != outputs.len() {
        let names: Vec<&str> = outputs.iter().map(|o| &*o.name).filter(|name| !name.is_empty()).collect();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let (has, plural) = (outputs.len(), if outputs.len() == 1 { "" } else { "s" });
        let message = format!(
            "The stage has {has} output{plural}{names}, and INTO names {}: name a stream for each, in order.",
            into.len()
        );
        let span = into.last().map_or(statement.name.span, |name| name.span);
        return Err(PlanError::at(span, message));
    }
    for (i, name) in into.iter().enumerate() {
        if into[..i].iter().any(|before| before.node == name.node) {
            return Err(PlanError::at(
                name.span,
                format!("INTO names {} twice; each output has a stream of its own.", name.node),
            ));
        }
    }
    if into.len() > 1
        && let Some(topic) = statement.properties.iter().find(|p| p.name.node.eq_ignore_ascii_case("KAFKA_TOPIC"))
    {
        let message =
            "KAFKA_TOPIC names one topic, and this stage writes several: leave it out, and each topic is named like its stream.";
        return Err(PlanError::at(topic.name.span, message));
    }
    Ok(())
}

/// The stream that an output is written to, there already or made now, and its topic.
fn sink_of(
    ctx: &PlanContext,
    statement: &ast::CreateStage,
    into: &ast::Name,
    output: &StepOutput,
    source: &Source,
    text: &str,
    query_id: &str,
) -> Result<(Arc<Source>, topic::TopicRequest)> {
    let column = |i: usize, namespace| {
        let c = &output.columns[i];
        Column { name: c.name.clone(), ty: c.ty.clone(), namespace }
    };
    let keys = output.key.iter().map(|&i| column(i, Namespace::Key));
    let values = (0..output.columns.len()).filter(|i| !output.key.contains(i)).map(|i| column(i, Namespace::Value));
    let schema = Schema::new(keys.chain(values));
    if let Some(reserved) = schema.columns.iter().find(|c| is_reserved(&c.name)) {
        let message = format!("The stage gives a column {}, which is the name of a pseudo column.", reserved.name);
        return Err(PlanError::at(statement.plugin.span, message));
    }
    match ctx.catalog.sources.get(&into.node).filter(|_| !statement.or_replace) {
        Some(sink) => existing_sink(ctx, sink, &schema, into),
        None => new_sink(ctx, statement, into, schema, source, text, query_id),
    }
}

/// The policy that ON ERROR or WITH names.
fn policy(statement: &ast::CreateStage) -> Result<PolicyClause> {
    let clause = use_policy::clause(&statement.properties)?;
    match (&statement.on_error, &clause.policy) {
        (Some(_), Some(second)) => {
            Err(PlanError::at(second.span, "The error policy is named by ON ERROR already. Leave one of them out."))
        }
        (Some(name), None) => Ok(PolicyClause { policy: Some(name.clone()), ..clause }),
        (None, _) => Ok(clause),
    }
}

/// A stage sees the columns that the stream declares; pseudo columns and headers columns are not its rows' own.
fn declared_columns(mut input: Step, source: &Source) -> Step {
    let StepKind::Source(step) = &mut input.kind else { return input };
    let keep: Vec<usize> = (0..step.columns.len())
        .filter(|&i| match step.columns[i] {
            SourceColumn::Schema(at) => !matches!(source.schema.columns[at].namespace, Namespace::Headers(_)),
            _ => false,
        })
        .collect();
    step.columns = keep.iter().map(|&i| step.columns[i]).collect();
    input.output.columns = keep.iter().map(|&i| input.output.columns[i].clone()).collect();
    input.output.key = input.output.key.iter().filter_map(|k| keep.iter().position(|i| i == k)).collect();
    input
}

/// Settings for a plugin, as text.
pub fn config(properties: &[ast::Property]) -> Result<Vec<(String, String)>> {
    let text = |property: &ast::Property| match &property.value.value {
        Value::Varchar(text) => Ok(text.clone()),
        Value::Boolean(value) => Ok(value.to_string()),
        Value::Integer(value) => Ok(value.to_string()),
        Value::Bigint(value) => Ok(value.to_string()),
        Value::Double(value) => Ok(calzone_types::text::double_to_java(*value)),
        Value::Decimal(value) => Ok(value.to_string()),
        _ => Err(PlanError::at(
            property.value.span,
            format!("The value of {} must be text, a number or a boolean.", property.name.node),
        )),
    };
    properties.iter().map(|p| Ok((p.name.node.clone(), text(p)?))).collect()
}

fn existing_sink(
    ctx: &PlanContext,
    sink: &Arc<Source>,
    schema: &Schema,
    into: &ast::Name,
) -> Result<(Arc<Source>, topic::TopicRequest)> {
    if sink.kind == SourceKind::Table || sink.is_source {
        let message = format!("{} is a table or read-only, so a stage cannot write to it.", sink.name);
        return Err(PlanError::at(into.span, message));
    }
    if sink.schema != *schema {
        let message = format!(
            "The stage's columns are not those of {}.\n  the stage gives {schema}\n  the stream has {}",
            sink.name, sink.schema
        );
        return Err(PlanError::at(into.span, message));
    }
    let topic = topic::TopicRequest {
        name: sink.topic.to_string(),
        partitions: ctx.topics.partitions(&sink.topic),
        replicas: ctx.topics.replicas(&sink.topic),
        exists: true,
        retention_ms: None,
        cleanup_policy: "delete".to_owned(),
    };
    Ok((sink.clone(), topic))
}

fn new_sink(
    ctx: &PlanContext,
    statement: &ast::CreateStage,
    into: &ast::Name,
    schema: Schema,
    from: &Source,
    text: &str,
    query_id: &str,
) -> Result<(Arc<Source>, topic::TopicRequest)> {
    let with = with_properties::of_sink(&statement.properties)?;
    let has_key = schema.key().next().is_some();
    let inherited =
        if has_key { rows::usable_key_format(&from.key_format, default_key_format(ctx)?) } else { from.key_format.clone() };
    let key_format = with.key_spec(with.key_format.unwrap_or(inherited.format))?;
    let value_format = with.value_spec(ctx, with.value_format.unwrap_or(from.value_format.format), schema.value().count())?;
    check_formats(&schema, &key_format, &value_format)?;
    let prefix = ctx.property("ksql.output.topic.name.prefix").unwrap_or_default();
    let name = with.topic.clone().unwrap_or_else(|| format!("{prefix}{}", into.node));
    let topic = topic::of_sink(ctx, name, SourceKind::Stream, from.window, &with, Some(&from.topic))?;
    let sink = Source {
        name: into.node.as_str().into(),
        kind: SourceKind::Stream,
        schema,
        topic: topic.name.as_str().into(),
        key_format,
        value_format,
        window: from.window,
        timestamp: None,
        is_source: false,
        error_policy: None,
        created_by: Some(query_id.into()),
        statement: text.into(),
    };
    Ok((Arc::new(sink), topic))
}
