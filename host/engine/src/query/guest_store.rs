//! A task's store as a guest's own (KEY VALUE).

use std::any::Any;
use std::ops::ControlFlow;

use calzone_exec::TaskStore;
use calzone_sandbox::KeyValue;

/// A store on its way through a guest.
struct GuestStore(Box<dyn TaskStore>);

/// Makes a task's store a guest's.
pub fn lend(store: Box<dyn TaskStore>) -> Box<dyn KeyValue> {
    Box::new(GuestStore(store))
}

/// What [`lend`] was given.
pub fn take_back(store: Box<dyn KeyValue>) -> Option<Box<dyn TaskStore>> {
    let store: Box<dyn Any> = store;
    store.downcast::<GuestStore>().ok().map(|lent| lent.0)
}

fn failed(e: calzone_state::StateError) -> String {
    format!("the plugin's store failed: {e}")
}

impl KeyValue for GuestStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.0.get(key).map_err(failed)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.0.put(key, value).map_err(failed)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.delete(key).map_err(failed)
    }

    fn scan(&self, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
        let mut each = |key: &[u8], value: &[u8]| {
            if visit(key, value) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.0.range(from, &[], &mut each).map_err(failed)
    }
}
