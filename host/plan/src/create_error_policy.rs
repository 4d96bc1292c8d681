//! `CREATE ERROR POLICY`.

use std::sync::Arc;

use calzone_sql::ast::{self, ErrorPolicyBody, Statement};
use calzone_sql::{format_expression, format_statement};

use crate::context::PlanContext;
use crate::create_stage::config;
use crate::error::{PlanError, Result};
use crate::error_policy::{Decider, ErrorPolicy, PolicyAction};
use crate::policy_settings;

/// The name that stands for no policy in `ERROR_POLICY='NONE'`.
pub(crate) const NO_POLICY: &str = "NONE";

/// Plans a policy. `None`: IF NOT EXISTS, and it does. The engine asks the queries that use an older policy of this name
/// whether the new one fits them.
pub fn create_error_policy(ctx: &PlanContext, statement: &ast::CreateErrorPolicy) -> Result<Option<ErrorPolicy>> {
    let name = &statement.name;
    if name.node.eq_ignore_ascii_case(NO_POLICY) {
        return Err(PlanError::at(name.span, "NONE stands for no error policy; choose another name."));
    }
    if ctx.catalog.error_policies.contains_key(&name.node) {
        if statement.if_not_exists {
            return Ok(None);
        }
        if !statement.or_replace {
            let message = format!(
                "There is an error policy {} already. CREATE OR REPLACE ERROR POLICY replaces it, also for the queries that use it.",
                name.node
            );
            return Err(PlanError::at(name.span, message));
        }
    }
    let decider = decider(ctx, &statement.body)?;
    if let Some(lock_by) = &statement.lock_by
        && !decider.may(PolicyAction::RetryInOrder)
    {
        let message = "LOCK BY says which records wait for each other: it goes with RETRY IN ORDER.";
        return Err(PlanError::at(lock_by.span, message));
    }
    Ok(Some(ErrorPolicy {
        name: name.node.as_str().into(),
        settings: policy_settings::read(&statement.properties, &decider)?,
        decider,
        lock_by: statement.lock_by.as_ref().map(|e| format_expression(e).into()),
        statement: format_statement(&Statement::CreateErrorPolicy(Box::new(statement.clone()))).into(),
    }))
}

fn decider(ctx: &PlanContext, body: &ErrorPolicyBody) -> Result<Decider> {
    match body {
        ErrorPolicyBody::Actions { first, then } => {
            let (first, then) = (action(*first), then.map(action));
            if let Some(then) = then {
                if !first.retries() {
                    let message = format!("THEN says what follows the last attempt of a RETRY; nothing follows {first}.");
                    return Err(PlanError::new(message));
                }
                if then.retries() {
                    return Err(PlanError::new(format!(
                        "After {first}, THEN takes DEAD LETTER, SKIP or STOP, not {then}. ATTEMPTS='UNLIMITED' retries for ever."
                    )));
                }
            }
            Ok(Decider::Actions { first, then })
        }
        ErrorPolicyBody::Plugin { plugin, policy, config: settings } => {
            let config = config(settings)?;
            let asked = policy.as_ref().map(|p| p.node.as_str());
            let policy = ctx
                .plugins
                .error_policy(&plugin.node, asked, &config)
                .map_err(|reason| PlanError::at(policy.as_ref().map_or(plugin.span, |p| p.span), reason))?;
            Ok(Decider::Plugin { plugin: plugin.node.as_str().into(), policy, config })
        }
    }
}

fn action(action: ast::ErrorAction) -> PolicyAction {
    match action {
        ast::ErrorAction::Skip => PolicyAction::Skip,
        ast::ErrorAction::Stop => PolicyAction::Stop,
        ast::ErrorAction::DeadLetter => PolicyAction::DeadLetter,
        ast::ErrorAction::Retry => PolicyAction::Retry,
        ast::ErrorAction::RetryInOrder => PolicyAction::RetryInOrder,
    }
}

/// The policy of that name.
///
/// # Errors
/// There is none; the message lists those there are.
pub(crate) fn find<'a>(ctx: &'a PlanContext, name: &str) -> std::result::Result<&'a Arc<ErrorPolicy>, String> {
    ctx.catalog.error_policies.get(name).ok_or_else(|| {
        let known: Vec<&str> = ctx.catalog.error_policies.keys().map(String::as_str).collect();
        let hint = match known.as_slice() {
            [] => "There is none yet: CREATE ERROR POLICY makes one.".to_owned(),
            known => format!("There is {}.", known.join(", ")),
        };
        format!("There is no error policy {name}. {hint}")
    })
}
