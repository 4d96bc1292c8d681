//! Components outside of a server, planned and run as a server would: what a test of a plugin needs.

use std::sync::Arc;

use calzone_exec::{Environment, Stage};
use calzone_functions::FunctionDefinition;
use calzone_plan::plan::{PluginUse, StageStep, StepColumn};
use calzone_plan::{PluginLookup, StageOffer};
use calzone_sandbox::{Component, Grants};
use calzone_sql::ast;

use crate::lookup::{choose, stage_offer};
use crate::query::{PluginBinding, QueryStatistics, TaskEnvironment};

/// Components under the names that they were loaded with.
pub struct LoadedPlugins(pub Vec<Arc<Component>>);

impl LoadedPlugins {
    /// The component of that name.
    pub fn find(&self, plugin: &str) -> Result<&Arc<Component>, String> {
        let found = self.0.iter().find(|c| c.plugin.eq_ignore_ascii_case(plugin));
        found.ok_or_else(|| {
            let there: Vec<&str> = self.0.iter().map(|c| &*c.plugin).collect();
            let list = if there.is_empty() { "there is none".to_owned() } else { format!("there are: {}", there.join(", ")) };
            format!("There is no plugin '{plugin}' in this run; {list}.")
        })
    }

    /// An instance of a stage that was planned with [`PluginLookup::stage`].
    pub fn instantiate(&self, step: &StageStep, grants: Grants) -> Result<Box<dyn Stage>, String> {
        let used = PluginUse { name: step.name.clone(), plugin: step.plugin.clone(), item: step.stage.clone() };
        let binding = PluginBinding { revision: 1, since: 0, guest: self.find(&step.plugin)?.clone(), grants };
        let statistics = Arc::new(QueryStatistics::default());
        TaskEnvironment::transient(Arc::new([(used, binding)].into()), statistics).stage(step)
    }
}

impl PluginLookup for LoadedPlugins {
    fn stage(
        &self,
        plugin: &str,
        stage: Option<&str>,
        config: &[(String, String)],
        grants: &[ast::Grant],
        input: &[StepColumn],
        key: &[usize],
    ) -> Result<StageOffer, String> {
        let component = self.find(plugin)?;
        stage_offer(component, plugin, stage, config, grants, input, key)
    }

    fn function(&self, plugin: &str, function: Option<&str>) -> Result<FunctionDefinition, String> {
        let component = self.find(plugin)?;
        let function = choose("function", plugin, function, component.description.functions.iter().map(|f| f.name.as_str()))?;
        component.function_definition(plugin, &function).map_err(|e| e.to_string())
    }

    fn error_policy(&self, plugin: &str, policy: Option<&str>, config: &[(String, String)]) -> Result<Arc<str>, String> {
        let component = self.find(plugin)?;
        let names = component.description.error_policies.iter().map(|p| p.name.as_str());
        let policy = choose("error policy", plugin, policy, names)?;
        component.instantiate_error_policy(&policy, config).map_err(|e| e.to_string())?;
        Ok(policy.into())
    }
}
