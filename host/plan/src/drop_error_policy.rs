//! `DROP ERROR POLICY`.

use std::sync::Arc;

use calzone_sql::ast::Name;

use crate::context::PlanContext;
use crate::create_error_policy::find;
use crate::error::{PlanError, Result};
use crate::error_policy::ErrorPolicy;
use crate::use_policy::POLICY_SETTING;
use crate::with_properties::column_name;

/// Checks that a policy may be dropped: nothing uses it. `None`: IF EXISTS, and it does not.
pub fn drop_error_policy(ctx: &PlanContext, if_exists: bool, name: &Name) -> Result<Option<Arc<ErrorPolicy>>> {
    let policy = match find(ctx, &name.node) {
        Ok(policy) => policy.clone(),
        Err(_) if if_exists => return Ok(None),
        Err(message) => return Err(PlanError::at(name.span, message)),
    };
    let users = users(ctx, &policy.name);
    if !users.is_empty() {
        let message = format!("Error policy {} is used by {}. End or change them first.", policy.name, users.join(", "));
        return Err(PlanError::at(name.span, message));
    }
    Ok(Some(policy))
}

/// Queries, sources and settings that use a policy, as a user names them.
pub fn users(ctx: &PlanContext, policy: &str) -> Vec<String> {
    let queries = ctx.catalog.queries.values();
    let queries = queries.filter(|q| q.plan.error_policy.as_ref().is_some_and(|p| *p.policy.name == *policy));
    let sources = ctx.catalog.sources.values().filter(|s| s.error_policy.as_ref().is_some_and(|p| *p.policy == *policy));
    let setting = ctx.property(POLICY_SETTING).is_some_and(|name| column_name(name) == policy);
    let mut users: Vec<String> = queries.map(|q| format!("query {}", q.id)).collect();
    users.extend(sources.map(|s| format!("{} {}", crate::create_source::kind_text(s.kind), s.name)));
    users.extend(setting.then(|| format!("the setting {POLICY_SETTING}")));
    users
}
