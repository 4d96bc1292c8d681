//! What comes from outside: functions of plugins, and the environment that runs them.

use std::sync::Arc;

use calzone_exec::{BuiltInsOnly, Environment};
use calzone_functions::{AggregateDefinition, FunctionDefinition, ScalarDefinition};
use calzone_plan::plan::StepColumn;
use calzone_plan::{PluginLookup, StageOffer};
use calzone_sql::ast::Grant;

/// Makes an environment for one query; its stores are never asked for.
pub type MakeEnvironment = Arc<dyn Fn() -> Box<dyn Environment> + Send + Sync>;

/// Plugin functions that every case finds in its registry.
pub struct Plugins {
    pub environment: MakeEnvironment,
    pub scalars: Vec<ScalarDefinition>,
    pub tables: Vec<ScalarDefinition>,
    pub aggregates: Vec<AggregateDefinition>,
    /// What CREATE FUNCTION and CREATE STAGE find.
    pub lookup: Arc<dyn PluginLookup + Send + Sync>,
}

impl Plugins {
    /// No plugins: built-in functions only.
    pub fn none() -> Plugins {
        Plugins {
            environment: Arc::new(|| Box::new(BuiltInsOnly)),
            scalars: Vec::new(),
            tables: Vec::new(),
            aggregates: Vec::new(),
            lookup: Arc::new(NoPlugins),
        }
    }
}

/// Nothing was uploaded; functions of plugins may be in the registry all the same.
struct NoPlugins;

impl PluginLookup for NoPlugins {
    fn stage(
        &self,
        plugin: &str,
        _: Option<&str>,
        _: &[(String, String)],
        _: &[Grant],
        _: &[StepColumn],
        _: &[usize],
    ) -> Result<StageOffer, String> {
        Err(format!("There is no plugin '{plugin}' in a test run."))
    }

    fn function(&self, plugin: &str, _: Option<&str>) -> Result<FunctionDefinition, String> {
        Err(format!("There is no plugin '{plugin}' in a test run."))
    }
}
