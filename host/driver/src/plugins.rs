//! What comes from outside: functions of plugins, and the environment that runs them.

use std::sync::Arc;

use calzone_exec::{BuiltInsOnly, Environment};
use calzone_functions::{AggregateDefinition, ScalarDefinition};

/// Makes an environment for one query; its stores are never asked for.
pub type MakeEnvironment = Arc<dyn Fn() -> Box<dyn Environment> + Send + Sync>;

/// Plugin functions that every case finds in its registry.
pub struct Plugins {
    pub environment: MakeEnvironment,
    pub scalars: Vec<ScalarDefinition>,
    pub tables: Vec<ScalarDefinition>,
    pub aggregates: Vec<AggregateDefinition>,
}

impl Plugins {
    /// No plugins: built-in functions only.
    pub fn none() -> Plugins {
        Plugins {
            environment: Arc::new(|| Box::new(BuiltInsOnly)),
            scalars: Vec::new(),
            tables: Vec::new(),
            aggregates: Vec::new(),
        }
    }
}
