//! The records of one partition that wait to be tried again, and the groups that they lock.
//!
//! All of it is in the store `retry`; what is needed to find the next record is in memory too.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use calzone_exec::ExecError;
use calzone_state::{Store, TransactionStore};

use super::entry::{self, Entry, Failed, Lock, LockId};

/// A group that begins to move again is tried with one record, then two, four … up to so many at a time.
const RUN_MAX: usize = 1024;

/// Due at once.
const NOW: i64 = i64::MIN;

pub struct Waiting {
    store: TransactionStore,
    /// Records that others pass, by when they are due.
    records: BTreeSet<(i64, Arc<str>, i64)>,
    /// Locked groups of each topic.
    groups: HashMap<Arc<str>, HashMap<Vec<u8>, Group>>,
    /// Those whose first record is here, by when it is due.
    groups_due: BTreeSet<(i64, Arc<str>, Vec<u8>)>,
    count: usize,
    locks: usize,
}

struct Group {
    lock: Lock,
    /// Offsets of the records that are here: the others are still in the retry topic.
    here: BTreeSet<i64>,
    /// As it stands in `groups_due`.
    due: Option<i64>,
    run: usize,
}

impl Group {
    fn new(lock: Lock) -> Group {
        Group { lock, here: BTreeSet::new(), due: None, run: 1 }
    }

    fn next_due(&self) -> Option<i64> {
        let first = *self.here.first()?;
        match &self.lock.head {
            _ if first <= self.lock.dead_until => Some(NOW),
            Some((head, failed)) if *head == first => Some(failed.due_ms),
            // The head is still on its way.
            Some((head, _)) if *head < first => None,
            _ => Some(NOW),
        }
    }
}

/// A record to be tried now.
pub struct Due {
    pub topic: Arc<str>,
    pub offset: i64,
    pub entry: Entry,
}

impl Waiting {
    /// Takes up what the store holds.
    pub fn open(store: TransactionStore) -> Result<Waiting, ExecError> {
        let mut waiting =
            Waiting { store, records: BTreeSet::new(), groups: HashMap::new(), groups_due: BTreeSet::new(), count: 0, locks: 0 };
        for (key, value) in waiting.scan(&entry::LOCKS)? {
            let (topic, group) = entry::read_lock_key(&key)?;
            waiting.locks += 1;
            waiting.groups.entry(topic).or_default().insert(group, Group::new(Lock::decode(&value)?));
        }
        for (key, value) in waiting.scan(&entry::RECORDS)? {
            let (topic, offset) = entry::read_record_key(&key)?;
            let entry = Entry::decode(&value)?;
            waiting.count += 1;
            match entry.group {
                Some(group) => {
                    if let Some(found) = waiting.groups.get_mut(&topic).and_then(|groups| groups.get_mut(&group)) {
                        found.here.insert(offset);
                    }
                }
                None => {
                    waiting.records.insert((entry.failed.map_or(NOW, |failed| failed.due_ms), topic, offset));
                }
            }
        }
        let locked: Vec<(Arc<str>, Vec<u8>)> =
            waiting.groups.iter().flat_map(|(topic, groups)| groups.keys().map(|group| (topic.clone(), group.clone()))).collect();
        locked.iter().for_each(|(topic, group)| waiting.schedule(topic, group));
        Ok(waiting)
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ExecError> {
        let mut all = Vec::new();
        let end = [prefix[0] + 1];
        self.store.range(prefix, &end, &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    pub fn store_mut(&mut self) -> &mut TransactionStore {
        &mut self.store
    }

    /// Records here.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Locked groups.
    pub fn locks(&self) -> usize {
        self.locks
    }

    /// Is any group of this topic locked?
    pub fn any_locked(&self, topic: &str) -> bool {
        self.groups.get(topic).is_some_and(|groups| !groups.is_empty())
    }

    pub fn is_locked(&self, topic: &str, group: &[u8]) -> bool {
        self.groups.get(topic).is_some_and(|groups| groups.contains_key(group))
    }

    /// Locks a group because its record at `offset` failed; that record is on its way here.
    pub fn lock(&mut self, topic: &Arc<str>, group: &[u8], offset: i64, failed: Failed, now_ms: i64) -> Result<(), ExecError> {
        let lock = Lock {
            count: 1,
            first: offset,
            since_ms: now_ms,
            last: offset,
            done: offset - 1,
            dead_until: i64::MIN,
            head: Some((offset, failed)),
        };
        self.store.put(&entry::lock_key(topic, group), &lock.encode())?;
        self.locks += 1;
        self.groups.entry(topic.clone()).or_default().insert(group.to_vec(), Group::new(lock));
        Ok(())
    }

    /// A record is on its way behind others of a locked group. It counts once: after a crash without exactly-once, some come
    /// twice.
    pub fn follow(&mut self, topic: &Arc<str>, group: &[u8], offset: i64) -> Result<(), ExecError> {
        let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return Ok(()) };
        if offset > found.lock.last {
            found.lock.last = offset;
            found.lock.count += 1;
            self.store.put(&entry::lock_key(topic, group), &found.lock.encode())?;
        }
        Ok(())
    }

    /// Which lock of the group it is.
    pub fn lock_id(&self, topic: &str, group: &[u8]) -> Option<LockId> {
        self.group(topic, group).map(|group| group.lock.id())
    }

    /// Takes in a record that has come through the retry topic. `lock`: what it was sent to wait for. False if it does not wait,
    /// as a crash has undone what it was sent for.
    pub fn take_in(&mut self, topic: &Arc<str>, offset: i64, entry: &Entry, lock: Option<LockId>) -> Result<bool, ExecError> {
        let key = entry::record_key(topic, offset);
        match &entry.group {
            Some(group) => {
                // Without its lock it has been processed already: it has come twice.
                let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return Ok(false) };
                let waits = offset > found.lock.done && offset <= found.lock.last;
                // Sent before a crash that has undone its lock: the records of this one come in their order behind it.
                if lock.is_some_and(|lock| lock != found.lock.id()) {
                    return Ok(waits);
                }
                if offset <= found.lock.done || !found.here.insert(offset) {
                    return Ok(waits);
                }
                self.store.put(&key, &entry.encode())?;
                self.count += 1;
                self.schedule(topic, group);
            }
            None => {
                if let Some(old) = self.store.get(&key)? {
                    self.records.remove(&(due_of(&Entry::decode(&old)?), topic.clone(), offset));
                    self.count -= 1;
                }
                self.store.put(&key, &entry.encode())?;
                self.records.insert((due_of(entry), topic.clone(), offset));
                self.count += 1;
            }
        }
        Ok(true)
    }

    /// When the next record is due, milliseconds since the epoch.
    pub fn next_due(&self) -> Option<i64> {
        let record = self.records.first().map(|(due, ..)| *due);
        let group = self.groups_due.first().map(|(due, ..)| *due);
        [record, group].into_iter().flatten().min()
    }

    /// The records that are due, at most about so many; of a group the first, and as many behind it as went well lately.
    pub fn due(&self, now_ms: i64, limit: usize) -> Result<Vec<Due>, ExecError> {
        let mut due = Vec::new();
        for (_, topic, offset) in self.records.iter().take_while(|(at, ..)| *at <= now_ms).take(limit) {
            due.extend(self.load(topic, *offset)?);
        }
        for (_, topic, group) in self.groups_due.iter().take_while(|(at, ..)| *at <= now_ms) {
            let Some(group) = self.group(topic, group).filter(|group| !group.is_buried()) else { continue };
            for offset in group.here.iter().take(group.run) {
                if due.len() >= limit {
                    return Ok(due);
                }
                due.extend(self.load(topic, *offset)?);
            }
        }
        Ok(due)
    }

    /// Records that become dead letters without being tried, with what their group's head died of; at most so many.
    pub fn buried(&self, limit: usize) -> Result<Vec<Due>, ExecError> {
        let mut buried = Vec::new();
        for (_, topic, group) in self.groups_due.iter().take_while(|(at, ..)| *at == NOW) {
            let Some(group) = self.group(topic, group) else { continue };
            for offset in group.here.iter().take_while(|offset| **offset <= group.lock.dead_until) {
                if buried.len() >= limit {
                    return Ok(buried);
                }
                let Some(mut due) = self.load(topic, *offset)? else { continue };
                if let Some((_, failed)) = group.lock.head.as_ref().filter(|(head, _)| head == offset) {
                    due.entry.failed = Some(failed.clone());
                }
                buried.push(due);
            }
        }
        Ok(buried)
    }

    /// How the record failed last, if it did.
    pub fn failed(&self, topic: &str, offset: i64, entry_failed: Option<&Failed>, group: Option<&[u8]>) -> Option<Failed> {
        match group {
            None => entry_failed.cloned(),
            Some(group) => {
                let (head, failed) = self.group(topic, group)?.lock.head.as_ref()?;
                (*head == offset).then(|| failed.clone())
            }
        }
    }

    /// The first record of a group has failed (again).
    pub fn fail(&mut self, topic: &Arc<str>, group: &[u8], offset: i64, failed: Failed) -> Result<(), ExecError> {
        let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return Ok(()) };
        found.lock.head = Some((offset, failed));
        found.run = 1;
        self.store.put(&entry::lock_key(topic, group), &found.lock.encode())?;
        self.schedule(topic, group);
        Ok(())
    }

    /// A record need not wait any longer. True if its group is free now.
    pub fn leave(&mut self, topic: &Arc<str>, offset: i64, group: Option<&[u8]>, due_ms: i64) -> Result<bool, ExecError> {
        self.store.delete(&entry::record_key(topic, offset))?;
        let Some(group) = group else {
            self.count -= usize::from(self.records.remove(&(due_ms, topic.clone(), offset)));
            return Ok(false);
        };
        let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return Ok(false) };
        if found.here.remove(&offset) {
            self.count -= 1;
        }
        found.lock.done = found.lock.done.max(offset);
        found.lock.count = found.lock.count.saturating_sub(1);
        if found.lock.head.as_ref().is_some_and(|(head, _)| *head <= offset) {
            found.lock.head = None;
        }
        if found.lock.head.is_none() {
            found.run = (found.run * 2).min(RUN_MAX);
        }
        let key = entry::lock_key(topic, group);
        // One that is given up may leave before those that went well on the same way.
        let free = found.here.is_empty() && found.lock.done >= found.lock.last;
        if free {
            self.store.delete(&key)?;
            if let Some(due) = found.due {
                self.groups_due.remove(&(due, topic.clone(), group.to_vec()));
            }
            if let Some(groups) = self.groups.get_mut(topic) {
                groups.remove(group);
            }
            self.locks -= 1;
        } else {
            self.store.put(&key, &found.lock.encode())?;
            self.schedule(topic, group);
        }
        Ok(free)
    }

    /// The records of a group up to the last that waits now are given up with the first.
    pub fn bury_all(&mut self, topic: &Arc<str>, group: &[u8]) -> Result<(), ExecError> {
        let Some(last) = self.group(topic, group).map(|group| group.lock.last) else { return Ok(()) };
        self.bury(topic, group, last)
    }

    /// Gives up the first record of the group, if it has failed. True if there was one.
    pub fn bury_head(&mut self, topic: &Arc<str>, group: &[u8]) -> Result<bool, ExecError> {
        let Some(head) = self.group(topic, group).and_then(|g| g.lock.head.as_ref()).map(|(head, _)| *head) else {
            return Ok(false);
        };
        self.bury(topic, group, head).map(|()| true)
    }

    fn bury(&mut self, topic: &Arc<str>, group: &[u8], until: i64) -> Result<(), ExecError> {
        let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return Ok(()) };
        found.lock.dead_until = found.lock.dead_until.max(until);
        self.store.put(&entry::lock_key(topic, group), &found.lock.encode())?;
        self.schedule(topic, group);
        Ok(())
    }

    /// Locked groups of this name, of all topics; all of them without a name.
    pub fn locked(&self, name: Option<&[u8]>) -> Vec<(Arc<str>, Vec<u8>)> {
        let groups = self.groups.iter().flat_map(|(topic, groups)| groups.keys().map(move |group| (topic, group)));
        let named = groups.filter(|(_, group)| name.is_none_or(|name| name == group.as_slice()));
        named.map(|(topic, group)| (topic.clone(), group.clone())).collect()
    }

    fn group(&self, topic: &str, group: &[u8]) -> Option<&Group> {
        self.groups.get(topic)?.get(group)
    }

    fn load(&self, topic: &Arc<str>, offset: i64) -> Result<Option<Due>, ExecError> {
        let stored = self.store.get(&entry::record_key(topic, offset))?;
        let entry = stored.map(|bytes| Entry::decode(&bytes)).transpose()?;
        Ok(entry.map(|entry| Due { topic: topic.clone(), offset, entry }))
    }

    fn schedule(&mut self, topic: &Arc<str>, group: &[u8]) {
        let Some(found) = self.groups.get_mut(topic).and_then(|groups| groups.get_mut(group)) else { return };
        let due = found.next_due();
        if due == found.due {
            return;
        }
        if let Some(old) = found.due {
            self.groups_due.remove(&(old, topic.clone(), group.to_vec()));
        }
        if let Some(due) = due {
            self.groups_due.insert((due, topic.clone(), group.to_vec()));
        }
        found.due = due;
    }
}

impl Group {
    /// Is the first record to be given up?
    fn is_buried(&self) -> bool {
        self.here.first().is_some_and(|first| *first <= self.lock.dead_until)
    }
}

fn due_of(entry: &Entry) -> i64 {
    entry.failed.as_ref().map_or(NOW, |failed| failed.due_ms)
}

#[cfg(test)]
mod tests {
    use calzone_state::Database;

    use super::*;

    #[test]
    fn what_was_sent_behind_a_lock_that_a_crash_has_undone_is_not_taken_in() {
        let database = Database::temporary().unwrap();
        let store = || TransactionStore::new(database.keyspace("retry").unwrap(), b"p");
        let failed = Failed { attempts: 1, due_ms: 0, class: "plugin".into(), step: "s".into(), cause: "c".into() };
        let entry = Entry { failed: None, group: Some(b"g".to_vec()), timestamp: 0, key: None, value: None, headers: Vec::new() };
        let topic: Arc<str> = "t".into();
        let mut waiting = Waiting::open(store()).unwrap();
        // Record 7 failed and was sent; the server died; this time record 5 fails before it.
        waiting.lock(&topic, b"g", 5, failed, 20).unwrap();
        waiting.follow(&topic, b"g", 6).unwrap();
        waiting.follow(&topic, b"g", 7).unwrap();
        assert!(waiting.take_in(&topic, 7, &entry, Some((7, 10))).unwrap());
        assert_eq!((waiting.count(), waiting.next_due()), (0, None));
        let id = waiting.lock_id(&topic, b"g");
        for offset in 5..=7 {
            waiting.take_in(&topic, offset, &entry, id).unwrap();
        }
        for offset in 5..=7 {
            let due: Vec<i64> = waiting.due(20, 1).unwrap().iter().map(|due| due.offset).collect();
            assert_eq!(due, [offset]);
            assert_eq!(waiting.leave(&topic, offset, Some(b"g"), 0).unwrap(), offset == 7);
        }
        assert!(!waiting.take_in(&topic, 7, &entry, id).unwrap());
    }
}
