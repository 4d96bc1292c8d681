//! Groups in memory over their store.
//!
//! A group that was touched lately is a slot; its states are changed in place. Slots that differ from the store are
//! written at the flush before a commit. A group that is not in a slot is read from the store.

use calzone_types::Value;
use hashbrown::HashMap;

use super::Functions;
use crate::error::ExecError;
use crate::operator::{StoreId, Stores};

/// Groups kept in memory between commits; beyond it, all are forgotten after a flush and read again when needed.
const SLOTS_MAX: usize = 200_000;

pub(crate) struct Groups {
    store: StoreId,
    index: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    slots: Vec<Slot>,
    dirty: Vec<u32>,
    /// Slots with a change that was not forwarded, in the order of their first such change.
    held: Vec<u32>,
    buffer: Vec<u8>,
}

/// One group.
pub(crate) struct Slot {
    pub key: Box<[u8]>,
    /// `None`: there is no such group.
    pub states: Option<Vec<Value>>,
    pub timestamp: i64,
    dirty: bool,
    pub held: Option<Held>,
}

/// What was forwarded last, before the changes that are held back.
pub(crate) struct Held {
    /// Results before; `None` if there was no such group.
    pub old: Option<Vec<Value>>,
    /// Offset of the record that changed it last.
    pub offset: i64,
}

impl Groups {
    pub fn new(store: StoreId) -> Groups {
        Groups { store, index: HashMap::default(), slots: Vec::new(), dirty: Vec::new(), held: Vec::new(), buffer: Vec::new() }
    }

    /// The slot of that group, read from the store if need be.
    pub fn find(&mut self, key: &[u8], functions: &Functions, stores: &mut Stores) -> Result<u32, ExecError> {
        if let Some(slot) = self.index.get(key) {
            return Ok(*slot);
        }
        let mut read = None;
        stores.get(self.store).get_with(key, &mut |bytes| read = Some(functions.read(bytes)))?;
        let (timestamp, states) = match read.transpose()? {
            Some((timestamp, states)) => (timestamp, Some(states)),
            None => (i64::MIN, None),
        };
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { key: key.into(), states, timestamp, dirty: false, held: None });
        self.index.insert(key.into(), slot);
        Ok(slot)
    }

    pub fn slot(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// Notes that the slot differs from the store.
    pub fn touch(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Notes a change that is not forwarded yet; `old` gives the results before it.
    pub fn hold(&mut self, slot: u32, offset: i64, old: impl FnOnce() -> Option<Vec<Value>>) {
        match &mut self.slots[slot as usize].held {
            Some(held) => held.offset = offset,
            none => {
                *none = Some(Held { old: old(), offset });
                self.held.push(slot);
            }
        }
    }

    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// The slots that hold changes back, which are forwarded now.
    pub fn take_held(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.held)
    }

    /// Writes changed slots to the store.
    pub fn flush(&mut self, functions: &Functions, stores: &mut Stores) -> Result<(), ExecError> {
        let store = stores.get(self.store);
        for slot in self.dirty.drain(..) {
            let slot = &mut self.slots[slot as usize];
            slot.dirty = false;
            match &slot.states {
                Some(states) => {
                    self.buffer.clear();
                    functions.write(slot.timestamp, states, &mut self.buffer);
                    store.put(&slot.key, &self.buffer)?;
                }
                None => store.delete(&slot.key)?,
            }
        }
        if self.slots.len() > SLOTS_MAX && self.held.is_empty() {
            self.forget();
        }
        Ok(())
    }

    /// Removes groups whose key is below `to` from memory and store. Nothing may be dirty or held.
    pub fn remove_below(&mut self, to: &[u8], stores: &mut Stores) -> Result<(), ExecError> {
        let store = stores.get(self.store);
        let mut expired: Vec<Vec<u8>> = Vec::new();
        store.range(&[], to, &mut |key, _| {
            expired.push(key.to_vec());
            std::ops::ControlFlow::Continue(())
        })?;
        if expired.is_empty() {
            return Ok(());
        }
        for key in &expired {
            store.delete(key)?;
        }
        let kept: Vec<Slot> = self.slots.drain(..).filter(|slot| *slot.key >= *to).collect();
        self.forget();
        for slot in kept {
            self.index.insert(slot.key.clone(), self.slots.len() as u32);
            self.slots.push(slot);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.index.clear();
        self.slots.clear();
    }
}
