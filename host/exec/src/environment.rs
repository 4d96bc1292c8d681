//! What a task needs from the world around it: plugin instances and stores. Implemented by the engine and by test drivers.

use std::any::Any;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::ScalarBuffer;
use calzone_functions::{Aggregate, Binding, RowError, Scalar};
use calzone_plan::error_policy::ErrorPolicy;
use calzone_plan::plan::StageStep;
use calzone_state::{MemoryStore, Store};
use calzone_types::{Batch, Header, SqlType, Value};

use crate::policy::{ActionsPolicy, Decide};
use crate::topology::StoreSpec;

/// Makes the parts of a task that do not come from the plan alone. Errors are sentences for the user.
pub trait Environment {
    /// An instance of a plugin's scalar or table function.
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String>;

    /// An instance of a plugin's aggregate function; `init` are its literal arguments, `state` the type of its stored state.
    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        state: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String>;

    /// An instance of a plugin's stage.
    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String>;

    /// An error policy, ready to decide.
    fn error_policy(&mut self, policy: &ErrorPolicy) -> Result<Box<dyn Decide>, String> {
        match ActionsPolicy::new(policy) {
            Some(actions) => Ok(Box::new(actions)),
            None => Err(format!("error policy {} is a plugin's and cannot decide here", policy.name)),
        }
    }

    /// The store of that partition, with what it held when the task was last committed.
    fn store(&mut self, spec: &StoreSpec, partition: i32) -> Result<Box<dyn TaskStore>, String>;
}

/// A store that its maker can find again behind a task: `(store as &mut dyn Any).downcast_mut::<TransactionStore>()`.
pub trait TaskStore: Store + Any {}

impl<T: Store + Any> TaskStore for T {}

/// A plugin's stage, running: any number of rows in, any number of rows out.
pub trait Stage: Send {
    /// Processes the rows of a batch, whose columns are all of the input's; the stage picks those it reads. `store` is the
    /// guest's own, if it was granted one; it is there again afterwards.
    fn process(&mut self, input: &Batch, store: &mut Option<Box<dyn TaskStore>>) -> StageAnswer;
}

/// What a stage made of a batch.
#[derive(Clone, Debug, Default)]
pub struct StageAnswer {
    /// Rows for each output, in the plan's order.
    pub outputs: Vec<StageRows>,
    /// Rows of the input that failed, in order.
    pub errors: Vec<RowError>,
}

/// Rows for one output of a stage.
#[derive(Clone, Debug, Default)]
pub struct StageRows {
    /// For each row that goes out, the row of the input it was made from.
    pub source_rows: Vec<u32>,
    /// The guest's output columns.
    pub columns: Vec<ArrayRef>,
    /// Milliseconds since the epoch; those of the source rows if `None`.
    pub timestamps: Option<ScalarBuffer<i64>>,
    /// Those of the source rows if `None`.
    pub headers: Option<Vec<Arc<[Header]>>>,
}

/// An environment without plugins, whose stores are in memory: for expressions of built-in functions, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltInsOnly;

impl Environment for BuiltInsOnly {
    fn scalar(&mut self, plugin: &str, function: &str, _: &Binding) -> Result<Box<dyn Scalar>, String> {
        Err(format!("function {function} of plugin {plugin} cannot run here"))
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        _: &Binding,
        _: &[Value],
        _: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        Err(format!("aggregate function {function} of plugin {plugin} cannot run here"))
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        Err(format!("stage {} cannot run here", step.name))
    }

    fn store(&mut self, _: &StoreSpec, _: i32) -> Result<Box<dyn TaskStore>, String> {
        Ok(Box::new(MemoryStore::new()))
    }
}
