//! An error policy: what becomes of records that fail.

use calzone_guest::{Decision, Failure, error_policy, plugin};

/// Tries again, in order, what looks temporary; the rest becomes dead letters.
#[error_policy]
fn patient(failure: &Failure) -> Decision {
    if failure.cause.contains("timeout") && failure.attempt < 5 {
        return Decision::RetryInOrder { after_ms: 1000 * u64::from(failure.attempt) };
    }
    Decision::DeadLetter
}

plugin!(error_policies: [patient]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let mut failure = Failure { cause: "timeout".to_owned(), attempt: 4, ..Failure::default() };
        assert_eq!(super::patient(&failure), Decision::RetryInOrder { after_ms: 4000 });
        failure.attempt = 5;
        assert_eq!(super::patient(&failure), Decision::DeadLetter);
    }
}
