//! DESCRIBE and EXPLAIN.

use std::sync::Arc;

use calzone_functions::signature::Returns;
use calzone_functions::{Parameter, ParameterType, ScalarDefinition, Signature};
use calzone_plan::plan::{Output, StepKind};
use calzone_plan::{Catalog, PlanContext, QueryPlan, Source};
use calzone_sql::ast::{Emit, Explain, Expr, ExprKind, GrantKind, Name, Parsed, Property, Query, Relation, Statement};
use calzone_types::{Column, Namespace, Schema, SqlType};

use crate::answer::*;
use crate::engine::Engine;
use crate::error::ErrorKind;
use crate::lookup::{LogTopics, PluginCatalog};
use crate::push::first_alias;
use crate::show::{query_summary, stage_summary};
use crate::state::{PersistentQuery, State};
use crate::submit::plan_error;
use crate::{Session, StatementError};

impl Engine {
    pub(crate) fn describe_source(&self, name: &Name, extended: bool, text: &str) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        self.describe_source_in(&state, name, extended, text)
    }

    pub(crate) fn describe_source_in(
        &self,
        state: &State,
        name: &Name,
        extended: bool,
        text: &str,
    ) -> Result<Answer, StatementError> {
        let source = state.catalog.sources.get(&name.node).ok_or_else(|| {
            StatementError::bad_statement(
                format!("There is no stream or table {}. SHOW STREAMS and SHOW TABLES list those there are.", name.node),
                text,
            )
        })?;
        let mut warnings = Vec::new();
        let described = self.describe(state, source, extended, &mut warnings);
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Source(Box::new(described)), warnings })
    }

    pub(crate) fn describe(
        &self,
        state: &State,
        source: &Arc<Source>,
        extended: bool,
        warnings: &mut Vec<String>,
    ) -> SourceDescription {
        let name: &str = &source.name;
        let readers: Vec<&PersistentQuery> =
            state.queries.values().filter(|q| q.plan.reads.iter().any(|r| &**r == name)).collect();
        let writers: Vec<&PersistentQuery> = state.queries.values().filter(|q| q.sinks.iter().any(|s| s == name)).collect();
        let topic = match self.log.topic(&source.topic) {
            Ok(topic) => topic,
            Err(e) => {
                warnings.push(format!("Topic {} cannot be described: {e}", source.topic));
                None
            }
        };
        let mut statistics = None;
        let mut offsets = Vec::new();
        if extended {
            statistics = Some(statistics_of(&readers, &writers));
            for query in readers.iter().chain(&writers) {
                match self.group_offsets(state, query) {
                    Ok(group) => offsets.push(group),
                    Err(e) => warnings.push(format!("Offsets of query {} cannot be read: {e}", query.id)),
                }
            }
        }
        SourceDescription {
            source: source.clone(),
            extended,
            read_queries: readers.iter().map(|q| query_summary(q)).collect(),
            write_queries: writers.iter().map(|q| query_summary(q)).collect(),
            partitions: topic.as_ref().map_or(0, |t| t.partitions),
            replicas: topic.as_ref().map_or(0, |t| t.replicas),
            statistics,
            offsets,
            constraints: dependents(state, name),
        }
    }

    fn group_offsets(&self, state: &State, query: &PersistentQuery) -> Result<ConsumerGroupOffsets, calzone_log::LogError> {
        let group = self.options.query_prefix(&query.id);
        let sources = query.plan.reads.iter().filter_map(|name| state.catalog.sources.get(&**name)).map(|s| s.topic.to_string());
        let internal = query.internal_topics.iter().filter(|t| t.ends_with("-repartition")).cloned();
        let mut topics = Vec::new();
        for topic in sources.chain(internal) {
            let ends = self.log.offsets(&topic)?;
            let committed = self.log.committed(&group, &topic)?;
            let partitions = ends
                .iter()
                .enumerate()
                .map(|(i, o)| (i as i32, o.earliest, o.latest, committed.get(i).copied().flatten().unwrap_or(0)))
                .collect();
            topics.push((topic, partitions));
        }
        Ok(ConsumerGroupOffsets { group, topics })
    }

    pub(crate) fn describe_function(&self, name: &Name, text: &str) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        self.describe_function_in(&state, name, text)
    }

    pub(crate) fn describe_function_in(&self, state: &State, name: &Name, text: &str) -> Result<Answer, StatementError> {
        let registry = &state.catalog.functions;
        let name = name.node.to_uppercase();
        let described = if let Some(d) = registry.scalar(&name) {
            Some(self.scalar_description(state, d, FunctionKind::Scalar))
        } else if let Some(d) = registry.table(&name) {
            Some(self.scalar_description(state, d, FunctionKind::Table))
        } else {
            registry.aggregate(&name).map(|d| FunctionDescription {
                summary: FunctionSummary {
                    name: d.name.clone(),
                    kind: FunctionKind::Aggregate,
                    category: "AGGREGATE".into(),
                    plugin: state.functions.get(&d.name).map(|f| f.plugin.clone()),
                },
                description: d.description.clone(),
                author: d.author.clone(),
                version: d.version.clone(),
                path: path_of(state, &d.name),
                overloads: d
                    .overloads
                    .iter()
                    .filter(|o| !o.signature.parameters.is_empty())
                    .map(|o| aggregate_overload(&o.signature, &o.description))
                    .collect(),
            })
        };
        let described = described.ok_or_else(|| {
            StatementError::bad_request(format!("There is no function {name}. SHOW FUNCTIONS lists those there are."))
        })?;
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Function(Box::new(described)), warnings: Vec::new() })
    }

    fn scalar_description(&self, state: &State, d: &ScalarDefinition, kind: FunctionKind) -> FunctionDescription {
        let plugin = state.functions.get(&d.name);
        FunctionDescription {
            summary: FunctionSummary {
                name: d.name.clone(),
                kind,
                category: d.category.clone(),
                plugin: plugin.map(|f| f.plugin.clone()),
            },
            description: d.description.clone(),
            author: d.author.clone(),
            version: d.version.clone(),
            path: path_of(state, &d.name),
            overloads: d.overloads.iter().map(|o| overload(&o.signature, &o.description)).collect(),
        }
    }

    pub(crate) fn describe_plugin(&self, name: &Name, text: &str) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let plugin = state.plugin_named(&name.node).ok_or_else(|| {
            StatementError::bad_statement(format!("There is no plugin {}. SHOW PLUGINS lists those there are.", name.node), text)
        })?;
        let kind = AnswerKind::Plugin(Box::new(self.summarize(&state, plugin)?));
        Ok(Answer { statement: text.to_owned(), kind, warnings: Vec::new() })
    }

    pub(crate) fn describe_stage(&self, name: &Name, text: &str) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let described = stage_summary(&state, &name.node).and_then(|summary| {
            let stage = state.stages.get(&name.node)?;
            let query = state.queries.get(&stage.query_id)?;
            let schema =
                stage.into.first().and_then(|i| state.catalog.sources.get(i)).map_or_else(Schema::default, |s| s.schema.clone());
            Some(StageDescription {
                summary,
                config: stage.config.clone(),
                grants: stage.grants.iter().map(|g| grant_text(&g.kind)).collect(),
                error_policy: query.plan.error_policy.as_ref().map(|p| p.policy.name.to_string()),
                schema,
                partitions: query.runner.as_ref().map(|r| r.statistics.partitions()).unwrap_or_default(),
            })
        });
        let described = described.ok_or_else(|| {
            StatementError::bad_statement(format!("There is no stage {}. SHOW STAGES lists those there are.", name.node), text)
        })?;
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::Stage(Box::new(described)), warnings: Vec::new() })
    }

    pub(crate) fn explain(&self, explain: &Explain, text: &str, session: &Session) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let properties = self.options.effective(&session.properties);
        let plugins = PluginCatalog { state: &state, store: &self.plugin_store };
        let topics = LogTopics { log: &*self.log };
        let context = PlanContext { catalog: &state.catalog, properties: &properties, topics: &topics, plugins: &plugins };
        self.explain_in(&state, &context, explain, text)
    }

    pub(crate) fn explain_in(
        &self,
        state: &State,
        context: &PlanContext<'_>,
        explain: &Explain,
        text: &str,
    ) -> Result<Answer, StatementError> {
        let described = match explain {
            Explain::QueryId(id) => {
                let query = state.queries.values().find(|q| q.id.eq_ignore_ascii_case(&id.node)).ok_or_else(|| {
                    StatementError::bad_statement(
                        format!("There is no query {}. SHOW QUERIES lists those that run.", id.node),
                        text,
                    )
                })?;
                self.describe_query(query)?
            }
            Explain::Statement(parsed) => self.explain_statement(state, context, parsed).map_err(|mut e| {
                e.statement = Some(text.to_owned());
                e
            })?,
        };
        Ok(Answer { statement: text.to_owned(), kind: AnswerKind::QueryDescription(Box::new(described)), warnings: Vec::new() })
    }

    /// What a statement's query would be, under the id it would get now.
    fn explain_statement(
        &self,
        state: &State,
        context: &PlanContext<'_>,
        parsed: &Parsed,
    ) -> Result<QueryDescription, StatementError> {
        let failed = |e: calzone_plan::PlanError| plan_error(&e, &parsed.text);
        let persistent_id = crate::apply::query_id(&parsed.statement, state.next_offset);
        let (id, kind, plan) = match &parsed.statement {
            Statement::Query(query) => {
                // A look-up is explained as the query that would go on.
                let mut query = (**query).clone();
                query.emit.get_or_insert(Emit::Changes);
                let plan = calzone_plan::push_query(context, &query, "transient").map_err(failed)?;
                (self.push_queries.new_id(first_alias(&query.from)), QueryKind::Push, plan)
            }
            Statement::CreateSourceAs(create) => {
                let plan = calzone_plan::create_source_as(context, create, &parsed.text, &persistent_id).map_err(failed)?.plan;
                (persistent_id, QueryKind::Persistent, plan)
            }
            Statement::InsertInto(insert) => {
                let plan = calzone_plan::insert_into(context, insert, &parsed.text, &persistent_id).map_err(failed)?.plan;
                (persistent_id, QueryKind::Persistent, plan)
            }
            _ => {
                return Err(StatementError::bad_statement(
                    "EXPLAIN takes a query id, or a statement that runs a query.",
                    &parsed.text,
                ));
            }
        };
        let (sinks, sink_topics) = match &plan.output {
            Output::Sink(sink) => (vec![sink.sink.name.to_string()], vec![sink.sink.topic.to_string()]),
            Output::Client { .. } => (Vec::new(), Vec::new()),
        };
        let summary = QuerySummary {
            id,
            statement: parsed.text.clone(),
            kind,
            state: QueryState::Running,
            reason: None,
            sinks,
            sink_topics,
            restoring: Vec::new(),
        };
        let mut described = QueryDescription { runs: false, ..describe_plan(summary, &plan, Default::default(), Vec::new()) };
        if let Statement::Query(query) = &parsed.statement {
            described.schema = with_key(query, &plan, context.catalog, &described.schema);
        }
        Ok(described)
    }

    pub(crate) fn describe_query(&self, query: &PersistentQuery) -> Result<QueryDescription, StatementError> {
        let errors = query.runner.as_ref().map(|r| r.errors()).unwrap_or_default();
        Ok(describe_plan(query_summary(query), &query.plan, query.overrides.clone(), errors))
    }

    pub(crate) fn assert_topic(
        &self,
        exists: bool,
        topic: &Name,
        properties: &[Property],
        timeout_ms: Option<u64>,
        text: &str,
    ) -> Result<Answer, StatementError> {
        let default_ms =
            self.options.properties.get("ksql.assert.topic.default.timeout.ms").and_then(|v| v.parse().ok()).unwrap_or(1000);
        let deadline = std::time::Instant::now() + std::time::Duration::from_millis(timeout_ms.unwrap_or(default_ms));
        loop {
            let found = self.log.topic(&topic.node).map_err(|e| StatementError::internal(e.to_string()))?;
            let mismatch = match (&found, exists) {
                (None, true) => Some(format!("Topic {} does not exist.", topic.node)),
                (Some(_), false) => Some(format!("Topic {} exists.", topic.node)),
                (None, false) => None,
                (Some(info), true) => properties.iter().find_map(|p| {
                    let actual = match p.name.node.to_uppercase().as_str() {
                        "PARTITIONS" => info.partitions,
                        "REPLICAS" => info.replicas,
                        other => return Some(format!("ASSERT TOPIC knows PARTITIONS and REPLICAS, not {other}.")),
                    };
                    let wanted = p.value.value.as_i64();
                    (wanted != Some(actual.into())).then(|| {
                        format!("Topic {} has {actual} {}, not {}.", topic.node, p.name.node.to_lowercase(), wanted.unwrap_or(0))
                    })
                }),
            };
            let Some(mismatch) = mismatch else {
                let kind = AnswerKind::AssertTopic { topic: topic.node.clone(), exists };
                return Ok(Answer { statement: text.to_owned(), kind, warnings: Vec::new() });
            };
            if std::time::Instant::now() >= deadline {
                let mut error = StatementError::new(ErrorKind::AssertionFailed, mismatch);
                error.statement = Some(text.to_owned());
                return Err(error);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// Sources that were made by queries over a source, which cannot be dropped before them.
fn dependents(state: &State, name: &str) -> Vec<String> {
    let made_from = |s: &&Arc<Source>| {
        let query = s.created_by.as_ref().and_then(|id| state.queries.get(&**id));
        query.is_some_and(|q| q.plan.reads.iter().any(|r| **r == *name))
    };
    state.catalog.sources.values().filter(made_from).map(|s| s.name.to_string()).collect()
}

fn statistics_of(readers: &[&PersistentQuery], writers: &[&PersistentQuery]) -> SourceStatistics {
    use std::sync::atomic::Ordering::Relaxed;
    let mut statistics = SourceStatistics::default();
    for (queries, written) in [(readers, false), (writers, true)] {
        for runner in queries.iter().filter_map(|q| q.runner.as_ref()) {
            let s = &runner.statistics;
            statistics.total_messages += if written { s.records_out.load(Relaxed) } else { s.records_in.load(Relaxed) };
            statistics.total_errors += s.errors.load(Relaxed);
            let latest = |old: Option<i64>, new: i64| if new == 0 { old } else { old.max(Some(new)) };
            statistics.last_message_ms = latest(statistics.last_message_ms, s.last_record_ms.load(Relaxed));
            statistics.last_error_ms = latest(statistics.last_error_ms, s.last_error_ms.load(Relaxed));
            statistics.messages_per_second += s.rate();
        }
    }
    statistics
}

fn overload(signature: &Signature, description: &str) -> OverloadDescription {
    let parameter =
        |(i, p): (usize, &Parameter)| (p.name.clone(), p.ty.to_string(), p.doc.clone(), signature.variadic == Some(i));
    OverloadDescription {
        parameters: signature.parameters.iter().enumerate().map(parameter).collect(),
        returns: returns_text(signature),
        description: description.to_owned(),
    }
}

/// An overload of an aggregate, whose arguments have no names of their own in ksqlDB.
fn aggregate_overload(signature: &Signature, description: &str) -> OverloadDescription {
    let mut described = overload(signature, description);
    for (i, (name, ty, ..)) in described.parameters.iter_mut().enumerate() {
        *name = format!("val{}", i + 1);
        if ty == "ANY" {
            *ty = "T".to_owned();
        }
    }
    described
}

/// Where a function's code is: plugin and revision, or in this server.
fn path_of(state: &State, function: &str) -> String {
    state.functions.get(function).map_or("internal".to_owned(), |f| {
        let revision = f.pinned.or_else(|| state.plugins.get(&f.plugin).map(|p| p.active)).unwrap_or(0);
        format!("{}@{revision}", f.plugin)
    })
}

fn returns_text(signature: &Signature) -> String {
    match &signature.returns {
        Returns::Type(ty) => ty.to_string(),
        // Precision and scale follow from the arguments.
        _ if signature.parameters.iter().any(|p| p.ty == ParameterType::AnyDecimal) => ParameterType::AnyDecimal.to_string(),
        _ => "depends on the arguments".into(),
    }
}

fn describe_plan(
    summary: QuerySummary,
    plan: &QueryPlan,
    overridden_properties: std::collections::BTreeMap<String, String>,
    errors: Vec<(i64, String)>,
) -> QueryDescription {
    let schema = match &plan.output {
        Output::Sink(sink) => sink.sink.schema.clone(),
        Output::Client { schema, .. } => schema.clone(),
    };
    let text = calzone_plan::explain(plan);
    QueryDescription {
        summary,
        runs: true,
        schema,
        window: plan.root.output.window,
        sources: plan.reads.iter().map(|r| r.to_string()).collect(),
        topology: text.clone(),
        execution_plan: text,
        overridden_properties,
        errors,
    }
}

/// What EXPLAIN says that a SELECT gives: the key of its rows, then what it lists.
fn with_key(query: &Query, plan: &QueryPlan, catalog: &Catalog, given: &Schema) -> Schema {
    let key: Vec<(Arc<str>, SqlType)> = match &query.from {
        _ if query.group_by.is_some() || !query.partition_by.is_empty() => {
            let before = match &plan.root.kind {
                StepKind::Project { input, .. } => &input.output,
                _ => &plan.root.output,
            };
            before.key.iter().filter_map(|&k| before.columns.get(k)).map(|c| (c.name.clone(), c.ty.clone())).collect()
        }
        Relation::Source { name, .. } => {
            let source = catalog.sources.get(&name.node);
            source.into_iter().flat_map(|s| s.schema.key()).map(|c| (c.name.clone(), c.ty.clone())).collect()
        }
        Relation::Join(join) => compared(&join.on)
            .and_then(|(alias, column)| {
                // The rows of a join have what its left side is compared by as their key.
                let source = catalog.sources.get(source_of(&query.from, alias)?)?;
                let (_, found) = source.schema.find(column)?;
                Some((format!("{alias}_{column}").into(), found.ty.clone()))
            })
            .into_iter()
            .collect(),
    };
    let key = key.into_iter().map(|(name, ty)| Column { name, ty, namespace: Namespace::Key });
    Schema::new(key.chain(given.columns.iter().cloned()))
}

/// Alias and name of the column on the left of a comparison.
fn compared(on: &Expr) -> Option<(&str, &str)> {
    let ExprKind::Compare { left, .. } = &on.kind else { return None };
    match &left.kind {
        ExprKind::Column { source: Some(source), name } => Some((&source.node, &name.node)),
        _ => None,
    }
}

/// The name of the source that a query calls `alias`.
fn source_of<'a>(from: &'a Relation, alias: &str) -> Option<&'a str> {
    match from {
        Relation::Source { name, alias: own } => (own.as_ref().unwrap_or(name).node == alias).then_some(&name.node),
        Relation::Join(join) => source_of(&join.left, alias).or_else(|| source_of(&join.right, alias)),
    }
}

pub(crate) fn grant_text(grant: &GrantKind) -> String {
    match grant {
        GrantKind::Random => "RANDOM".into(),
        GrantKind::Clock => "CLOCK".into(),
        GrantKind::Log => "LOG".into(),
        GrantKind::KeyValue => "KEY VALUE".into(),
        GrantKind::HttpTo(address) => format!("HTTP TO '{address}'"),
        GrantKind::InsertOn(_, name) => format!("INSERT ON {}", name.node),
        GrantKind::QueryOn(_, name) => format!("QUERY ON {}", name.node),
    }
}
