//! Who reads which partition of a group.
//!
//! Partition `p` of every topic belongs to the same member, so that joined topics meet. A partition changes hands
//! only after its old owner has let it go.

use super::signal::Signal;
use super::topics::Topic;
use crate::topic::TopicPartition;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct Memberships {
    groups: Mutex<HashMap<String, Group>>,
    next_member: AtomicU64,
    /// Changes whenever a look at the groups could give another answer.
    version: AtomicU64,
}

#[derive(Default)]
struct Group {
    members: BTreeMap<u64, Member>,
    owners: HashMap<TopicPartition, u64>,
}

struct Member {
    topics: Vec<Arc<Topic>>,
    signal: Arc<Signal>,
}

/// What changes for a member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) gained: Vec<TopicPartition>,
    pub(super) lost: Vec<TopicPartition>,
}

impl Memberships {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn is_active(&self, group: &str) -> bool {
        self.lock().contains_key(group)
    }

    /// Adds a member; partitions come to it by [`Memberships::changes`].
    pub(super) fn join(&self, group: &str, topics: Vec<Arc<Topic>>, signal: Arc<Signal>) -> u64 {
        let member = self.next_member.fetch_add(1, Ordering::Relaxed);
        let mut groups = self.lock();
        let state = groups.entry(String::from(group)).or_default();
        state.members.insert(member, Member { topics, signal });
        self.announce(state);
        member
    }

    pub(super) fn leave(&self, group: &str, member: u64) {
        let mut groups = self.lock();
        if let Some(state) = groups.get_mut(group) {
            state.members.remove(&member);
            state.owners.retain(|_, owner| *owner != member);
            self.announce(state);
            if state.members.is_empty() {
                groups.remove(group);
            }
        }
    }

    /// What the member must let go, or else what it has now gained.
    pub(super) fn changes(&self, group: &str, member: u64) -> Change {
        let mut change = Change::default();
        let mut groups = self.lock();
        let Some(state) = groups.get_mut(group) else { return change };
        let targets = state.targets();
        for (tp, owner) in &state.owners {
            if *owner == member && targets.get(tp) != Some(&member) {
                change.lost.push(tp.clone());
            }
        }
        change.lost.sort();
        if !change.lost.is_empty() {
            return change;
        }
        for (tp, target) in targets {
            if target == member && !state.owners.contains_key(&tp) {
                state.owners.insert(tp.clone(), member);
                change.gained.push(tp);
            }
        }
        change.gained.sort();
        change
    }

    /// Lets partitions go; whoever is to have them is woken.
    pub(super) fn release(&self, group: &str, member: u64, partitions: &[TopicPartition]) {
        let mut groups = self.lock();
        if let Some(state) = groups.get_mut(group) {
            for tp in partitions {
                if state.owners.get(tp) == Some(&member) {
                    state.owners.remove(tp);
                }
            }
            self.announce(state);
        }
    }

    fn announce(&self, group: &Group) {
        self.version.fetch_add(1, Ordering::AcqRel);
        for member in group.members.values() {
            member.signal.notify_data();
        }
    }
}

impl Group {
    /// Who should own what.
    fn targets(&self) -> BTreeMap<TopicPartition, u64> {
        let mut targets = BTreeMap::new();
        let mut seen = HashSet::new();
        for topic in self.members.values().flat_map(|member| &member.topics) {
            if !seen.insert(topic.id) {
                continue;
            }
            let readers: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, member)| member.topics.iter().any(|other| other.id == topic.id))
                .map(|(id, _)| *id)
                .collect();
            for partition in 0..topic.partitions.len() {
                let tp = TopicPartition::new(topic.name.clone(), partition as i32);
                targets.insert(tp, readers[partition % readers.len()]);
            }
        }
        targets
    }
}
