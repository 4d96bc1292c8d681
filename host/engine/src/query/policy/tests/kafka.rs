//! The patterns on a real Kafka cluster, where locks and delays come back from changelogs.

use calzone_log::Guarantee;
use calzone_plan::error_policy::{Backoff, PolicyAction, PolicySettings};

use super::world::{World, policy};

#[test]
fn locks_and_delays_come_back_from_kafka() {
    let servers = std::env::var("CALZONE_TEST_KAFKA")
        .expect("this test needs a Kafka cluster: set CALZONE_TEST_KAFKA to its bootstrap servers (make test does)");
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let backoff = Backoff { initial_ms: 1000, factor: 1.0, max_ms: 1000, jitter: 0.0 };
        let settings = PolicySettings { attempts: Some(2), backoff, ..PolicySettings::default() };
        let mut world = World::on_kafka(&servers, guarantee, policy(PolicyAction::RetryInOrder, None, settings));
        world.flaky.fail("a1", 2);
        world.flaky.fail("c1", 9);
        world.send(&[("A", "a1"), ("A", "a2"), ("B", "b1"), ("C", "c1"), ("C", "c2")]);
        let mut query = world.start();
        query.until("the others flow on", || world.output() == ["b1"]);
        query.until("both keys are locked", || world.locks().len() == 2);
        drop(query);
        // Another server takes over, which has nothing of the query.
        world.wipe(&servers);
        let mut query = world.start();
        query.until("the locks are back", || world.locks().len() == 2);
        world.send(&[("A", "a3")]);
        query.until("a later record waits behind", || world.read("o-redirect").len() == 5);
        assert_eq!(world.output(), ["b1"]);
        for _ in 0..2 {
            world.wait(1000);
            let tried = world.flaky.tried.lock().unwrap().iter().filter(|value| *value == "a1").count();
            query.until("it is tried again", || {
                world.flaky.tried.lock().unwrap().iter().filter(|value| *value == "a1").count() > tried
            });
        }
        query.until("all is done", || world.output().len() == 5);
        let output = world.output();
        let of = |key: char| output.iter().filter(|value| value.starts_with(key)).cloned().collect::<Vec<_>>();
        assert_eq!((of('a'), of('c')), (vec!["a1".into(), "a2".into(), "a3".into()], vec!["c2".into()]));
        let dead = world.read("o-dead-letter");
        assert_eq!(dead.len(), 1, "{dead:?}");
        assert_eq!(dead[0].header("calzone.errors.attempts"), "3");
        query.until("nothing is locked", || world.locks().len() == 0);
    }
}
