//! Which partitions a server copies for the case that their server dies.
//!
//! A copy is of most use on the server that gets the partition then. Kafka's range assignment decides that, from the names of
//! the members in their order, so it is known beforehand: the copy of a partition lies where the partition would be if its
//! server were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use crate::engine::Engine;

/// The member that the range assignment gives a partition.
fn range_owner<'a>(partition: i32, partitions: i32, members: &[&'a str]) -> Option<&'a str> {
    let count = i32::try_from(members.len()).ok().filter(|count| *count > 0)?;
    let (each, extra) = (partitions / count, partitions % count);
    let mut end = 0;
    members.iter().enumerate().find_map(|(at, member)| {
        end += each + i32::from((at as i32) < extra);
        (partition < end).then_some(*member)
    })
}

/// Partitions that `own` shall copy: each has so many copies. `owned`: what each member has, by its name in the group.
fn chosen(own: &str, owned: &BTreeMap<String, BTreeSet<i32>>, replicas: usize) -> BTreeSet<i32> {
    let partitions = owned.values().flatten().max().map_or(0, |last| last + 1);
    let mut chosen = BTreeSet::new();
    for (owner, theirs) in owned.iter().filter(|(owner, _)| *owner != own) {
        for partition in theirs {
            let mut left: Vec<&str> = owned.keys().map(String::as_str).filter(|member| member != owner).collect();
            for _ in 0..replicas {
                let Some(next) = range_owner(*partition, partitions, &left) else { break };
                if next == own {
                    chosen.insert(*partition);
                    break;
                }
                left.retain(|member| *member != next);
            }
        }
    }
    chosen
}

impl Engine {
    /// Partitions of a query that this server shall copy now.
    pub(crate) fn standbys_of(engine: &Weak<Engine>, query: &str, replicas: usize) -> BTreeSet<i32> {
        let Some(engine) = engine.upgrade() else { return BTreeSet::new() };
        let Some(cluster) = &engine.cluster else { return BTreeSet::new() };
        let members = cluster.members();
        let owned = members.iter().filter_map(|(id, member)| {
            let share = member.announcement.queries.get(query)?;
            Some((id.clone(), share.inputs.values().flatten().copied().collect()))
        });
        chosen(&cluster.own_id, &owned.collect(), replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(members: &[&str], partitions: i32) -> BTreeMap<String, BTreeSet<i32>> {
        let mut owned: BTreeMap<String, BTreeSet<i32>> = members.iter().map(|m| (m.to_string(), BTreeSet::new())).collect();
        for partition in 0..partitions {
            let owner = range_owner(partition, partitions, members).unwrap();
            owned.get_mut(owner).unwrap().insert(partition);
        }
        owned
    }

    #[test]
    fn ranges_are_those_of_kafka() {
        let owned = assigned(&["a", "b", "c"], 7);
        let wanted: [(&str, &[i32]); 3] = [("a", &[0, 1, 2]), ("b", &[3, 4]), ("c", &[5, 6])];
        for (member, partitions) in wanted {
            assert_eq!(owned[member].iter().copied().collect::<Vec<_>>(), partitions);
        }
        assert_eq!(range_owner(0, 1, &[]), None);
    }

    #[test]
    fn whoever_gets_the_partitions_of_a_dead_server_has_copies_of_them() {
        for (members, partitions) in [(vec!["a", "b"], 4), (vec!["a", "b", "c"], 7), (vec!["a", "b", "c", "d"], 3)] {
            let owned = assigned(&members, partitions);
            let mut copies = 0;
            for dead in &members {
                let left: Vec<&str> = members.iter().copied().filter(|m| m != dead).collect();
                let after = assigned(&left, partitions);
                for member in left {
                    let copied = chosen(member, &owned, 1);
                    copies += copied.intersection(&owned[*dead]).count();
                    let gained: BTreeSet<i32> = after[member].intersection(&owned[*dead]).copied().collect();
                    assert!(copied.is_superset(&gained), "{member} gets {gained:?} of {dead} and has {copied:?}");
                }
            }
            assert_eq!(copies as i32, partitions, "one copy of each partition");
        }
        let all = assigned(&["a", "b", "c"], 6);
        assert_eq!(chosen("a", &all, 2).len(), 4, "two copies: everybody has everything");
        assert!(chosen("a", &all, 0).is_empty());
    }
}
