//! The servers of a cluster as they have announced themselves, and who keeps what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::lag::HostLags;

/// A server that has said nothing for so long is forgotten; each says something every [`super::ANNOUNCE_INTERVAL`].
const FORGOTTEN_AFTER_MS: i64 = 100_000;

/// A server that did not answer is asked last for so long.
const FAILED_FOR_MS: i64 = 5_000;

/// What a server tells the others of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// `host:port`
    pub address: String,
    /// By query id.
    pub queries: BTreeMap<String, Share>,
}

/// What of a query a server works on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Input partitions, by topic.
    pub inputs: BTreeMap<Arc<str>, BTreeSet<i32>>,
    /// Partitions of the table whose rows are kept up to date.
    pub table: BTreeSet<i32>,
    /// Partitions whose stores are copied for the case that their server dies.
    pub standby: BTreeSet<i32>,
}

/// A server of the cluster.
#[derive(Clone, Debug)]
pub struct Member {
    pub announcement: Announcement,
    /// When it was last heard of, milliseconds since the epoch.
    pub seen_ms: i64,
    /// By query and partition of its table: the place of the announcement that said so first.
    claims: BTreeMap<(String, i32), i64>,
    /// The last heartbeat, milliseconds since the epoch.
    pub heartbeat_ms: Option<i64>,
    /// When it last did not answer.
    failed_ms: Option<i64>,
    pub lags: Option<HostLags>,
}

/// All servers by their ids, this one among them.
#[derive(Debug, Default)]
pub struct Members {
    by_id: BTreeMap<String, Member>,
}

/// Who can be asked for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    pub id: String,
    pub address: String,
    /// It copies the partition of another one.
    pub is_standby: bool,
}

impl Member {
    /// Has it said that it keeps this partition of the query's table up to date?
    pub fn claims(&self, query: &str, partition: i32) -> bool {
        self.announcement.queries.get(query).is_some_and(|share| share.table.contains(&partition))
    }
}

impl Members {
    /// Takes note of an announcement at this place of the topic; without one the server has left.
    pub fn apply(&mut self, id: &str, announcement: Option<Announcement>, offset: i64, seen_ms: i64) {
        let Some(announcement) = announcement else {
            self.by_id.remove(id);
            return;
        };
        // A server with a new identity at an old address has lost its state directory: the old one is no more.
        self.by_id.retain(|other, member| other == id || member.announcement.address != announcement.address);
        let before = self.by_id.remove(id);
        let claims = announcement.queries.iter().flat_map(|(query, share)| {
            let before = before.as_ref();
            share.table.iter().map(move |partition| {
                let claim = (query.clone(), *partition);
                let first = before.and_then(|member| member.claims.get(&claim)).copied().unwrap_or(offset);
                (claim, first)
            })
        });
        let member = Member {
            claims: claims.collect(),
            seen_ms,
            heartbeat_ms: before.as_ref().and_then(|b| b.heartbeat_ms),
            failed_ms: before.as_ref().and_then(|b| b.failed_ms),
            lags: before.and_then(|b| b.lags),
            announcement,
        };
        self.by_id.insert(id.to_owned(), member);
    }

    /// Forgets servers that were not heard of for long; they have died.
    pub fn forget_silent(&mut self, own: &str, now_ms: i64) {
        self.by_id.retain(|id, member| id == own || now_ms - member.seen_ms < FORGOTTEN_AFTER_MS);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.by_id.iter()
    }

    pub fn get(&self, id: &str) -> Option<&Member> {
        self.by_id.get(id)
    }

    /// The member at this address.
    pub fn at_mut(&mut self, address: &str) -> Option<&mut Member> {
        self.by_id.values_mut().find(|member| member.announcement.address == address)
    }

    /// Takes note that a server did not answer.
    pub fn note_failure(&mut self, address: &str, now_ms: i64) {
        if let Some(member) = self.at_mut(address) {
            member.failed_ms = Some(now_ms);
        }
    }

    /// Who says that it keeps this partition of the query's table up to date: the last to say so first. Then, if asked for, those
    /// that copy it. Servers that `is_alive` denies, or that did not answer just now, come after the others of their kind.
    pub fn keepers(
        &self,
        query: &str,
        partition: i32,
        with_standbys: bool,
        now_ms: i64,
        is_alive: &dyn Fn(&str, &Member) -> bool,
    ) -> Vec<Keeper> {
        let claim = (query.to_owned(), partition);
        let owner =
            self.by_id.iter().filter_map(|(id, m)| Some((*m.claims.get(&claim)?, id, m))).max_by_key(|(first, ..)| *first);
        let mut keepers = Vec::new();
        let mut put_last = Vec::new();
        let keeper = |id: &String, member: &Member, is_standby| Keeper {
            id: id.clone(),
            address: member.announcement.address.clone(),
            is_standby,
        };
        let is_well =
            |id: &String, member: &Member| is_alive(id, member) && member.failed_ms.is_none_or(|at| now_ms - at > FAILED_FOR_MS);
        if let Some((_, id, member)) = owner {
            let list = if is_well(id, member) { &mut keepers } else { &mut put_last };
            list.push(keeper(id, member, false));
        }
        if with_standbys {
            let copies = |m: &Member| m.announcement.queries.get(query).is_some_and(|share| share.standby.contains(&partition));
            for (id, member) in self.by_id.iter().filter(|(_, m)| copies(m)) {
                let list = if is_well(id, member) { &mut keepers } else { &mut put_last };
                list.push(keeper(id, member, true));
            }
        }
        keepers.append(&mut put_last);
        keepers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(port: u16, table: &[i32], standby: &[i32]) -> Option<Announcement> {
        let share =
            Share { inputs: BTreeMap::new(), table: table.iter().copied().collect(), standby: standby.iter().copied().collect() };
        Some(Announcement { address: format!("h:{port}"), queries: BTreeMap::from([("Q".to_owned(), share)]) })
    }

    fn ids(members: &Members, partition: i32, with_standbys: bool, now_ms: i64) -> Vec<String> {
        let keepers = members.keepers("Q", partition, with_standbys, now_ms, &|id, _| id != "dead");
        keepers.into_iter().map(|k| if k.is_standby { format!("{}*", k.id) } else { k.id }).collect()
    }

    #[test]
    fn the_last_to_claim_a_partition_keeps_it_however_often_others_repeat_themselves() {
        let mut members = Members::default();
        members.apply("a", announcement(1, &[0, 1], &[]), 0, 0);
        members.apply("b", announcement(2, &[1], &[]), 1, 0);
        members.apply("a", announcement(1, &[0, 1], &[]), 2, 0);
        assert_eq!(ids(&members, 0, false, 0), ["a"]);
        assert_eq!(ids(&members, 1, false, 0), ["b"]);
        assert!(ids(&members, 2, false, 0).is_empty());
        // It lost the partition and got it back: that is a new claim.
        members.apply("a", announcement(1, &[0], &[]), 3, 0);
        members.apply("a", announcement(1, &[0, 1], &[]), 4, 0);
        assert_eq!(ids(&members, 1, false, 0), ["a"]);
    }

    #[test]
    fn standbys_come_after_the_owner_unless_it_is_dead() {
        let mut members = Members::default();
        members.apply("dead", announcement(1, &[0], &[1]), 0, 0);
        members.apply("a", announcement(2, &[1], &[0]), 1, 0);
        assert_eq!(ids(&members, 0, true, 0), ["a*", "dead"]);
        assert_eq!(ids(&members, 0, false, 0), ["dead"]);
        assert_eq!(ids(&members, 1, true, 0), ["a", "dead*"]);
        members.note_failure("h:2", 10);
        assert_eq!(ids(&members, 0, true, 11), ["dead", "a*"]);
        assert_eq!(ids(&members, 0, true, 11 + FAILED_FOR_MS), ["a*", "dead"]);
    }

    #[test]
    fn servers_leave_by_saying_so_by_silence_and_by_a_successor_at_their_address() {
        let mut members = Members::default();
        for (id, port) in [("a", 1), ("b", 2), ("c", 3)] {
            members.apply(id, announcement(port, &[], &[]), 0, 0);
        }
        members.apply("b", None, 1, 0);
        members.apply("d", announcement(3, &[], &[]), 2, 5);
        assert_eq!(members.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "d"]);
        members.forget_silent("none", FORGOTTEN_AFTER_MS);
        assert_eq!(members.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["d"]);
        members.forget_silent("d", 10 * FORGOTTEN_AFTER_MS);
        assert_eq!(members.iter().count(), 1);
    }
}
