//! An error policy that looks at what went wrong: `CREATE ERROR POLICY p USING PLUGIN 'patient' CONFIG (attempts = 3)`.

use calzone_guest::error_policy::SettingDescription;
use calzone_guest::{Decision, ErrorPolicy, Failure, Settings, plugin};

/// What a cause says if trying again may help.
const TEMPORARY: [&str; 4] = ["declined", "timeout", "unavailable", "try again"];

struct Patient {
    attempts: u32,
    wait_ms: u64,
}

impl ErrorPolicy for Patient {
    const NAME: &'static str = "patient";
    const DOC: &'static str = "Retries, in order, what looks temporary; mends values with a byte order mark; buries the rest.";
    const SETTINGS: &'static [SettingDescription] = &[
        SettingDescription { key: "attempts", doc: "how often a record is tried again", default: Some("5") },
        SettingDescription { key: "wait_ms", doc: "how long it waits before the first of them", default: Some("1000") },
    ];

    fn open(settings: &Settings) -> Result<Patient, String> {
        Ok(Patient { attempts: settings.parse("attempts", 5)?, wait_ms: settings.parse("wait_ms", 1000)? })
    }

    fn decide(&mut self, failure: &Failure) -> Decision {
        if failure.class == "deserialization"
            && let Some(mended) = failure.value.as_deref().and_then(|v| v.strip_prefix(b"\xef\xbb\xbf"))
        {
            return Decision::Replace {
                key: failure.key.clone(),
                value: Some(mended.to_vec()),
                headers: failure.headers.clone(),
            };
        }
        let temporary = TEMPORARY.iter().any(|word| failure.cause.contains(word));
        if temporary && failure.retriable && failure.attempt <= self.attempts {
            return Decision::RetryInOrder { after_ms: self.wait_ms << (failure.attempt - 1).min(16) };
        }
        Decision::DeadLetter
    }
}

plugin!(error_policies: [Patient]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let mut policy = Patient::open(&Settings::new([("attempts".to_owned(), "2".to_owned())])).unwrap();
        let mut failure = Failure {
            class: "plugin".to_owned(),
            cause: "card declined".to_owned(),
            attempt: 2,
            retriable: true,
            ..Failure::default()
        };
        assert_eq!(policy.decide(&failure), Decision::RetryInOrder { after_ms: 2000 });
        failure.attempt = 3;
        assert_eq!(policy.decide(&failure), Decision::DeadLetter);
        failure = Failure { class: "deserialization".to_owned(), value: Some(b"\xef\xbb\xbf{}".to_vec()), ..Failure::default() };
        assert!(matches!(policy.decide(&failure), Decision::Replace { value: Some(value), .. } if value == b"{}"));
    }
}
