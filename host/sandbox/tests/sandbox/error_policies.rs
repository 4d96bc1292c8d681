//! Error policies: what they answer, and what becomes of their own failures.

use calzone_sandbox::{Limits, PolicyDecision, PolicyFailure, SandboxError};

use crate::load;

fn failure(cause: &str) -> PolicyFailure<'_> {
    PolicyFailure {
        class: "plugin",
        step: "Stage S",
        cause,
        attempt: 1,
        retriable: true,
        topic: "t",
        partition: 0,
        offset: 7,
        timestamp: 0,
        key: Some(b"k"),
        value: None,
        headers: &[],
    }
}

#[test]
fn a_policy_looks_at_the_failure_and_its_settings() {
    let config = [("wait_ms".to_owned(), "20".to_owned()), ("attempts".to_owned(), "2".to_owned())];
    let mut policy = load("patient").instantiate_error_policy("PATIENT", &config).unwrap();
    let marked = PolicyFailure { class: "deserialization", value: Some(b"\xef\xbb\xbf{}"), ..failure("bad bytes") };
    let third = PolicyFailure { attempt: 3, ..failure("card declined") };
    let second = PolicyFailure { attempt: 2, ..third };
    let decisions = policy.decide(&[failure("card declined"), second, third, failure("no such account"), marked]);
    let buried = PolicyDecision::DeadLetter { topic: None };
    let mended = PolicyDecision::Replace { key: Some(b"k".to_vec()), value: Some(b"{}".to_vec()), headers: Vec::new() };
    let retry = |after_ms| PolicyDecision::RetryInOrder { after_ms };
    assert_eq!(decisions, [Ok(retry(20)), Ok(retry(40)), Ok(buried.clone()), Ok(buried), Ok(mended)]);
}

#[test]
fn wrong_settings_and_names_are_refused() {
    let patient = load("patient");
    let refusal = |policy: &str, value: &str| {
        let config = [("attempts".to_owned(), value.to_owned())];
        patient.instantiate_error_policy(policy, &config).err().map(|e: SandboxError| e.to_string()).unwrap_or_default()
    };
    assert!(refusal("patient", "many").contains("attempts"), "{}", refusal("patient", "many"));
    assert!(refusal("hasty", "1").contains("has no error policy hasty; it has patient"), "{}", refusal("hasty", "1"));
}

#[test]
fn a_policy_that_fails_fails_for_that_record_alone() {
    let component = load("hostile").with_limits(Limits { batch_ms: 100, ..Limits::default() });
    let mut policy = component.instantiate_error_policy("unruly", &[]).unwrap();
    let failures = ["fine", "panic", "fine", "spin", "far", "fine"].map(failure);
    let decisions = policy.decide(&failures);
    let errors: Vec<(usize, &str)> =
        decisions.iter().enumerate().filter_map(|(i, d)| Some((i, d.as_ref().err()?.as_str()))).collect();
    assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [1, 3, 4]);
    assert!(errors[0].1.contains("no record may fail"), "{errors:?}");
    assert!(errors[1].1.contains("batch_ms"), "{errors:?}");
    assert!(errors[2].1.contains("the plugin's answer is wrong"), "{errors:?}");
    assert!(decisions.iter().filter(|d| d.is_ok()).all(|d| *d == Ok(PolicyDecision::Skip)));
}
