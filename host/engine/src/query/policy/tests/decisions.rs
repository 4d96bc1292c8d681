//! What policies say beyond the patterns: other groups, other records in their place, classes that SQL expects, topics that
//! are not there; and that batches make no difference.

use std::collections::BTreeMap;

use calzone_log::TopicSpec;
use calzone_plan::error_policy::{HeaderStyle, PolicyAction, PolicySettings};

use super::world::{World, policy};

const QUERY: &str = "CREATE STREAM o WITH (KAFKA_TOPIC='o', VALUE_FORMAT='JSON', ERROR_POLICY='p') AS \
                     SELECT k, FLAKY(v) AS v FROM s EMIT CHANGES;";
const BACKOFF: &str = "BACKOFF='FIXED', BACKOFF_INITIAL_MS=1000";

/// Offset of each dead letter, with what a header says.
fn dead(world: &World, header: &str) -> Vec<(String, String)> {
    world.read("o-dead-letter").iter().map(|seen| (seen.header("calzone.errors.offset"), seen.header(header))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(offset, text)| ((*offset).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn records_wait_for_others_of_the_same_lock_by() {
    let policy = format!("CREATE ERROR POLICY p AS RETRY IN ORDER LOCK BY SUBSTRING(v, 1, 1) WITH (ATTEMPTS=9, {BACKOFF});");
    let world = World::by_statements(&policy, QUERY);
    world.flaky.fail("a1", 1);
    world.flaky.fail("b2", 2);
    world.send(&[("1", "a1"), ("2", "a2"), ("1", "b1"), ("-", "a3"), ("2", "b2"), ("1", "c1"), ("3", "b3")]);
    let mut query = world.start();
    query.settle().unwrap();
    assert_eq!(world.output(), ["b1", "c1"]);
    let locks = query.handle.locks(10).unwrap();
    assert_eq!(locks.iter().map(|lock| (&*lock.group, lock.count)).collect::<Vec<_>>(), [(&b"a"[..], 3), (&b"b"[..], 2)]);
    drop(query);
    let mut query = world.start();
    query.after(1000);
    assert_eq!(world.output(), ["b1", "c1", "a1", "a2", "a3"]);
    query.after(1000);
    assert_eq!(world.output()[5..], ["b2", "b3"]);
    assert!(query.handle.locks(10).unwrap().is_empty());
}

#[test]
fn a_plugin_puts_another_record_in_the_place_of_the_one_that_failed() {
    let world = World::by_statements("CREATE ERROR POLICY p USING PLUGIN 'x' POLICY 'mend';", QUERY);
    world.flaky.fail("b", 1);
    world.flaky.fail("d", 1);
    world.flaky.fail("d+", 1);
    for times in 0..9 {
        world.flaky.fail(&format!("e{}", "+".repeat(times)), 1);
    }
    world.send(&[("1", "a"), ("1", "b"), ("1", "c"), ("2", "d"), ("3", "e"), ("2", "f"), ("3", "g")]);
    let mut query = world.start();
    query.settle().unwrap();
    let by_key = |key: &str| {
        let of_key = |seen: &super::world::Seen| seen.key.as_deref() == Some(key);
        world.read("o").into_iter().filter(of_key).map(|seen| (seen.value.unwrap(), seen.timestamp)).collect::<Vec<_>>()
    };
    let row = |value: &str, timestamp: i64| (format!("{{\"V\":\"{value}\"}}"), timestamp);
    // It stands where the other stood: before those of its key that came later, and with the time of the other.
    assert_eq!(by_key("1"), [row("a", 0), row("b+", 1), row("c", 2)]);
    assert_eq!(by_key("2"), [row("d++", 3), row("f", 5)]);
    assert_eq!(by_key("3"), [row("g", 6)]);
    // Nobody mends for ever; then the record is buried that the topic holds.
    let dead = world.read("o-dead-letter");
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((dead[0].value.as_deref(), &dead[0].headers[0]), (Some("{\"V\":\"e\"}"), &("mine".into(), Some(vec![1, 2]))));
    assert_eq!(dead[0].header("calzone.errors.message"), "e+++ is not ready");
}

#[test]
fn late_records_are_decided_about_where_a_policy_names_them() {
    let query = "CREATE TABLE o WITH (KAFKA_TOPIC='o', ERROR_POLICY='p') AS SELECT k, COUNT(*) AS c, LATEST_BY_OFFSET(v) AS v \
                 FROM s WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 0 MILLISECONDS) GROUP BY k EMIT CHANGES;";
    for (classes, buried) in [("", vec![]), (" WITH (CLASSES='late')", pairs(&[("1", "late"), ("2", "late")]))] {
        let world = World::by_statements(&format!("CREATE ERROR POLICY p AS DEAD LETTER{classes};"), query);
        world.send_bytes("k", b"{\"V\":\"now\"}");
        world.send(&[("k", "late"), ("k", "later")]);
        world.send_bytes("k", b"{\"V\":\"then\"}");
        world.start().settle().unwrap();
        assert_eq!(world.output().last().unwrap(), "then", "{classes}");
        if buried.is_empty() {
            assert!(world.read("o-dead-letter").is_empty());
        } else {
            assert_eq!(dead(&world, "calzone.errors.class"), buried);
        }
    }
}

#[test]
fn the_topic_of_a_dead_letter_may_be_impossible() {
    let world = World::by_statements("CREATE ERROR POLICY p USING PLUGIN 'x' POLICY 'no/such topic';", QUERY);
    world.flaky.fail("b", 1);
    world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
    world.start().settle().unwrap();
    assert_eq!(world.output(), ["a", "c"]);
    assert_eq!(dead(&world, "calzone.errors.message"), pairs(&[("1", "b is not ready; as the plugin wants it")]));
}

#[test]
fn records_for_a_topic_that_is_gone_are_decided_about() {
    let world = World::by_statements("CREATE ERROR POLICY p AS DEAD LETTER;", QUERY);
    world.log.delete_topic("o").unwrap();
    world.flaky.fail("b", 1000);
    world.send(&[("1", "a"), ("2", "b"), ("3", "c")]);
    let mut query = world.start();
    query.settle().unwrap();
    assert_eq!(dead(&world, "calzone.errors.class"), pairs(&[("0", "production"), ("1", "expression"), ("2", "production")]));
    world.log.create_topic(&TopicSpec { name: "o".into(), partitions: 1, ..TopicSpec::default() }).unwrap();
    world.send(&[("1", "d")]);
    query.settle().unwrap();
    assert_eq!(world.output(), ["d"]);
    // However often everything was undone to find out, each failure is reported once.
    let reported = world.reported();
    assert_eq!(reported.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1, 2], "{reported:?}");
    assert_eq!(reported[1].1, "b is not ready");
}

#[test]
fn a_batch_gives_what_its_records_give_one_by_one() {
    const RECORDS: usize = 4096;
    let value = |i: usize| format!("v{i}");
    // No two of those that fail have the same key: one that is tried while another one fails counts as tried here.
    let key = |i: usize| format!("k{}", i % 47);
    let run = |action: &str, batch: usize| {
        let policy = format!("CREATE ERROR POLICY p AS {action} WITH (ATTEMPTS=2, {BACKOFF});");
        let world =
            World::by_statements(if action == "DEAD LETTER" { "CREATE ERROR POLICY p AS DEAD LETTER;" } else { &policy }, QUERY);
        // One in many fails: once, twice, or more often than it is tried.
        (0..RECORDS).step_by(97).for_each(|i| world.flaky.fail(&value(i), 1 + (i as u32 / 97) % 4));
        let rows: Vec<(String, String)> = (0..RECORDS).map(|i| (key(i), value(i))).collect();
        let mut query = world.start();
        for rows in rows.chunks(batch) {
            world.send(&rows.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>());
            query.steps(1);
        }
        query.settle().unwrap();
        for _ in 0..120 {
            query.after(1000);
            if query.handle.statistics.policy.waiting().values().all(|waiting| waiting.records == 0) {
                break;
            }
        }
        let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for seen in world.read("o") {
            by_key.entry(seen.key.unwrap()).or_default().push(seen.value.unwrap());
        }
        if action == "RETRY" {
            // They come when they are due.
            by_key.values_mut().for_each(|values| values.sort());
        }
        let mut buried: Vec<String> =
            world.read("o-dead-letter").iter().map(|seen| seen.header("calzone.errors.offset")).collect();
        buried.sort();
        (by_key, buried)
    };
    for action in ["DEAD LETTER", "RETRY", "RETRY IN ORDER"] {
        let (together, one_by_one) = (run(action, RECORDS), run(action, 1));
        assert_eq!(together.0.values().map(Vec::len).sum::<usize>() + together.1.len(), RECORDS, "{action}");
        assert!(!together.1.is_empty(), "{action}");
        assert!(together == one_by_one, "{action}: {:?}", together.0.iter().zip(&one_by_one.0).find(|(a, b)| a != b));
    }
}

#[test]
fn dead_letters_have_the_headers_that_each_tool_reads() {
    let connect = "topic partition offset connector.name task.id stage class.name exception.class.name exception.message \
                   exception.stacktrace";
    let spring = "original-topic original-partition original-offset original-timestamp original-timestamp-type \
                  original-consumer-group exception-fqcn exception-cause-fqcn exception-message exception-stacktrace";
    for (style, prefix, names) in [
        (HeaderStyle::Connect, "__connect.errors.", connect),
        (HeaderStyle::Streams, "__streams.errors.", "exception stacktrace message topic partition offset"),
        (HeaderStyle::Spring, "kafka_dlt-", spring),
        (HeaderStyle::SmallRye, "dead-letter-", "exception-class-name reason cause topic partition offset"),
    ] {
        let world = World::new(policy(
            PolicyAction::DeadLetter,
            None,
            PolicySettings { header_style: style, ..PolicySettings::default() },
        ));
        world.flaky.fail("a", 1);
        world.send(&[("1", "a")]);
        world.start().settle().unwrap();
        let dead = world.read("o-dead-letter");
        let found: Vec<&str> = dead[0].headers.iter().filter_map(|(name, _)| name.strip_prefix(prefix)).collect();
        assert_eq!(found, names.split_whitespace().collect::<Vec<_>>(), "{style:?}");
    }
}
