//! SHOW and LIST.

use std::sync::Arc;

use calzone_plan::SourceKind;
use calzone_sql::ast::Show;

use crate::answer::*;
use crate::engine::Engine;
use crate::properties;
use crate::query::{QueryStatistics, RestoreProgress};
use crate::state::{PersistentQuery, State};
use crate::{Session, StatementError};

impl Engine {
    pub(crate) fn show(&self, show: &Show, text: &str, session: &Session) -> Result<Answer, StatementError> {
        let state = self.state.read().expect("no panic while holding the lock");
        let of_kind = |kind: SourceKind| state.catalog.sources.values().filter(move |s| s.kind == kind);
        let mut warnings = Vec::new();
        let kind = match show {
            Show::Streams { extended: false } => {
                AnswerKind::Streams(of_kind(SourceKind::Stream).map(|s| SourceSummary { source: s.clone() }).collect())
            }
            Show::Tables { extended: false } => {
                AnswerKind::Tables(of_kind(SourceKind::Table).map(|s| SourceSummary { source: s.clone() }).collect())
            }
            Show::Streams { extended: true } => {
                AnswerKind::Sources(of_kind(SourceKind::Stream).map(|s| self.describe(&state, s, true, &mut warnings)).collect())
            }
            Show::Tables { extended: true } => {
                AnswerKind::Sources(of_kind(SourceKind::Table).map(|s| self.describe(&state, s, true, &mut warnings)).collect())
            }
            Show::DescribeSources { kind, extended } => {
                AnswerKind::Sources(of_kind(*kind).map(|s| self.describe(&state, s, *extended, &mut warnings)).collect())
            }
            Show::Topics { all, extended } => {
                let topics = self.topics(&state, *all)?;
                if *extended { AnswerKind::TopicsExtended(topics) } else { AnswerKind::Topics(topics) }
            }
            Show::Queries { extended: false } => AnswerKind::Queries(self.query_summaries(&state)),
            Show::Queries { extended: true } => {
                let described = state.queries.values().map(|q| self.describe_query(q)).collect::<Result<_, _>>()?;
                AnswerKind::QueryDescriptions(described)
            }
            Show::Functions => AnswerKind::Functions(function_summaries(&state)),
            Show::Properties => AnswerKind::Properties(properties::list(&self.options, &session.properties)),
            Show::Types => AnswerKind::Types(state.catalog.types.clone()),
            Show::Variables => AnswerKind::Variables(session.variables.iter().map(|(n, v)| (n.clone(), v.clone())).collect()),
            Show::Plugins => {
                let all = state.plugins.values().map(|p| self.summarize(&state, p)).collect::<Result<_, _>>()?;
                AnswerKind::Plugins(all)
            }
            Show::Stages => AnswerKind::Stages(state.stages.keys().filter_map(|name| stage_summary(&state, name)).collect()),
            Show::ErrorPolicies => {
                let policies = state.catalog.error_policies.values();
                AnswerKind::ErrorPolicies(policies.map(|p| self.error_policy_summary(&state, p, session)).collect())
            }
            Show::Endpoints => AnswerKind::Endpoints(self.endpoint_summaries(&state)),
            Show::Connectors { .. } | Show::ConnectorPlugins => {
                return Err(StatementError::bad_statement("This server does not run this kind of statement.", text));
            }
        };
        Ok(Answer { statement: text.to_owned(), kind, warnings })
    }

    fn topics(&self, state: &State, all: bool) -> Result<Vec<TopicSummary>, StatementError> {
        let hidden = self
            .options
            .properties
            .get("ksql.hidden.topics")
            .map_or("_confluent.*,__confluent.*,_schemas,__consumer_offsets,__transaction_state,connect-configs,connect-offsets,connect-status,connect-statuses", |v| v);
        let is_hidden = |name: &str| {
            hidden.split(',').any(|pattern| match pattern.trim().strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => name == pattern.trim(),
            })
        };
        let mut topics = self.log.topics().map_err(|e| StatementError::internal(format!("topics cannot be listed: {e}")))?;
        topics.retain(|t| all || !is_hidden(&t.name));
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics
            .into_iter()
            .map(|t| {
                let groups = state.queries.values().filter(|q| reads_topic(state, q, &t.name)).count() as i32;
                TopicSummary {
                    name: t.name,
                    replicas: vec![t.replicas; t.partitions.max(0) as usize],
                    consumers: groups * t.partitions.max(0),
                    consumer_groups: groups,
                }
            })
            .collect())
    }

    pub(crate) fn query_summaries(&self, state: &State) -> Vec<QuerySummary> {
        state.queries.values().map(query_summary).chain(self.push_queries.list()).collect()
    }
}

fn reads_topic(state: &State, query: &PersistentQuery, topic: &str) -> bool {
    query.plan.reads.iter().any(|name| state.catalog.sources.get(&**name).is_some_and(|s| *s.topic == *topic))
}

pub fn query_summary(query: &PersistentQuery) -> QuerySummary {
    QuerySummary {
        id: query.id.clone(),
        statement: query.statement.clone(),
        kind: QueryKind::Persistent,
        state: query.state(),
        reason: query.paused_because(),
        sinks: query.sinks.clone(),
        sink_topics: query.sink_topics.clone(),
        restoring: query.runner.as_ref().map(|runner| restoring(&runner.statistics)).unwrap_or_default(),
    }
}

fn restoring(statistics: &QueryStatistics) -> Vec<StoreRestore> {
    let under_way = statistics.restores().into_iter().filter(|(_, progress)| progress.remaining > 0);
    let restore = |((store, partition), progress): ((Arc<str>, i32), RestoreProgress)| StoreRestore {
        store: store.to_string(),
        partition,
        restored: progress.restored,
        remaining: progress.remaining,
    };
    under_way.map(restore).collect()
}

pub fn stage_summary(state: &State, name: &str) -> Option<StageSummary> {
    let stage = state.stages.get(name)?;
    let used = calzone_plan::plan::PluginUse {
        name: name.into(),
        plugin: stage.plugin.as_str().into(),
        item: stage.item.as_str().into(),
    };
    Some(StageSummary {
        name: stage.name.clone(),
        query_id: stage.query_id.clone(),
        from: stage.from.clone(),
        into: stage.into.clone(),
        plugin: stage.plugin.clone(),
        stage: stage.item.clone(),
        revision: state.revision_of(&used).unwrap_or(0),
        state: state.queries.get(&stage.query_id).map_or(QueryState::Error, PersistentQuery::state),
        reason: state.queries.get(&stage.query_id).and_then(PersistentQuery::paused_because),
    })
}

fn function_summaries(state: &State) -> Vec<FunctionSummary> {
    let names = state.catalog.functions.names().into_iter();
    names
        .map(|f| FunctionSummary {
            name: f.name.to_owned(),
            kind: f.kind,
            category: f.category.to_owned(),
            plugin: state.functions.get(f.name).map(|entry| entry.plugin.clone()),
        })
        .collect()
}
