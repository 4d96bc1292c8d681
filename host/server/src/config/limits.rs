//! `calzone.plugin.…`: the limits of plugins.

use std::collections::BTreeMap;

use calzone_sandbox::{LIMITS, Limits};

use super::ConfigError;

/// Settings of that prefix that are no limits of a single guest; the engine reads them.
const OTHERS: [&str; 4] = ["breaker.faults", "breaker.lost.ms", "breaker.window.ms", "revisions.kept"];

/// The limits that the settings ask for.
///
/// # Errors
/// An unknown name, or a value that is not a whole number above 0.
pub fn limits(properties: &BTreeMap<String, String>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for (name, value) in properties {
        let Some(short) = name.strip_prefix("calzone.plugin.") else { continue };
        if OTHERS.contains(&short) {
            if value.trim().parse::<u64>().is_err() {
                return Err(ConfigError::new(format!("{name}={value}: give a whole number; 0 switches it off")));
            }
            continue;
        }
        if !LIMITS.iter().any(|l| l.name == short) {
            let known: Vec<&str> = LIMITS.iter().map(|l| l.name).chain(OTHERS).collect();
            let message = format!("there is no setting {name}; after `calzone.plugin.` come: {}", known.join(", "));
            return Err(ConfigError::new(message));
        }
        limits.set(name, value).map_err(ConfigError::new)?;
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name() {
        let properties = BTreeMap::from([("calzone.plugin.batch.ms".to_owned(), "7".to_owned())]);
        assert_eq!(limits(&properties).unwrap().batch_ms, 7);
        for (name, value) in [
            ("calzone.plugin.nope", "1"),
            ("calzone.plugin.batch.ms", "0"),
            ("calzone.plugin.batch.ms", "x"),
            ("calzone.plugin.stack.bytes", "999999999"),
            ("calzone.plugin.breaker.faults", "-1"),
        ] {
            assert!(limits(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_err(), "{name}={value}");
        }
        assert!(limits(&BTreeMap::from([("calzone.plugin.breaker.faults".to_owned(), "0".to_owned())])).is_ok());
    }
}
