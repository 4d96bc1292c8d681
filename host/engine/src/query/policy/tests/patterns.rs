//! The patterns: stop, dead letter, retry, retry in order.

use calzone_plan::error_policy::{Backoff, ChainFate, HeaderStyle, PolicyAction, PolicySettings};

use super::world::{World, policy};
use crate::query::Failure;

/// So many attempts, a second apart.
fn attempts(n: u32) -> PolicySettings {
    let backoff = Backoff { initial_ms: 1000, factor: 1.0, max_ms: 1000, jitter: 0.0 };
    PolicySettings { attempts: Some(n), backoff, ..PolicySettings::default() }
}

#[test]
fn a_dead_letter_is_the_record_itself_with_the_cause_behind_its_headers() {
    for (style, header, expected) in [
        (HeaderStyle::Connect, "__connect.errors.exception.message", "b is not ready"),
        (HeaderStyle::Streams, "__streams.errors.offset", "1"),
        (HeaderStyle::Spring, "kafka_dlt-original-topic", "s"),
        (HeaderStyle::SmallRye, "dead-letter-reason", "b is not ready"),
    ] {
        let settings = PolicySettings { header_style: style, ..PolicySettings::default() };
        let world = World::new(policy(PolicyAction::DeadLetter, None, settings));
        world.flaky.fail("b", 1);
        world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
        world.send_bytes("4", b"{\xff");
        world.start().settle().unwrap();
        assert_eq!(world.output(), ["a", "c"]);
        let dead = world.read("o-dead-letter");
        assert_eq!(dead.len(), 2, "{dead:?}");
        assert_eq!((dead[0].key.as_deref(), dead[0].value.as_deref()), (Some("2"), Some("{\"V\":\"b\"}")));
        assert_eq!((dead[0].timestamp, &dead[0].headers[0]), (1, &("mine".into(), Some(vec![1, 2]))));
        assert_eq!(dead[0].header(header), expected);
        assert_eq!(dead[0].header("calzone.errors.class"), "expression");
        assert_eq!(dead[1].header("calzone.errors.class"), "deserialization");
        assert_eq!(dead[1].timestamp, 77);
    }
}

#[test]
fn a_skipped_record_leaves_no_row_of_it() {
    let query = "CREATE STREAM o AS SELECT k, FLAKY(EXPLODE(ARRAY[v, 'x'])) AS v FROM s EMIT CHANGES;";
    let world = World::of(query, policy(PolicyAction::Skip, None, PolicySettings::default()));
    world.flaky.fail("b", 1);
    world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
    let mut query = world.start();
    query.settle().unwrap();
    // The row that did not fail is gone with the other one of its record.
    assert_eq!(world.output(), ["a", "x", "c", "x"]);
    let counted = query.handle.statistics.policy.decisions();
    assert_eq!(counted.iter().map(|(c, n)| (c.action, *n)).collect::<Vec<_>>(), [("skip", 1)]);
}

#[test]
fn a_stopped_query_stands_before_the_record_and_goes_on_when_asked() {
    let world = World::new(policy(PolicyAction::Stop, None, PolicySettings::default()));
    world.flaky.fail("b", 3);
    world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
    let failure = world.start().settle().unwrap_err();
    let Failure::Stop { message, .. } = &failure else { panic!("{failure:?}") };
    assert!(message.contains("record 1 of s") && message.contains("b is not ready"), "{message}");
    assert_eq!(world.output(), ["a"]);
    assert_eq!(world.log.committed("q", "s").unwrap(), [Some(1)]);
    // Still not ready; then ready.
    assert!(world.start().settle().is_err());
    world.flaky.fail("b", 0);
    world.start().settle().unwrap();
    assert_eq!(world.output(), ["a", "b", "c"]);
    let report = (1, "b is not ready".to_owned());
    assert_eq!(world.reported(), [report.clone(), report]);
}

#[test]
fn a_retry_lets_others_pass_and_outlives_a_restart() {
    let world = World::new(policy(PolicyAction::Retry, None, attempts(2)));
    world.flaky.fail("b", 2);
    world.flaky.fail("d", 9);
    world.send(&[("1", "a"), ("1", "b"), ("1", "c"), ("1", "d")]);
    let mut query = world.start();
    query.settle().unwrap();
    assert_eq!(world.output(), ["a", "c"]);
    let waiting = query.handle.statistics.policy.waiting()[&0];
    assert_eq!((waiting.records, waiting.locked_groups), (2, 0));
    query.after(999);
    assert_eq!(world.output(), ["a", "c"]);
    drop(query);
    // In the middle of the delay another server takes over.
    let mut query = world.start();
    query.settle().unwrap();
    assert_eq!(world.flaky.tried.lock().unwrap().len(), 4, "tried too early");
    query.after(1);
    assert_eq!(world.output(), ["a", "c"]);
    query.after(1000);
    assert_eq!(world.output(), ["a", "c", "b"]);
    let retries: Vec<String> = world.read("o-retry").iter().map(|seen| seen.header("calzone.retry.attempts")).collect();
    assert_eq!(retries, ["1", "1", "2", "2"]);
    let dead = world.read("o-dead-letter");
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].header("calzone.errors.attempts"), dead[0].timestamp), ("3".to_owned(), 3));
    assert_eq!(query.handle.statistics.policy.waiting()[&0].records, 0);
    // It came as a record of its own time.
    assert_eq!(world.read("o").last().unwrap().timestamp, 1);
}

#[test]
fn records_of_a_locked_key_keep_their_order_and_others_flow_on() {
    // In batches of any size, and with a restart after each settling.
    for batch in [1, 3, 4096] {
        for restarts in [false, true] {
            let world = World::new(policy(PolicyAction::RetryInOrder, None, attempts(9)));
            world.flaky.fail("a2", 3);
            world.flaky.fail("a4", 1);
            let rows: Vec<(&str, String)> =
                (1..=6).flat_map(|i| [("A", format!("a{i}")), ("B", format!("b{i}")), ("-", format!("n{i}"))]).collect();
            let mut query = Some(world.start());
            for rows in rows.chunks(batch) {
                let rows: Vec<(&str, &str)> = rows.iter().map(|(key, value)| (*key, value.as_str())).collect();
                world.send(&rows);
                query.as_mut().unwrap().settle().unwrap();
            }
            let of = |output: &[String], key: char| output.iter().filter(|v| v.starts_with(key)).cloned().collect::<Vec<_>>();
            let output = world.output();
            assert_eq!(of(&output, 'a'), ["a1"]);
            assert_eq!((of(&output, 'b').len(), of(&output, 'n').len()), (6, 6));
            let locks = query.as_ref().unwrap().handle.locks(10).unwrap();
            assert_eq!((locks.len(), &*locks[0].group, locks[0].count), (1, &b"A"[..], 5));
            assert_eq!(locks[0].head.as_ref().map(|head| (head.offset, head.attempts)), Some((3, 1)));
            for _ in 0..6 {
                if restarts {
                    drop(query.take());
                    query = Some(world.start());
                }
                query.as_mut().unwrap().after(1000);
            }
            assert_eq!(of(&world.output(), 'a'), ["a1", "a2", "a3", "a4", "a5", "a6"], "batches of {batch}");
            assert_eq!(world.output().len(), 18, "nothing twice");
            assert!(query.as_ref().unwrap().handle.locks(10).unwrap().is_empty());
            // Each record that came into the chain is announced, and taken back when it leaves.
            let redirect = world.read("o-redirect");
            let ids = |live: bool| {
                let of_kind = redirect.iter().filter(|seen| seen.value.is_some() == live);
                of_kind.map(|seen| seen.header("calzone.record.id")).collect::<Vec<_>>()
            };
            assert_eq!(ids(true), ["s-0-3", "s-0-6", "s-0-9", "s-0-12", "s-0-15"]);
            assert_eq!(ids(true), ids(false));
            assert!(redirect.iter().all(|seen| seen.key.as_deref() == Some("A")));
        }
    }
}

#[test]
fn a_crash_between_attempts_changes_nothing() {
    let world = World::new(policy(PolicyAction::RetryInOrder, None, attempts(9)));
    world.flaky.fail("a1", 2);
    world.send(&[("A", "a1"), ("A", "a2"), ("B", "b1")]);
    world.crash();
    assert_eq!((world.output().len(), world.read("o-retry").len()), (0, 0));
    world.start().settle().unwrap();
    assert_eq!(world.output(), ["b1"]);
    world.wait(1000);
    world.crash();
    world.start().settle().unwrap();
    world.start().after(1000);
    assert_eq!(world.output(), ["b1", "a1", "a2"]);
}

#[test]
fn what_waits_behind_a_dead_letter_meets_the_chosen_fate() {
    for (chain, output, dead) in [
        (ChainFate::Release, vec!["b", "a2", "a3"], vec!["0"]),
        (ChainFate::DeadLetterAll, vec!["b"], vec!["0", "1", "3"]),
        (ChainFate::Stop, vec!["b"], vec![]),
    ] {
        let settings = PolicySettings { chain, ..attempts(1) };
        let world = World::new(policy(PolicyAction::RetryInOrder, None, settings));
        world.flaky.fail("a1", 9);
        world.send(&[("A", "a1"), ("A", "a2"), ("B", "b"), ("A", "a3")]);
        let mut query = world.start();
        query.settle().unwrap();
        world.wait(1000);
        let settled = query.settle();
        assert_eq!(settled.is_err(), chain == ChainFate::Stop, "{chain:?}: {settled:?}");
        assert_eq!(world.output(), output, "{chain:?}");
        let dead_letters = world.read("o-dead-letter");
        assert_eq!(dead_letters.iter().map(|d| d.header("calzone.errors.offset")).collect::<Vec<_>>(), dead, "{chain:?}");
        drop(query);
        // The group is free for what comes next, unless the query has stopped.
        world.send(&[("A", "a4")]);
        let _ = world.start().settle();
        assert_eq!(world.output().last().unwrap() == "a4", chain != ChainFate::Stop, "{chain:?}");
    }
}

#[test]
fn a_released_head_becomes_a_dead_letter_and_the_rest_goes_on() {
    let world = World::new(policy(PolicyAction::RetryInOrder, None, PolicySettings { attempts: None, ..attempts(0) }));
    world.flaky.fail("a1", 1000);
    world.send(&[("A", "a1"), ("A", "a2"), ("A", "a3")]);
    let mut query = world.start();
    query.settle().unwrap();
    assert_eq!(query.handle.release(Some(b"X")).unwrap(), 0);
    assert_eq!(query.handle.release(Some(b"A")).unwrap(), 1);
    query.settle().unwrap();
    assert_eq!(world.output(), ["a2", "a3"]);
    assert_eq!(world.read("o-dead-letter")[0].header("calzone.errors.message"), "a1 is not ready");
}

#[test]
fn a_record_that_the_log_refuses_is_found_and_the_others_are_kept() {
    // Together more than the embedded log takes as one record.
    let pad = "LPAD(v, CASE WHEN v = 'big' THEN 4000000 ELSE 2 END, ' ')";
    let pad = format!("CONCAT({pad}, {pad}, {pad})");
    let query = format!("CREATE STREAM o AS SELECT k, v, {pad} AS a, {pad} AS b, {pad} AS c FROM s EMIT CHANGES;");
    let world = World::of(&query, policy(PolicyAction::DeadLetter, None, PolicySettings::default()));
    let values: Vec<String> = (0..40).map(|i| if i == 13 || i == 14 { "big".into() } else { format!("{i:02}") }).collect();
    world.send(&values.iter().map(|value| ("k", value.as_str())).collect::<Vec<_>>());
    let mut query = world.start();
    for _ in 0..4 {
        query.settle().unwrap();
    }
    let kept: Vec<String> = values.iter().filter(|value| *value != "big").cloned().collect();
    assert_eq!(world.output(), kept);
    let dead = world.read("o-dead-letter");
    assert_eq!(dead.iter().map(|d| d.header("calzone.errors.offset")).collect::<Vec<_>>(), ["13", "14"]);
    let causes: Vec<_> = dead.iter().map(|d| (d.header("calzone.errors.class"), d.header("calzone.errors.message"))).collect();
    assert!(causes.iter().all(|(class, _)| *class == "production"), "{causes:?}");
}

#[test]
fn a_row_that_cannot_be_written_takes_only_its_record_with_it() {
    let query = "CREATE STREAM o WITH (VALUE_FORMAT='DELIMITED') AS SELECT k, ARRAY[FLAKY(v)][1] AS v FROM s EMIT CHANGES;";
    let world = World::of(query, policy(PolicyAction::DeadLetter, None, PolicySettings::default()));
    world.flaky.fail("b", 1);
    world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
    world.start().settle().unwrap();
    let values: Vec<_> = world.read("o").into_iter().map(|seen| seen.value.unwrap()).collect();
    assert_eq!(values, ["a", "c"]);
}
