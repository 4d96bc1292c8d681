use super::*;

fn policy(first: PolicyAction, then: Option<PolicyAction>, settings: PolicySettings) -> ActionsPolicy {
    let decider = Decider::Actions { first, then };
    let policy = ErrorPolicy { name: "P".into(), decider, settings, lock_by: None, statement: "".into() };
    ActionsPolicy::new(&policy).expect("it is no plugin's")
}

fn failure(offset: i64, attempt: u32) -> Failure<'static> {
    Failure {
        class: ErrorClass::Plugin,
        step: "Stage S",
        cause: "down",
        attempt,
        retriable: true,
        topic: "t",
        partition: 0,
        offset,
        timestamp: 0,
        key: None,
        value: None,
        headers: &[],
    }
}

#[test]
fn retries_grow_to_a_limit_and_end_in_what_follows() {
    let settings = PolicySettings {
        attempts: Some(4),
        backoff: Backoff { initial_ms: 100, factor: 3.0, max_ms: 1000, jitter: 0.0 },
        ..PolicySettings::default()
    };
    let mut skips = policy(PolicyAction::Retry, Some(PolicyAction::Skip), settings.clone());
    let failures: Vec<_> = (1..=5).map(|attempt| failure(7, attempt)).collect();
    let retry = |after_ms| Decision::Retry { after_ms };
    assert_eq!(skips.decide(&failures), [retry(100), retry(300), retry(900), retry(1000), Decision::Skip]);
    let mut buries = policy(PolicyAction::RetryInOrder, None, settings);
    assert_eq!(buries.decide(&failures[4..]), [Decision::DEAD_LETTER]);
    let too_late = Failure { retriable: false, ..failure(7, 1) };
    assert_eq!(buries.decide(&[too_late]), [Decision::DEAD_LETTER]);
}

#[test]
fn jitter_is_spread_and_repeatable() {
    let backoff = Backoff { initial_ms: 1000, factor: 1.0, max_ms: 1000, jitter: 0.5 };
    let waits: Vec<i64> = (0..200).map(|offset| wait_ms(&backoff, &failure(offset, 1))).collect();
    assert_eq!(waits, (0..200).map(|offset| wait_ms(&backoff, &failure(offset, 1))).collect::<Vec<_>>());
    assert!(waits.iter().all(|wait| (500..=1000).contains(wait)), "{waits:?}");
    let low = waits.iter().filter(|wait| **wait < 750).count();
    assert!((60..140).contains(&low), "{low} of 200 in the lower half");
}

#[test]
fn forever_is_forever() {
    let settings = PolicySettings { attempts: None, ..PolicySettings::default() };
    let mut policy = policy(PolicyAction::Retry, None, settings);
    assert_eq!(policy.decide(&[failure(0, u32::MAX)]), [Decision::Retry { after_ms: 60_000 }]);
}
