//! `DROP STREAM|TABLE`.

use std::sync::Arc;

use calzone_sql::ast;

use crate::catalog::Source;
use crate::context::PlanContext;
use crate::create_source::kind_text;
use crate::error::{PlanError, Result};
use crate::names::unknown_source;

/// How the ids of stages' queries begin; no other query's does.
const STAGE_QUERY_PREFIX: &str = "STAGE_";

/// What is to be dropped. Nothing, if IF EXISTS was given and it does not.
#[derive(Clone, Debug)]
pub struct DropSourcePlan {
    pub source: Option<Arc<Source>>,
    /// The query that made the source ends with it.
    pub terminate: Option<String>,
    pub delete_topic: bool,
}

/// Checks that a source may be dropped: nobody else reads or writes it.
pub fn drop_source(ctx: &PlanContext, statement: &ast::DropSource) -> Result<DropSourcePlan> {
    let name = &statement.name;
    let Some(source) = ctx.catalog.sources.get(&name.node) else {
        if statement.if_exists {
            return Ok(DropSourcePlan { source: None, terminate: None, delete_topic: false });
        }
        return Err(PlanError::at(name.span, unknown_source(ctx.catalog, &name.node)));
    };
    if source.kind != statement.kind {
        let is = kind_text(source.kind);
        return Err(PlanError::at(name.span, format!("{} is a {is}. Use DROP {}.", name.node, is.to_uppercase())));
    }
    if statement.delete_topic && source.is_source {
        let message = format!(
            "{} is a read-only SOURCE {}, so its topic stays. Leave DELETE TOPIC out.",
            name.node,
            kind_text(source.kind)
        );
        return Err(PlanError::at(name.span, message));
    }
    let own = source.created_by.as_deref();
    let keeps_rows =
        |id: &str| source.is_source && ctx.catalog.queries.get(id).is_some_and(|q| q.writes.is_empty() && q.reads.len() == 1);
    let uses = |names: &[String]| names.iter().any(|n| **n == *source.name);
    let others = |uses_it: &dyn Fn(&crate::catalog::QueryInfo) -> bool| -> Vec<&str> {
        let queries = ctx.catalog.queries.values().filter(|q| Some(q.id.as_str()) != own && !keeps_rows(&q.id) && uses_it(q));
        queries.map(|q| q.id.as_str()).collect()
    };
    let (readers, writers) = (others(&|q| uses(&q.reads)), others(&|q| uses(&q.writes)));
    if !readers.is_empty() || !writers.is_empty() {
        let list = |what: &str, ids: &[&str]| {
            if ids.is_empty() { String::new() } else { format!(" Queries that {what} it: {}.", ids.join(", ")) }
        };
        let remedy = remedy(readers.iter().chain(&writers));
        let message = format!("{} is in use.{}{} {remedy}", name.node, list("read", &readers), list("write", &writers));
        return Err(PlanError::at(name.span, message));
    }
    let terminate = own.filter(|id| ctx.catalog.queries.contains_key(*id)).map(str::to_owned);
    Ok(DropSourcePlan { source: Some(source.clone()), terminate, delete_topic: statement.delete_topic })
}

/// What ends the queries of these ids.
fn remedy<'a>(ids: impl Iterator<Item = &'a &'a str>) -> &'static str {
    let (stages, others): (Vec<&str>, Vec<&str>) = ids.partition(|id| id.starts_with(STAGE_QUERY_PREFIX));
    match (stages.is_empty(), others.is_empty()) {
        (true, _) => "TERMINATE them first.",
        (false, true) => "DROP STAGE them first.",
        (false, false) => "TERMINATE them first, and DROP STAGE those that are stages.",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stages_are_dropped_and_other_queries_terminated() {
        assert_eq!(super::remedy(["CSAS_A_1"].iter()), "TERMINATE them first.");
        assert_eq!(super::remedy(["STAGE_S_3"].iter()), "DROP STAGE them first.");
        assert!(super::remedy(["STAGE_S_3", "CTAS_B_5"].iter()).contains("those that are stages"));
    }
}
