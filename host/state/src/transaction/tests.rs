use super::*;
use crate::{Database, Durability, MemoryStore};
use proptest::prelude::*;
use std::ops::ControlFlow;

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Get(Vec<u8>),
    Range(Vec<u8>, Vec<u8>, bool),
    Commit,
    Rollback,
}

/// Short keys over three bytes, so that steps meet each other and the end of the alphabet; and some that are about as
/// long as the longest that is stored as it is.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let end = proptest::collection::vec(prop_oneof![Just(0u8), Just(7), Just(255)], 0..3);
    let start = prop_oneof![4 => Just(0), 1 => Just(long_key::HEAD_BYTES - 1)];
    (start, end).prop_map(|(start, end)| [vec![7; start], end].concat())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), proptest::collection::vec(any::<u8>(), 0..4)).prop_map(|(k, v)| Step::Put(k, v)),
        2 => key().prop_map(Step::Delete),
        4 => key().prop_map(Step::Get),
        4 => (key(), key(), any::<bool>()).prop_map(|(a, b, r)| Step::Range(a, b, r)),
        2 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ]
}

fn collect(store: &dyn Store, from: &[u8], to: &[u8], reverse: bool, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match reverse {
        false => store.range(from, to, &mut visit).expect("range"),
        true => store.range_reverse(from, to, &mut visit).expect("range"),
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_sorted_map_with_commit_and_rollback(steps in proptest::collection::vec(step(), 1..120), cache in prop_oneof![Just(0usize), Just(300), Just(1 << 20)]) {
        let database = Database::temporary().expect("database");
        let keyspace = database.keyspace("store").expect("keyspace");
        // A neighbour on each side, whose entries must never show.
        for prefix in [[255u8, 0], [255, 2]] {
            let mut batch = database.batch();
            batch.put(&keyspace, &prefix, b"neighbour");
            batch.commit(Durability::Buffered).expect("commit");
        }
        let mut store = TransactionStore::new(keyspace, &[255, 1]).with_cache_bytes_max(cache);
        let (mut model, mut committed) = (MemoryStore::new(), MemoryStore::new());
        for step in steps {
            match step {
                Step::Put(key, value) => {
                    store.put(&key, &value).expect("put");
                    model.put(&key, &value).expect("put");
                }
                Step::Delete(key) => {
                    store.delete(&key).expect("delete");
                    model.delete(&key).expect("delete");
                }
                Step::Get(key) => prop_assert_eq!(store.get(&key).expect("get"), model.get(&key).expect("get")),
                Step::Range(from, to, reverse) => {
                    for limit in [1, 3, usize::MAX] {
                        prop_assert_eq!(collect(&store, &from, &to, reverse, limit), collect(&model, &from, &to, reverse, limit));
                    }
                }
                Step::Commit => {
                    let mut batch = database.batch();
                    let mut keys = Vec::new();
                    store.drain_into(&mut batch, &mut |key, _| keys.push(key.to_vec()));
                    prop_assert!(keys.is_sorted());
                    batch.commit(Durability::Buffered).expect("commit");
                    prop_assert!(!store.has_changes());
                    committed = model.clone();
                }
                Step::Rollback => {
                    store.rollback();
                    model = committed.clone();
                }
            }
        }
        prop_assert_eq!(collect(&store, &[], &[], false, usize::MAX), collect(&model, &[], &[], false, usize::MAX));
    }
}

#[test]
fn changes_hold_the_last_value_of_each_key_and_are_taken_once() {
    let database = Database::temporary().expect("database");
    let mut store = TransactionStore::new(database.keyspace("store").expect("keyspace"), b"");
    store.put(b"b", b"1").expect("put");
    store.put(b"a", b"2").expect("put");
    store.put(b"b", b"3").expect("put");
    store.delete(b"c").expect("delete");
    let changes = store.changes();
    assert_eq!(changes, [(b"a".to_vec(), Some(b"2".to_vec())), (b"b".to_vec(), Some(b"3".to_vec())), (b"c".to_vec(), None)]);
    assert!(store.changes().is_empty());
}

#[test]
fn a_key_longer_than_the_engine_takes_is_kept_like_any_other() {
    let database = Database::temporary().expect("database");
    let keyspace = database.keyspace("store").expect("keyspace");
    let mut store = TransactionStore::new(keyspace, &[1, 2, 3, 4]).with_cache_bytes_max(0);
    let long = |last: u8| [vec![b'x'; 900_000], vec![last]].concat();
    for last in [2, 1, 3] {
        store.put(&long(last), &[last]).expect("put");
    }
    store.put(b"xy", b"after").expect("put");
    let mut batch = database.batch();
    store.drain_into(&mut batch, &mut |_, _| {});
    batch.commit(Durability::Buffered).expect("commit");
    assert_eq!(store.get(&long(2)).expect("get"), Some(vec![2]));
    assert_eq!(store.get(&long(4)).expect("get"), None);
    let keys = |found: Vec<(Vec<u8>, Vec<u8>)>| found.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    let after = b"after".to_vec();
    assert_eq!(keys(collect(&store, &[], &[], false, 9)), [vec![1], vec![2], vec![3], after.clone()]);
    assert_eq!(keys(collect(&store, &long(2), &[], true, 9)), [after, vec![3], vec![2]]);
    assert_eq!(keys(collect(&store, &[], &long(3), false, 9)), [[1], [2]]);
}
