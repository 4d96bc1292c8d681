//! What the planner asks about the world outside the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_functions::FunctionDefinition;
use calzone_log::Log;
use calzone_plan::plan::{StageColumn, StepColumn};
use calzone_plan::{OfferedOutput, PluginLookup, StageOffer, TopicLookup};
use calzone_sandbox::{Component, StageOutput, StageSource};
use calzone_sql::ast;
use calzone_types::{Column, Namespace, Schema};

use crate::plugins::{Plugin, PluginStore};
use crate::state::{State, grants_of};

/// Topics as they are in the log now. A log that does not answer counts as one without the topic.
pub struct LogTopics<'a> {
    pub log: &'a dyn Log,
}

impl LogTopics<'_> {
    fn find(&self, topic: &str) -> Option<(i32, i32)> {
        match self.log.topic(topic) {
            Ok(found) => found.map(|t| (t.partitions, t.replicas)),
            Err(e) => {
                tracing::warn!(topic, error = %e, "topic could not be looked up");
                None
            }
        }
    }
}

impl TopicLookup for LogTopics<'_> {
    fn partitions(&self, topic: &str) -> Option<i32> {
        self.find(topic).map(|t| t.0)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.find(topic).map(|t| t.1)
    }
}

/// Topics as they were when a command was written.
pub struct CommandTopics<'a> {
    pub topics: &'a BTreeMap<String, (i32, i32)>,
}

impl TopicLookup for CommandTopics<'_> {
    fn partitions(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|t| t.0)
    }

    fn replicas(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|t| t.1)
    }
}

/// Plugins as the statement log tells them, in the revision that is active.
pub struct PluginCatalog<'a> {
    pub state: &'a State,
    pub store: &'a PluginStore,
}

impl PluginCatalog<'_> {
    /// The component of a plugin's active revision.
    pub fn active(&self, plugin: &str) -> Result<Arc<calzone_sandbox::Component>, String> {
        self.revision(plugin, self.known(plugin)?.active)
    }

    /// The component of one of a plugin's revisions.
    pub fn revision(&self, plugin: &str, revision: i64) -> Result<Arc<calzone_sandbox::Component>, String> {
        let known = self.known(plugin)?;
        let found = known.revision(revision).ok_or_else(|| {
            let there: Vec<String> = known.revisions.iter().map(|r| r.revision.to_string()).collect();
            format!("Plugin '{plugin}' has no revision {revision}; it has: {}.", there.join(", "))
        })?;
        self.store.component(known, &found.sha256).map_err(|e| e.message)
    }

    fn known(&self, plugin: &str) -> Result<&Plugin, String> {
        self.state.plugin_named(plugin).ok_or_else(|| {
            let there: Vec<&str> = self.state.plugins.keys().map(String::as_str).collect();
            let list =
                if there.is_empty() { "none was uploaded yet".to_owned() } else { format!("there are: {}", there.join(", ")) };
            format!("There is no plugin '{plugin}'; {list}. Upload it with PUT /plugins/{plugin}.")
        })
    }
}

/// An output of a stage over these input columns, as the planner sees it.
fn offered(opened: &StageOutput, input: &[StepColumn]) -> OfferedOutput {
    let mut columns = Vec::new();
    let mut output = Vec::new();
    let mut key = Vec::new();
    for (position, column) in opened.columns.iter().enumerate() {
        let ty = match &column.source {
            StageSource::PassThrough(i) => {
                columns.push(StageColumn::PassThrough(*i));
                input[*i].ty.clone()
            }
            StageSource::Guest(index, ty) => {
                columns.push(StageColumn::Guest(*index));
                ty.clone()
            }
        };
        output.push(StepColumn { name: column.name.clone(), ty });
        if column.key {
            key.push(position);
        }
    }
    OfferedOutput { name: opened.name.clone(), columns, output, key }
}

/// The name asked for, or the only one there is.
pub fn choose<'a>(what: &str, plugin: &str, asked: Option<&str>, names: impl Iterator<Item = &'a str>) -> Result<String, String> {
    let names: Vec<&str> = names.collect();
    match asked {
        Some(asked) => names.iter().find(|n| n.eq_ignore_ascii_case(asked)).map(|n| (*n).to_owned()).ok_or_else(|| {
            format!(
                "Plugin '{plugin}' has no {what} '{asked}'; it has: {}.",
                if names.is_empty() { "none".into() } else { names.join(", ") }
            )
        }),
        None => match names.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => Err(format!("Plugin '{plugin}' has no {what}.")),
            several => {
                let (word, all) = match what {
                    "error policy" => ("POLICY".to_owned(), "error policies".to_owned()),
                    what => (what.to_uppercase(), format!("{what}s")),
                };
                Err(format!(
                    "Plugin '{plugin}' has several {all} ({}): name one with USING PLUGIN '{plugin}' {word} '…'.",
                    several.join(", ")
                ))
            }
        },
    }
}

/// What a component's stage would do with a source of these columns.
pub fn stage_offer(
    component: &Component,
    plugin: &str,
    stage: Option<&str>,
    config: &[(String, String)],
    grants: &[ast::Grant],
    input: &[StepColumn],
    key: &[usize],
) -> Result<StageOffer, String> {
    let stage = choose("stage", plugin, stage, component.description.stages.iter().map(|s| s.name.as_str()))?;
    let schema = Schema::new(input.iter().enumerate().map(|(i, column)| Column {
        name: column.name.clone(),
        ty: column.ty.clone(),
        namespace: if key.contains(&i) { Namespace::Key } else { Namespace::Value },
    }));
    let opened = component.open_stage(&stage, config, &schema, &grants_of(grants)?).map_err(|e| e.to_string())?;
    let outputs = opened.outputs.iter().map(|output| offered(output, input)).collect();
    Ok(StageOffer { stage: stage.into(), reads: opened.reads, outputs })
}

impl PluginLookup for PluginCatalog<'_> {
    fn stage(
        &self,
        plugin: &str,
        stage: Option<&str>,
        config: &[(String, String)],
        grants: &[ast::Grant],
        input: &[StepColumn],
        key: &[usize],
    ) -> Result<StageOffer, String> {
        let component = self.active(plugin)?;
        stage_offer(&component, plugin, stage, config, grants, input, key)
    }

    fn function(&self, plugin: &str, function: Option<&str>) -> Result<FunctionDefinition, String> {
        let component = self.active(plugin)?;
        let function = choose("function", plugin, function, component.description.functions.iter().map(|f| f.name.as_str()))?;
        component.function_definition(plugin, &function).map_err(|e| e.to_string())
    }

    fn error_policy(&self, plugin: &str, policy: Option<&str>, config: &[(String, String)]) -> Result<Arc<str>, String> {
        let component = self.active(plugin)?;
        let names = component.description.error_policies.iter().map(|p| p.name.as_str());
        let policy = choose("error policy", plugin, policy, names)?;
        component.instantiate_error_policy(&policy, config).map_err(|e| e.to_string())?;
        Ok(policy.into())
    }
}
