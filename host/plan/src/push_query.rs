//! `SELECT … EMIT CHANGES|FINAL`: a query that a client reads.

use std::sync::Arc;

use calzone_sql::ast;
use calzone_types::{Column, Schema};

use crate::context::PlanContext;
use crate::error::{PlanError, Result};
use crate::finish;
use crate::plan::{Output, QueryPlan};
use crate::query::{self, Purpose};

/// Plans a push query.
pub fn push_query(ctx: &PlanContext, query: &ast::Query, _query_id: &str) -> Result<QueryPlan> {
    if query.emit.is_none() {
        return Err(PlanError::at(query.span, "A push query ends with EMIT CHANGES or EMIT FINAL."));
    }
    client_plan(ctx, query)
}

/// Plans a query whose rows go to a client.
pub(crate) fn client_plan(ctx: &PlanContext, query: &ast::Query) -> Result<QueryPlan> {
    let planned = query::plan(ctx, query, &Purpose::Client)?;
    let columns = &planned.root.output.columns;
    let schema = Schema::new(columns.iter().map(|c| Column::value(Arc::clone(&c.name), c.ty.clone())));
    let output = Output::Client { columns: (0..columns.len()).collect(), schema };
    finish::finish(planned.root, output, &planned.sources, query.limit.as_ref().map(|l| l.node))
}
