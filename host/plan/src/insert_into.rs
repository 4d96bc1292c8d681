//! `INSERT INTO stream SELECT …`.

use calzone_sql::ast;
use calzone_types::{Schema, Value, cast};

use crate::catalog::SourceKind;
use crate::context::PlanContext;
use crate::create_source_as::{CreateQueryPlan, check_no_limit, sink_plan, sink_schema};
use crate::error::{PlanError, Result};
use crate::names::expect_source;
use crate::plan::StepKind;
use crate::query::{self, Purpose};
use crate::topic::TopicRequest;
use crate::typing::cast_expr;
use crate::use_policy::{self, POLICY_PROPERTIES};

/// Plans a query that adds to an existing stream.
pub fn insert_into(ctx: &PlanContext, statement: &ast::InsertInto, _text: &str, _query_id: &str) -> Result<CreateQueryPlan> {
    query_id(statement)?;
    check_no_limit(&statement.query)?;
    let sink = expect_source(ctx.catalog, &statement.name)?.clone();
    if sink.kind == SourceKind::Table {
        let message = format!("{} is a table; INSERT INTO … SELECT can only add to a stream.", sink.name);
        return Err(PlanError::at(statement.name.span, message));
    }
    if sink.is_source {
        let message = format!("{} is a read-only SOURCE stream. Nothing can be inserted into it.", sink.name);
        return Err(PlanError::at(statement.name.span, message));
    }
    if sink.schema.headers().next().is_some() {
        let message = format!("{} has HEADERS columns, which a query cannot write.", sink.name);
        return Err(PlanError::at(statement.name.span, message));
    }
    let mut planned = query::plan(ctx, &statement.query, &Purpose::Sink { key_format: Some(sink.key_format.clone()) })?;
    if planned.root.output.is_table {
        let message = format!("The query gives a table, but {} is a stream.", sink.name);
        return Err(PlanError::at(statement.query.span, message));
    }
    if planned.root.output.window != sink.window {
        let message = format!("The windows of the query's rows are not those of {}.", sink.name);
        return Err(PlanError::at(statement.query.span, message));
    }
    let result = sink_schema(&planned);
    let wanted = &sink.schema;
    let fits = result.columns.len() == wanted.columns.len()
        && result
            .columns
            .iter()
            .zip(wanted.columns.iter())
            .all(|(r, w)| r.name == w.name && r.namespace == w.namespace && (r.ty == w.ty || cast::can_coerce(&r.ty, &w.ty)));
    if !fits {
        return Err(PlanError::at(statement.query.span, mismatch(&result, wanted)));
    }
    if let StepKind::Project { columns, .. } = &mut planned.root.kind {
        for ((expr, out), column) in columns.iter_mut().zip(&mut planned.root.output.columns).zip(wanted.columns.iter()) {
            let placeholder = crate::expression::Expr::literal(Value::Null, expr.ty.clone());
            *expr = cast_expr(std::mem::replace(expr, placeholder), &column.ty);
            out.ty = column.ty.clone();
        }
    }
    let topic = TopicRequest {
        name: sink.topic.to_string(),
        partitions: ctx.topics.partitions(&sink.topic),
        replicas: ctx.topics.replicas(&sink.topic),
        exists: true,
        retention_ms: None,
        cleanup_policy: "delete".to_owned(),
    };
    let sources = planned.sources.clone();
    let plan = sink_plan(planned, sink.clone())?;
    let made = CreateQueryPlan {
        source: (*sink).clone(),
        topic,
        others: Vec::new(),
        plan,
        replaces: false,
        already_exists: false,
        policy_topics: Vec::new(),
    };
    use_policy::give(ctx, &use_policy::clause(&statement.properties)?, made, &sources)
}

fn mismatch(result: &Schema, wanted: &Schema) -> String {
    format!(
        "The columns that SELECT gives do not fit the stream: names, order and key must be the same, and types must convert.\n  SELECT gives {result}\n  the stream has {wanted}"
    )
}

/// The id that `WITH (QUERY_ID='…')` gives the query, in upper case.
pub fn query_id(statement: &ast::InsertInto) -> Result<Option<String>> {
    let mut id = None;
    for property in &statement.properties {
        match (property.name.node.as_str(), &property.value.value) {
            ("QUERY_ID", Value::Varchar(text)) if !text.trim().is_empty() => id = Some(text.trim().to_uppercase()),
            ("QUERY_ID", _) => return Err(PlanError::at(property.value.span, "QUERY_ID must be text that is not empty.")),
            (name, _) if POLICY_PROPERTIES.contains(&name) => {}
            (other, _) => {
                let known = POLICY_PROPERTIES.join(", ");
                let message = format!("INSERT INTO knows no property {other}. It knows QUERY_ID, {known}.");
                return Err(PlanError::at(property.name.span, message));
            }
        }
    }
    Ok(id)
}
