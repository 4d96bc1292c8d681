//! Which error policy a query uses, with which topics: its own, else that of a source it reads, else the server's.

use std::sync::Arc;

use calzone_sql::Spanned;
use calzone_sql::ast::Property;
use calzone_types::{SqlType, Value};

use crate::catalog::{QueryInfo, Source, SourceKind};
use crate::context::PlanContext;
use crate::create_error_policy::{NO_POLICY, find};
use crate::create_source_as::CreateQueryPlan;
use crate::error::{PlanError, Result};
use crate::error_policy::{
    ChosenBy, Decider, ErrorPolicy, LockBy, PolicyAction, PolicySettings, PolicyTopics, QueryPolicy, SourcePolicy,
};
use crate::finish::inputs;
use crate::names::{Clause, NamedSource, Names};
use crate::plan::{Output, PluginUse, QueryPlan, SourceStep, Step, StepColumn, StepKind, StepOutput};
use crate::policy_settings::topic;
use crate::prune::prune;
use crate::rows;
use crate::topic::TopicRequest;
use crate::typing::Typing;
use crate::with_properties::column_name;

/// The policy of queries that name none, nor do their sources.
pub(crate) const POLICY_SETTING: &str = "calzone.error.policy";

/// ksqlDB's own: `true` stops at a record that cannot be decoded.
const FAIL_ON_DESERIALIZATION: &str = "ksql.fail.on.deserialization.error";

/// ksqlDB's own: `false` leaves out a record that cannot be written.
const FAIL_ON_PRODUCTION: &str = "ksql.fail.on.production.error";

/// Properties of WITH that are about error policies.
pub(crate) const POLICY_PROPERTIES: &[&str] = &["DEAD_LETTER_TOPIC", "ERROR_POLICY", "REDIRECT_TOPIC", "RETRY_TOPIC"];

/// What a statement says of a policy: `WITH (ERROR_POLICY='p', RETRY_TOPIC='r')`, `ON ERROR p`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PolicyClause {
    /// The folded name, or [`NO_POLICY`].
    pub policy: Option<Spanned<String>>,
    pub topics: PolicyTopics,
}

/// Reads the properties of WITH that are about error policies.
pub(crate) fn clause(properties: &[Property]) -> Result<PolicyClause> {
    let mut policy = None;
    if let Some(property) = properties.iter().find(|p| p.name.node == "ERROR_POLICY") {
        let span = property.value.span;
        let Value::Varchar(name) = &property.value.value else {
            return Err(PlanError::at(span, "ERROR_POLICY must be the policy's name in single quotes."));
        };
        policy = Some(Spanned { node: column_name(name.trim()), span });
    }
    let topics = PolicyTopics {
        dead_letter: topic(properties, "DEAD_LETTER_TOPIC")?,
        retry: topic(properties, "RETRY_TOPIC")?,
        redirect: topic(properties, "REDIRECT_TOPIC")?,
    };
    Ok(PolicyClause { policy, topics })
}

/// The policy that a declared source asks for, checked.
pub(crate) fn of_source(ctx: &PlanContext, clause: PolicyClause) -> Result<Option<SourcePolicy>> {
    let Some(policy) = clause.policy else {
        if clause.topics != PolicyTopics::default() {
            return Err(PlanError::new("The topics of an error policy are named, but no ERROR_POLICY to use them."));
        }
        return Ok(None);
    };
    if policy.node != NO_POLICY {
        find(ctx, &policy.node).map_err(|message| PlanError::at(policy.span, message))?;
    }
    Ok(Some(SourcePolicy { policy: policy.node.as_str().into(), topics: clause.topics }))
}

/// Gives a new query the policy that its statement, its sources or settings ask for.
pub(crate) fn give(
    ctx: &PlanContext,
    clause: &PolicyClause,
    mut made: CreateQueryPlan,
    sources: &[Arc<Source>],
) -> Result<CreateQueryPlan> {
    let replaced = made.replaces.then(|| replaced(ctx, &made.source.name)).flatten();
    let (id, old) = replaced.map_or((None, None), |query| (Some(query.id.as_str()), query.plan.error_policy.clone()));
    made.plan.error_policy = choose(ctx, clause, &made.plan, sources, old.as_deref())?.map(Arc::new);
    if let Some(policy) = made.plan.error_policy.clone() {
        use_plugin(&mut made.plan, &policy.policy);
        made.policy_topics = topics(ctx, id, &policy, &made.plan)?;
    }
    Ok(made)
}

/// The policy of a query that keeps a source table's rows.
pub(crate) fn give_keeper(ctx: &PlanContext, mut plan: QueryPlan, source: &Source) -> Result<(QueryPlan, Vec<TopicRequest>)> {
    plan.error_policy = choose(ctx, &PolicyClause::default(), &plan, &[Arc::new(source.clone())], None)?.map(Arc::new);
    let Some(policy) = plan.error_policy.clone() else { return Ok((plan, Vec::new())) };
    use_plugin(&mut plan, &policy.policy);
    let requests = topics(ctx, None, &policy, &plan)?;
    Ok((plan, requests))
}

/// The plan of a running query with a newer form of its policy, and the topics that it needs then.
///
/// # Errors
/// The new form does not fit the query.
pub fn replace_error_policy(
    ctx: &PlanContext,
    query_id: &str,
    plan: &QueryPlan,
    policy: &Arc<ErrorPolicy>,
) -> Result<(QueryPlan, Vec<TopicRequest>)> {
    let Some(old) = &plan.error_policy else { return Ok((plan.clone(), Vec::new())) };
    let mut new = bind(ctx, plan, policy.clone(), old.chosen_by.clone(), old.named.clone())?;
    new.others = old.others.clone();
    if old.retries() {
        // What waits there must still be found.
        (new.retry_topic, new.redirect_topic) = (old.retry_topic.clone(), old.redirect_topic.clone());
        new.has_retried = true;
    }
    let mut plan = plan.clone();
    plan.plugins.retain(|used| *used.name != *plugin_use_name(&policy.name));
    use_plugin(&mut plan, policy);
    let requests = topics(ctx, Some(query_id), &new, &plan)?;
    plan.error_policy = Some(Arc::new(new));
    Ok((plan, requests))
}

/// The name under which a query's list of plugin uses has its policy: no function or stage can have it.
pub fn plugin_use_name(policy: &str) -> String {
    format!("error policy {policy}")
}

fn use_plugin(plan: &mut QueryPlan, policy: &ErrorPolicy) {
    if let Decider::Plugin { plugin, policy: item, .. } = &policy.decider {
        let used = PluginUse { name: plugin_use_name(&policy.name).into(), plugin: plugin.clone(), item: item.clone() };
        plan.plugins.push(used);
    }
}

/// The query that one with this sink takes the place of.
fn replaced<'a>(ctx: &'a PlanContext, sink: &str) -> Option<&'a QueryInfo> {
    let source = ctx.catalog.sources.get(sink)?;
    ctx.catalog.queries.get(source.created_by.as_deref()?).map(|query| &**query)
}

fn choose(
    ctx: &PlanContext,
    clause: &PolicyClause,
    plan: &QueryPlan,
    sources: &[Arc<Source>],
    old: Option<&QueryPolicy>,
) -> Result<Option<QueryPolicy>> {
    let of_settings = settings_policies(ctx)?;
    let by_source = || sources.iter().find_map(|s| s.error_policy.as_ref().map(|p| (p, s)));
    let chosen = if let Some(name) = &clause.policy {
        (name.node != NO_POLICY)
            .then(|| find(ctx, &name.node).map_err(|message| PlanError::at(name.span, message)))
            .transpose()?
            .map(|policy| (policy.clone(), ChosenBy::Query, clause.topics.clone()))
    } else if let Some((asked, source)) = by_source() {
        let topics = own_topics(&clause.topics, &asked.topics);
        (*asked.policy != *NO_POLICY)
            .then(|| find(ctx, &asked.policy).map_err(PlanError::new))
            .transpose()?
            .map(|policy| (policy.clone(), ChosenBy::Source(source.name.clone()), topics))
    } else if let Some(name) = ctx.property(POLICY_SETTING).map(column_name).filter(|name| name != NO_POLICY) {
        let policy = find(ctx, &name)
            .map_err(|message| PlanError::new(format!("{message} The setting '{POLICY_SETTING}' asks for it.")))?;
        Some((policy.clone(), ChosenBy::Setting(POLICY_SETTING), clause.topics.clone()))
    } else {
        None
    };
    let mut query_policy = match chosen {
        Some((policy, by, named)) => {
            let at = |e: PlanError| clause.policy.as_ref().map_or(e.clone(), |name| e.or_at(name.span));
            let bound = bind(ctx, plan, policy, by, named).map_err(at)?;
            QueryPolicy { others: of_settings.into_iter().map(|(policy, _)| policy).collect(), ..bound }
        }
        None if clause.topics != PolicyTopics::default() => {
            return Err(PlanError::new("The topics of an error policy are named, but no ERROR_POLICY to use them."));
        }
        None => {
            let mut of_settings = of_settings.into_iter();
            match of_settings.next() {
                Some((first, setting)) => {
                    let bound = bind(ctx, plan, first, ChosenBy::Setting(setting), PolicyTopics::default())?;
                    QueryPolicy { others: of_settings.map(|(policy, _)| policy).collect(), ..bound }
                }
                None if old.is_some_and(QueryPolicy::retries) => {
                    return Err(PlanError::new(
                        "The query that is replaced has an error policy that retries, and records may be waiting. Name a policy, or drop the query first.",
                    ));
                }
                None => return Ok(None),
            }
        }
    };
    keep_waiting(&mut query_policy, old)?;
    Ok(Some(query_policy))
}

/// Records that wait for their next attempt must still be found.
fn keep_waiting(new: &mut QueryPolicy, old: Option<&QueryPolicy>) -> Result<()> {
    let Some(old) = old.filter(|old| old.retries()) else { return Ok(()) };
    if new.retry_topic != old.retry_topic || new.redirect_topic != old.redirect_topic {
        return Err(PlanError::new(format!(
            "Records may be waiting in {} and be locked in {}: the retry topic and the redirect topic of a running query stay as they are.",
            old.retry_topic, old.redirect_topic
        )));
    }
    new.has_retried = true;
    Ok(())
}

/// What the settings `ksql.fail.on.*` ask for, where that is not what happens anyway.
fn settings_policies(ctx: &PlanContext) -> Result<Vec<(Arc<ErrorPolicy>, &'static str)>> {
    let policy = |setting: &'static str, class: &str, action: PolicyAction| {
        let settings = PolicySettings { classes: vec![class.into()], ..PolicySettings::default() };
        let decider = Decider::Actions { first: action, then: None };
        let statement = format!("SET '{setting}'").into();
        (Arc::new(ErrorPolicy { name: setting.into(), decider, settings, lock_by: None, statement }), setting)
    };
    let mut policies = Vec::new();
    if ctx.is_enabled(FAIL_ON_DESERIALIZATION, false)? {
        policies.push(policy(FAIL_ON_DESERIALIZATION, "deserialization", PolicyAction::Stop));
    }
    if !ctx.is_enabled(FAIL_ON_PRODUCTION, true)? {
        policies.push(policy(FAIL_ON_PRODUCTION, "production", PolicyAction::Skip));
    }
    Ok(policies)
}

fn own_topics(own: &PolicyTopics, other: &PolicyTopics) -> PolicyTopics {
    let first = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| a.clone().or_else(|| b.clone());
    PolicyTopics {
        dead_letter: first(&own.dead_letter, &other.dead_letter),
        retry: first(&own.retry, &other.retry),
        redirect: first(&own.redirect, &other.redirect),
    }
}

/// A policy as this query uses it.
fn bind(
    ctx: &PlanContext,
    plan: &QueryPlan,
    policy: Arc<ErrorPolicy>,
    chosen_by: ChosenBy,
    named: PolicyTopics,
) -> Result<QueryPolicy> {
    let Output::Sink(sink) = &plan.output else { return Err(PlanError::new("Only persistent queries have an error policy.")) };
    let read = source_steps(&plan.root);
    let unordered = matches!(policy.decider, Decider::Actions { first: PolicyAction::Retry, .. });
    if unordered && let Some(table) = read.iter().find(|s| s.source.kind == SourceKind::Table) {
        return Err(PlanError::new(format!(
            "Error policy {} retries out of order, so that an old row of table {} could take the place of a newer one. Use RETRY IN ORDER.",
            policy.name, table.source.name
        )));
    }
    let lock_by = policy.lock_by.as_ref().map(|text| lock_by(ctx, &policy, text, &read)).transpose()?;
    let topic = |own: &Option<Arc<str>>, of_policy: &Option<Arc<str>>, end: &str| -> Arc<str> {
        own.clone().or_else(|| of_policy.clone()).unwrap_or_else(|| format!("{}-{end}", sink.sink.topic).into())
    };
    let settings = &policy.settings;
    Ok(QueryPolicy {
        dead_letter_topic: topic(&named.dead_letter, &settings.dead_letter_topic, "dead-letter"),
        retry_topic: topic(&named.retry, &settings.retry_topic, "retry"),
        redirect_topic: topic(&named.redirect, &settings.redirect_topic, "redirect"),
        others: Vec::new(),
        has_retried: false,
        policy,
        chosen_by,
        named,
        lock_by,
    })
}

/// `LOCK BY`, over the one source of a query.
fn lock_by(ctx: &PlanContext, policy: &ErrorPolicy, text: &str, read: &[&SourceStep]) -> Result<LockBy> {
    let fault = |message: String| PlanError::new(format!("Error policy {} does not fit this query: {message}", policy.name));
    let [source] = read else {
        return Err(fault("LOCK BY is for queries that read one source, but this one joins. Leave LOCK BY out, so that records are locked by key.".into()));
    };
    let named = NamedSource { alias: source.source.name.clone(), source: source.source.clone() };
    let rows = rows::read(&named, false, None);
    let tree = calzone_sql::parse_expression(text).map_err(|e| fault(e.to_string()))?;
    let names = Names { sources: vec![named], ..Names::default() };
    let typed = names
        .qualify(&tree, Clause::LockBy)
        .and_then(|tree| Typing { ctx, scope: &rows.scope, clause: Clause::LockBy }.expression(&tree))
        .map_err(|e| fault(e.message))?;
    if !is_identity(&typed.ty) {
        return Err(fault(format!(
            "LOCK BY gives {}, by which records cannot be told apart safely. CAST it to STRING.",
            typed.ty
        )));
    }
    // As the one column of a projection, so that the source is pruned down to what the expression needs.
    let column = StepColumn { name: "LOCK".into(), ty: typed.ty.clone() };
    let output = StepOutput { columns: vec![column], key: Vec::new(), is_table: false, window: None };
    let pruned = prune(Step { kind: StepKind::Project { input: Box::new(stream_of(rows.step)), columns: vec![typed] }, output });
    let StepKind::Project { input, mut columns } = pruned.kind else { return Err(fault("its LOCK BY has no value".into())) };
    let expr = columns.pop().ok_or_else(|| fault("its LOCK BY has no value".into()))?;
    Ok(LockBy { input: *input, expr })
}

/// The source's records each for itself, also those of a table.
fn stream_of(mut step: Step) -> Step {
    step.output.is_table = false;
    step
}

/// Do equal values of the type look the same? Maps have no order, and binary fractions are rounded.
fn is_identity(ty: &SqlType) -> bool {
    match ty {
        SqlType::Double | SqlType::Map(..) => false,
        SqlType::Array(element) => is_identity(element),
        SqlType::Struct(fields) => fields.iter().all(|f| is_identity(&f.ty)),
        _ => true,
    }
}

fn source_steps(step: &Step) -> Vec<&SourceStep> {
    match &step.kind {
        StepKind::Source(source) => vec![source],
        _ => inputs(step).into_iter().flat_map(source_steps).collect(),
    }
}

/// The topics that a query needs for its policy. `query_id`: of a query that runs already.
fn topics(ctx: &PlanContext, query_id: Option<&str>, policy: &QueryPolicy, plan: &QueryPlan) -> Result<Vec<TopicRequest>> {
    let read = source_steps(&plan.root);
    let partitions = read.iter().filter_map(|s| ctx.topics.partitions(&s.source.topic)).max();
    let replicas = read.first().and_then(|s| ctx.topics.replicas(&s.source.topic));
    let mut wanted: Vec<(&str, &Arc<str>, &str, Option<i64>)> = Vec::new();
    if policy.policy.decider.may(PolicyAction::DeadLetter) {
        // Dead letters wait for a person.
        wanted.push(("DEAD_LETTER_TOPIC", &policy.dead_letter_topic, "delete", Some(-1)));
    }
    if policy.retries() {
        wanted.push(("RETRY_TOPIC", &policy.retry_topic, "delete", Some(-1)));
        wanted.push(("REDIRECT_TOPIC", &policy.redirect_topic, "compact", None));
    }
    check_distinct(policy, plan, &wanted, &read)?;
    if policy.retries() {
        check_own(ctx, policy, query_id)?;
    }
    wanted
        .into_iter()
        .map(|(property, topic, cleanup, retention_ms)| {
            let existing = ctx.topics.partitions(topic);
            if let (Some(has), Some(needs)) = (existing, partitions)
                && has < needs
            {
                return Err(PlanError::new(format!(
                    "Topic {topic} has {has} partitions, but the query reads {needs}, and each has one of its own there. Name another topic with {property}."
                )));
            }
            Ok(TopicRequest {
                name: topic.to_string(),
                partitions: existing.or(partitions),
                replicas,
                exists: existing.is_some(),
                retention_ms,
                cleanup_policy: cleanup.to_owned(),
            })
        })
        .collect()
}

/// Each topic must serve one purpose.
fn check_distinct(
    policy: &QueryPolicy,
    plan: &QueryPlan,
    wanted: &[(&str, &Arc<str>, &str, Option<i64>)],
    read: &[&SourceStep],
) -> Result<()> {
    for (i, (property, topic, ..)) in wanted.iter().enumerate() {
        let sink = match &plan.output {
            Output::Sink(sink) if sink.writes => Some(&sink.sink.topic),
            _ => None,
        };
        let taken = if read.iter().any(|s| s.source.topic == **topic) {
            Some("the query reads it".to_owned())
        } else if sink == Some(*topic) {
            Some("it is the sink's".to_owned())
        } else {
            wanted[..i].iter().find(|(_, other, ..)| other == topic).map(|(other, ..)| format!("it is the {other}"))
        };
        if let Some(why) = taken {
            let name = &policy.policy.name;
            return Err(PlanError::new(format!("Error policy {name}: {topic} cannot be the {property}, as {why}.")));
        }
    }
    Ok(())
}

/// What waits in a retry topic is one query's.
fn check_own(ctx: &PlanContext, policy: &QueryPolicy, query_id: Option<&str>) -> Result<()> {
    for (id, query) in ctx.catalog.queries.iter().filter(|(id, _)| query_id != Some(id.as_str())) {
        let Some(other) = query.plan.error_policy.as_ref().filter(|p| p.retries()) else { continue };
        for (property, own, theirs) in [
            ("RETRY_TOPIC", &policy.retry_topic, &other.retry_topic),
            ("REDIRECT_TOPIC", &policy.redirect_topic, &other.redirect_topic),
        ] {
            if own == theirs {
                return Err(PlanError::new(format!(
                    "Query {id} uses topic {own} for its retries already, and a topic can serve one query only. Name another with WITH ({property}='…')."
                )));
            }
        }
    }
    Ok(())
}
