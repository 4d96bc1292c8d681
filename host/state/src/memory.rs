//! A store that lives and dies with its owner.

use crate::error::Result;
use crate::store::{Store, Visit};
use std::collections::BTreeMap;
use std::ops::Bound;

/// For transient queries, the test driver and tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl MemoryStore {
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// `None` for a range that is reversed, which `BTreeMap` would panic on.
fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> Option<Bounds<'a>> {
    match to.is_empty() {
        true => Some((Bound::Included(from), Bound::Unbounded)),
        false => (from < to).then_some((Bound::Included(from), Bound::Excluded(to))),
    }
}

impl Store for MemoryStore {
    fn get_with(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.entries.get(key);
        if let Some(value) = value {
            visit(value);
        }
        Ok(value.is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match self.entries.get_mut(key) {
            Some(old) => {
                old.clear();
                old.extend_from_slice(value);
            }
            None => {
                self.entries.insert(key.to_vec(), value.to_vec());
            }
        }
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.entries.remove(key);
        Ok(())
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        let Some(bounds) = bounds(from, to) else { return Ok(()) };
        for (key, value) in self.entries.range::<[u8], _>(bounds) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn range_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        let Some(bounds) = bounds(from, to) else { return Ok(()) };
        for (key, value) in self.entries.range::<[u8], _>(bounds).rev() {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
