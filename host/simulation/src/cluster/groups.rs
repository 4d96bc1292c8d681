//! Consumer groups: who reads which partition, and what was committed.

use std::collections::BTreeMap;

use calzone_log::TopicPartition;

/// As the product's own setting, in milliseconds.
const SESSION_TIMEOUT_MS: u64 = 10_000;

/// A group with its members and committed offsets.
#[derive(Default)]
pub struct Group {
    members: BTreeMap<u64, Member>,
    next_member: u64,
    rebalancing: bool,
    pub offsets: BTreeMap<TopicPartition, (i64, String)>,
}

struct Member {
    instance: String,
    /// Topics with their partition counts.
    topics: Vec<(String, i32)>,
    seen_ms: u64,
    /// In a rebalance: has given up its partitions and waits for new ones.
    joined: bool,
    target: Vec<TopicPartition>,
    /// The target is new to the member.
    fresh: bool,
}

/// What a member is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// Go on as before.
    Settled,
    /// Commit, give up the partitions, then call [`Group::rejoin`].
    GiveUp,
    /// Others are not ready yet.
    Waiting,
    /// These partitions are the member's now.
    Take(Vec<TopicPartition>),
    /// The session timed out: the partitions are somebody else's.
    Unknown,
    /// Another one has come under the same name.
    Fenced,
}

impl Group {
    /// A new member. One of the same name as a member before takes its place without disturbing the others.
    pub fn join(&mut self, instance: &str, topics: Vec<(String, i32)>, now_ms: u64) -> u64 {
        let id = self.next_member;
        self.next_member += 1;
        let before = self.members.iter().find(|(_, m)| m.instance == instance).map(|(id, _)| *id);
        let old = before.and_then(|before| self.members.remove(&before));
        let (target, known) = old.map_or((Vec::new(), false), |old| (old.target, true));
        let settled = known && !self.rebalancing;
        let member = Member { instance: instance.to_owned(), topics, seen_ms: now_ms, joined: false, target, fresh: settled };
        self.members.insert(id, member);
        if !settled {
            self.begin_rebalance();
            self.rejoin(id);
        }
        id
    }

    pub fn leave(&mut self, id: u64) {
        if self.members.remove(&id).is_some() {
            self.begin_rebalance();
        }
    }

    fn begin_rebalance(&mut self) {
        if !self.rebalancing {
            self.rebalancing = true;
            self.members.values_mut().for_each(|m| m.joined = false);
        }
        self.finish_rebalance();
    }

    /// The member has given up its partitions.
    pub fn rejoin(&mut self, id: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.joined = true;
            member.target.clear();
            member.fresh = false;
        }
        self.finish_rebalance();
    }

    fn finish_rebalance(&mut self) {
        if !self.rebalancing || !self.members.values().all(|m| m.joined) {
            return;
        }
        self.rebalancing = false;
        let ids: Vec<u64> = self.members.keys().copied().collect();
        for (place, id) in ids.iter().enumerate() {
            let Some(member) = self.members.get_mut(id) else { continue };
            let ours = |partition: &i32| *partition as usize % ids.len() == place;
            member.target = member
                .topics
                .iter()
                .flat_map(|(topic, count)| (0..*count).filter(ours).map(move |p| TopicPartition::new(topic.as_str(), p)))
                .collect();
            member.target.sort();
            member.fresh = true;
        }
    }

    /// What the member learns when it asks.
    pub fn ask(&mut self, id: u64, instance: &str) -> Joined {
        let rebalancing = self.rebalancing;
        let Some(member) = self.members.get_mut(&id) else {
            return match self.members.values().any(|m| m.instance == instance) {
                true => Joined::Fenced,
                false => Joined::Unknown,
            };
        };
        match (rebalancing, member.joined) {
            (true, false) => Joined::GiveUp,
            (true, true) => Joined::Waiting,
            (false, _) if std::mem::take(&mut member.fresh) => Joined::Take(member.target.clone()),
            (false, _) => Joined::Settled,
        }
    }

    /// May the member still commit for this partition?
    pub fn owns(&self, id: u64, tp: &TopicPartition) -> bool {
        self.members.get(&id).is_some_and(|m| m.target.contains(tp))
    }

    pub fn heartbeat(&mut self, id: u64, now_ms: u64) {
        if let Some(member) = self.members.get_mut(&id) {
            member.seen_ms = now_ms;
        }
    }

    /// The heartbeats of all members whose names end like this.
    pub fn heartbeat_of(&mut self, suffix: &str, now_ms: u64) {
        self.members.values_mut().filter(|m| m.instance.ends_with(suffix)).for_each(|m| m.seen_ms = now_ms);
    }

    /// Puts out members that were silent for too long.
    pub(super) fn expire(&mut self, now_ms: u64) {
        let before = self.members.len();
        self.members.retain(|_, m| m.seen_ms + SESSION_TIMEOUT_MS >= now_ms);
        if self.members.len() != before {
            self.begin_rebalance();
        }
    }

    pub fn has_members(&self) -> bool {
        !self.members.is_empty()
    }
}
