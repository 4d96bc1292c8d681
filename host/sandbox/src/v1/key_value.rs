//! What is behind a guest's import `key-value`.

use super::bindings::calzone::plugin::key_value::{Entry, Host};
use crate::instance::Guest;
use crate::key_value::LentStore;

impl Guest {
    fn lent(&mut self) -> wasmtime::Result<&mut LentStore> {
        self.store.as_mut().ok_or_else(|| wasmtime::Error::msg("there is no store outside of `process`"))
    }

    fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> wasmtime::Result<()> {
        let bytes_max = self.store_bytes();
        self.lent()?.change(key, value, bytes_max).map_err(wasmtime::Error::msg)
    }
}

impl Host for Guest {
    fn get(&mut self, key: Vec<u8>) -> wasmtime::Result<Option<Vec<u8>>> {
        self.lent()?.get(&key).map_err(wasmtime::Error::msg)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> wasmtime::Result<()> {
        self.change(key, Some(value))
    }

    fn delete(&mut self, key: Vec<u8>) -> wasmtime::Result<()> {
        self.change(key, None)
    }

    fn scan(&mut self, prefix: Vec<u8>, after: Option<Vec<u8>>, limit: u32) -> wasmtime::Result<Vec<Entry>> {
        let bytes_max = self.store_bytes();
        let found = self.lent()?.scan(&prefix, after.as_deref(), limit as usize, bytes_max).map_err(wasmtime::Error::msg)?;
        Ok(found.into_iter().map(|(key, value)| Entry { key, value }).collect())
    }
}
