//! What the planner is told about the world: catalog, settings, topics, plugins.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_functions::FunctionDefinition;
use calzone_sql::ast;

use crate::catalog::Catalog;
use crate::error::{PlanError, Result};
use crate::plan::{StageColumn, StepColumn};

/// A snapshot to plan against.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    pub catalog: &'a Catalog,
    /// Effective `ksql.*` and `ksql.streams.*` settings, the session's overrides among them.
    pub properties: &'a BTreeMap<String, String>,
    pub topics: &'a dyn TopicLookup,
    pub plugins: &'a dyn PluginLookup,
}

/// Topics of the log.
pub trait TopicLookup {
    /// Number of partitions; None if there is no such topic.
    fn partitions(&self, topic: &str) -> Option<i32>;
    /// Number of replicas of each partition; None if there is no such topic.
    fn replicas(&self, topic: &str) -> Option<i32>;
}

/// Plugins that are uploaded.
pub trait PluginLookup {
    /// What a plugin's stage makes of rows of `input`, whose key is at `key`. Errors: why it cannot be used, for the user.
    fn stage(
        &self,
        plugin: &str,
        stage: Option<&str>,
        config: &[(String, String)],
        grants: &[ast::Grant],
        input: &[StepColumn],
        key: &[usize],
    ) -> std::result::Result<StageOffer, String>;

    /// What a plugin's function accepts and gives. Errors: why it cannot be used, for the user.
    fn function(&self, plugin: &str, function: Option<&str>) -> std::result::Result<FunctionDefinition, String>;

    /// Name, inside the plugin, of its error policy that takes these settings. Errors: why it cannot be used, for the user.
    fn error_policy(
        &self,
        plugin: &str,
        _policy: Option<&str>,
        _config: &[(String, String)],
    ) -> std::result::Result<Arc<str>, String> {
        Err(format!("There is no plugin '{plugin}'."))
    }
}

/// A stage as its plugin describes it for a given input.
#[derive(Clone, Debug)]
pub struct StageOffer {
    /// Name inside the plugin.
    pub stage: Arc<str>,
    /// Positions of the input columns that it wants to see.
    pub reads: Vec<usize>,
    /// Where its rows go: at least one.
    pub outputs: Vec<OfferedOutput>,
}

/// One output of a stage.
#[derive(Clone, Debug)]
pub struct OfferedOutput {
    /// As the plugin calls it; empty for the only one.
    pub name: Arc<str>,
    /// What each column is.
    pub columns: Vec<StageColumn>,
    /// Names and types of the columns.
    pub output: Vec<StepColumn>,
    /// Positions of the key among the columns.
    pub key: Vec<usize>,
}

impl PlanContext<'_> {
    /// A setting, by its name without prefix or with `ksql.`/`ksql.streams.`, as the caller wrote it.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A switch that is `default` unless set.
    pub(crate) fn is_enabled(&self, name: &str, default: bool) -> Result<bool> {
        match self.property(name) {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(PlanError::new(format!("The setting '{name}' is '{value}', but must be 'true' or 'false'."))),
        }
    }

    /// A whole number greater than zero, if set.
    pub(crate) fn count(&self, name: &str) -> Result<Option<i32>> {
        let Some(value) = self.property(name) else { return Ok(None) };
        match value.parse::<i32>() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(PlanError::new(format!("The setting '{name}' is '{value}', but must be a whole number above 0."))),
        }
    }
}
