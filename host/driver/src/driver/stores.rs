//! Stores that outlive the tasks that use them: CREATE OR REPLACE goes on with the old ones, pull queries read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use calzone_exec::{Environment, Stage, StoreSpec, TaskStore};
use calzone_functions::{Aggregate, Binding, Scalar};
use calzone_plan::plan::StageStep;
use calzone_state::{MemoryStore, StateError, Store, Visit};
use calzone_types::{SqlType, Value};

/// A store in memory with several owners.
#[derive(Clone, Default)]
pub struct SharedStore(Arc<Mutex<MemoryStore>>);

impl SharedStore {
    fn with<T>(&self, work: impl FnOnce(&mut MemoryStore) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for SharedStore {
    fn get_with(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool, StateError> {
        self.with(|store| store.get_with(key, visit))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        self.with(|store| store.put(key, value))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        self.with(|store| store.delete(key))
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StateError> {
        self.with(|store| store.range(from, to, visit))
    }

    fn range_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StateError> {
        self.with(|store| store.range_reverse(from, to, visit))
    }
}

/// The stores of one query, by name.
#[derive(Clone, Default)]
pub struct Stores(BTreeMap<String, SharedStore>);

impl Stores {
    pub fn get(&self, name: &str) -> Option<&SharedStore> {
        self.0.get(name)
    }
}

/// The environment of a query: plugins come from the caller, stores are those of the query.
pub struct QueryEnvironment<'a> {
    pub plugins: Box<dyn Environment>,
    pub stores: &'a mut Stores,
}

impl Environment for QueryEnvironment<'_> {
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String> {
        self.plugins.scalar(plugin, function, binding)
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        state: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        self.plugins.aggregate(plugin, function, binding, init, state)
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        self.plugins.stage(step)
    }

    fn store(&mut self, spec: &StoreSpec, _: i32) -> Result<Box<dyn TaskStore>, String> {
        Ok(Box::new(self.stores.0.entry(spec.name.to_string()).or_default().clone()))
    }
}
