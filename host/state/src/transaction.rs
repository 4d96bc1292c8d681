//! The changes of the running transaction over what is committed.

use crate::batch::WriteBatch;
use crate::error::Result;
use crate::keyspace::{Keyspace, Slice};
use crate::long_key;
use crate::store::{Store, Visit, prefix_end};
use hashbrown::HashMap;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// One task's store: uncommitted changes in memory over a committed [`Keyspace`], in which all its keys have the
/// task's prefix (the partition).
///
/// Committed values that were read or written lately are kept too, so that a group that is updated in every
/// transaction is not read from disk in every transaction.
pub struct TransactionStore {
    keyspace: Keyspace,
    prefix: Vec<u8>,
    entries: RefCell<Entries>,
    /// Changed keys, in the order of their first change.
    dirty: Vec<Arc<[u8]>>,
    /// The same keys in key order: kept only once somebody asked for a range, since most stores never do.
    ordered: RefCell<Option<BTreeSet<Arc<[u8]>>>>,
    cache_bytes_max: usize,
}

#[derive(Default)]
struct Entries {
    map: HashMap<Arc<[u8]>, Entry, foldhash::fast::RandomState>,
    /// Bytes of the entries that are not dirty, with what the map itself needs for them.
    clean_bytes: usize,
}

struct Entry {
    /// `None` for a key that is known to be absent.
    value: Option<Vec<u8>>,
    dirty: bool,
}

impl Entry {
    fn bytes(&self, key: &[u8]) -> usize {
        key.len() + self.value.as_ref().map_or(0, Vec::len) + ENTRY_OVERHEAD_BYTES
    }
}

/// Called with key and new value of each change; `None` is a deletion.
pub type VisitChange<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// What the map, the key's and the value's allocations cost for an entry, roughly.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// Committed values kept in memory, for each store of each task.
const CACHE_BYTES_MAX: usize = 4 << 20;

impl TransactionStore {
    /// A store over the entries of `keyspace` whose key begins with `prefix`.
    pub fn new(keyspace: Keyspace, prefix: &[u8]) -> TransactionStore {
        TransactionStore {
            keyspace,
            prefix: prefix.to_vec(),
            entries: RefCell::default(),
            dirty: Vec::new(),
            ordered: RefCell::default(),
            cache_bytes_max: CACHE_BYTES_MAX,
        }
    }

    /// Sets how many bytes of committed values are kept in memory; 0 keeps none.
    pub fn with_cache_bytes_max(mut self, bytes: usize) -> TransactionStore {
        self.cache_bytes_max = bytes;
        self
    }

    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub fn has_changes(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Number of keys changed since the last commit.
    pub fn change_count(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the changes, in key order; `None` is a deletion. The caller commits them now: until then only
    /// [`Store::get`] knows of them. If that commit fails, [`TransactionStore::rollback`] forgets them.
    pub fn changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut changes = Vec::with_capacity(self.dirty.len());
        self.drain(&mut |key, value| changes.push((key.to_vec(), value.map(<[u8]>::to_vec))));
        changes
    }

    /// As [`TransactionStore::changes`], and puts them into the batch that will commit them.
    pub fn drain_into(&mut self, batch: &mut WriteBatch, visit: &mut VisitChange<'_>) {
        let keyspace = self.keyspace.clone();
        let mut stored = self.prefix.clone();
        let prefix_len = stored.len();
        self.drain(&mut |key, value| {
            stored.truncate(prefix_len);
            long_key::push(key, &mut stored);
            match value {
                Some(value) => batch.put(&keyspace, &stored, &long_key::pack(key, value)),
                None => batch.delete(&keyspace, &stored),
            }
            visit(key, value);
        });
    }

    fn drain(&mut self, visit: &mut VisitChange<'_>) {
        let mut keys = std::mem::take(&mut self.dirty);
        keys.sort_unstable();
        let entries = self.entries.get_mut();
        for key in keys {
            // A key that was forgotten may have come back, and then it is in the list twice.
            if let Some(entry) = entries.map.get_mut(&key).filter(|entry| entry.dirty) {
                visit(&key, entry.value.as_deref());
                entry.dirty = false;
                entries.clean_bytes += entry.bytes(&key);
            }
        }
        entries.evict(self.cache_bytes_max);
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.clear();
        }
    }

    /// Forgets all that is not committed.
    pub fn rollback(&mut self) {
        self.dirty.clear();
        *self.entries.get_mut() = Entries::default();
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.clear();
        }
    }

    /// The key as it lies in the keyspace.
    fn stored_key(&self, key: &[u8]) -> Vec<u8> {
        let mut stored = Vec::with_capacity(self.prefix.len() + key.len());
        stored.extend_from_slice(&self.prefix);
        long_key::push(key, &mut stored);
        stored
    }

    fn change(&mut self, key: &[u8], value: Option<&[u8]>) {
        let entries = self.entries.get_mut();
        if let Some(entry) = entries.map.get_mut(key) {
            if entry.dirty {
                assign(&mut entry.value, value);
                return;
            }
            entries.clean_bytes = entries.clean_bytes.saturating_sub(entry.bytes(key));
            assign(&mut entry.value, value);
            entry.dirty = true;
        } else {
            entries.map.insert(key.into(), Entry { value: value.map(<[u8]>::to_vec), dirty: true });
        }
        let Some((key, _)) = entries.map.get_key_value(key) else { return };
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.insert(key.clone());
        }
        self.dirty.push(key.clone());
    }

    /// Was the key put in this transaction, and never before?
    fn is_new(&self, key: &[u8]) -> Result<bool> {
        let changed = self.entries.borrow().map.get(key).is_some_and(|entry| entry.dirty);
        Ok(changed && self.keyspace.get(&self.stored_key(key))?.is_none())
    }

    /// Takes back all that this transaction has done to a key.
    fn forget(&mut self, key: &[u8]) {
        self.entries.get_mut().map.remove(key);
        if let Some(ordered) = self.ordered.get_mut() {
            ordered.remove(key);
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], reverse: bool, visit: &mut Visit<'_>) -> Result<()> {
        if !to.is_empty() && from >= to {
            return Ok(());
        }
        let mut ordered = self.ordered.borrow_mut();
        let ordered = ordered.get_or_insert_with(|| self.dirty.iter().cloned().collect());
        let upper = if to.is_empty() { Bound::Unbounded } else { Bound::Excluded(to) };
        let changed = ordered.range::<[u8], _>((Bound::Included(from), upper));
        let (from_bound, to_bound) = long_key::bounds(from, to);
        let stored_to = if to_bound.is_empty() { prefix_end(&self.prefix) } else { [&self.prefix, &*to_bound].concat() };
        let committed = self.keyspace.range(&[&self.prefix, from_bound].concat(), &stored_to);
        let exact = from_bound.len() == from.len() && to_bound.len() == to.len();
        let within = |entry: &Result<(Slice, Slice)>| match entry {
            Ok((stored, _)) if !exact => {
                let key = &stored[self.prefix.len()..];
                from <= key && (to.is_empty() || key < to)
            }
            _ => true,
        };
        match reverse {
            false => {
                let committed = long_key::whole(committed, self.prefix.len(), false).filter(within);
                self.merge(committed, changed, |committed, changed| committed < changed, visit)
            }
            true => {
                let committed = long_key::whole(committed.rev(), self.prefix.len(), true).filter(within);
                self.merge(committed, changed.rev(), |committed, changed| committed > changed, visit)
            }
        }
    }

    /// Visits both in order; a changed key hides the committed one.
    fn merge<'a>(
        &self,
        committed: impl Iterator<Item = Result<(Slice, Slice)>>,
        changed: impl Iterator<Item = &'a Arc<[u8]>>,
        earlier: impl Fn(&[u8], &[u8]) -> bool,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let entries = self.entries.borrow();
        let mut committed = committed.peekable();
        let mut changed = changed.peekable();
        loop {
            let from_disk = match (committed.peek(), changed.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) | (Some(Err(_)), _) => true,
                (None, Some(_)) => false,
                (Some(Ok((stored, _))), Some(key)) => earlier(&stored[self.prefix.len()..], key),
            };
            if from_disk {
                if let Some(entry) = committed.next() {
                    let (stored, value) = entry?;
                    if visit(&stored[self.prefix.len()..], &value).is_break() {
                        return Ok(());
                    }
                }
                continue;
            }
            let Some(key) = changed.next() else { continue };
            committed.next_if(|entry| matches!(entry, Ok((stored, _)) if stored[self.prefix.len()..] == **key));
            if let Some(value) = entries.map.get(key).and_then(|entry| entry.value.as_deref())
                && visit(key, value).is_break()
            {
                return Ok(());
            }
        }
    }
}

impl Entries {
    /// Drops committed values when they take more than their share.
    fn evict(&mut self, bytes_max: usize) {
        if self.clean_bytes > bytes_max {
            self.map.retain(|_, entry| entry.dirty);
            self.clean_bytes = 0;
            self.map.shrink_to(self.map.len() * 2);
        }
    }
}

/// Reuses the old value's allocation.
fn assign(target: &mut Option<Vec<u8>>, value: Option<&[u8]>) {
    match (target.as_mut(), value) {
        (Some(old), Some(value)) => {
            old.clear();
            old.extend_from_slice(value);
        }
        _ => *target = value.map(<[u8]>::to_vec),
    }
}

impl Store for TransactionStore {
    fn get_with(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        if let Some(entry) = self.entries.borrow().map.get(key) {
            if let Some(value) = &entry.value {
                visit(value);
            }
            return Ok(entry.value.is_some());
        }
        let stored = match self.prefix.is_empty() && key.len() <= long_key::HEAD_BYTES {
            true => self.keyspace.get(key)?,
            false => self.keyspace.get(&self.stored_key(key))?,
        };
        let committed = stored.as_deref().map(|packed| long_key::unpack(key, packed));
        if let Some(value) = committed {
            visit(value);
        }
        if self.cache_bytes_max > 0
            && let Ok(mut entries) = self.entries.try_borrow_mut()
        {
            let entry = Entry { value: committed.map(<[u8]>::to_vec), dirty: false };
            entries.clean_bytes += entry.bytes(key);
            entries.map.insert(key.into(), entry);
            entries.evict(self.cache_bytes_max);
        }
        Ok(committed.is_some())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(key, Some(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        // Where ranges are read, each deletion is passed by every later scan: a session that grows record by record would
        // leave one behind for each. A key that is not on disk needs none.
        match self.ordered.get_mut().is_some() && self.is_new(key)? {
            true => self.forget(key),
            false => self.change(key, None),
        }
        Ok(())
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        self.scan(from, to, false, visit)
    }

    fn range_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        self.scan(from, to, true, visit)
    }
}

#[cfg(test)]
mod tests;
