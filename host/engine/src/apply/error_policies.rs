//! CREATE and DROP ERROR POLICY.

use std::sync::Arc;

use calzone_plan::catalog::QueryInfo;
use calzone_plan::error_policy::ErrorPolicy;
use calzone_plan::{PlanContext, QueryPlan, TopicRequest};
use calzone_sql::ast::{CreateErrorPolicy, Name};

use super::{Apply, Effect, change_catalog, queries};
use crate::StatementError;
use crate::engine::Engine;
use crate::state::State;
use crate::submit::plan_error;

/// A query with the plan that a replaced policy gives it.
pub struct Replanned {
    pub query_id: String,
    pub plan: QueryPlan,
}

/// Plans a policy, and again each query that uses an older one of its name.
pub fn create(context: &PlanContext<'_>, create: &CreateErrorPolicy, text: &str) -> Result<Effect, StatementError> {
    let failed = |e| plan_error(&e, text);
    let Some(policy) = calzone_plan::create_error_policy(context, create).map_err(failed)? else {
        let name = &create.name.node;
        return Ok(Effect::Exists(format!("Error policy {name} is there already, so nothing was created.")));
    };
    let policy = Arc::new(policy);
    let (mut replanned, mut topics) = (Vec::new(), Vec::<TopicRequest>::new());
    for (id, query) in users(context, &policy) {
        let (plan, needed) = calzone_plan::replace_error_policy(context, id, &query.plan, &policy).map_err(|mut e| {
            e.message = format!("Query {id} uses error policy {}. {} Nothing was changed.", policy.name, e.message);
            failed(e)
        })?;
        replanned.push(Replanned { query_id: id.clone(), plan });
        topics.extend(needed);
    }
    Ok(Effect::AddErrorPolicy { policy, replanned, topics })
}

fn users<'a>(context: &'a PlanContext<'_>, policy: &ErrorPolicy) -> impl Iterator<Item = (&'a String, &'a Arc<QueryInfo>)> {
    let name = policy.name.clone();
    let uses = move |query: &QueryInfo| query.plan.error_policy.as_ref().is_some_and(|used| used.policy.name == name);
    context.catalog.queries.iter().filter(move |(_, query)| uses(query))
}

pub fn drop(context: &PlanContext<'_>, if_exists: bool, name: &Name, text: &str) -> Result<Effect, StatementError> {
    match calzone_plan::drop_error_policy(context, if_exists, name).map_err(|e| plan_error(&e, text))? {
        Some(policy) => Ok(Effect::DropErrorPolicy { name: policy.name.to_string() }),
        None => Ok(Effect::Nothing(format!("There is no error policy {}; nothing to drop.", name.node))),
    }
}

/// Adds the policy. Running queries that used an older one commit, and go on with the new one.
pub fn add(
    engine: &Engine,
    state: &mut State,
    policy: Arc<ErrorPolicy>,
    replanned: Vec<Replanned>,
    how: Apply,
) -> Result<(String, Option<String>), StatementError> {
    let name = policy.name.clone();
    let replaces = state.catalog.error_policies.contains_key(&*name);
    change_catalog(state, |catalog| {
        catalog.error_policies.insert(name.to_string(), policy);
    });
    for Replanned { query_id, plan } in &replanned {
        queries::replace_plan(engine, state, query_id, Arc::new(plan.clone()), how);
    }
    let message = match (replaces, replanned.as_slice()) {
        (false, _) => format!("Error policy {name} created."),
        (true, []) => format!("Error policy {name} replaced."),
        (true, used) => {
            let ids: Vec<&str> = used.iter().map(|r| r.query_id.as_str()).collect();
            format!("Error policy {name} replaced, also for {}.", ids.join(", "))
        }
    };
    Ok((message, None))
}

pub fn remove(state: &mut State, name: &str) -> (String, Option<String>) {
    change_catalog(state, |catalog| {
        catalog.error_policies.remove(name);
    });
    (format!("Error policy {name} dropped."), None)
}
