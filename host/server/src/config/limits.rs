//! `calzone.plugin.…`: the limits of plugins.

use std::collections::BTreeMap;

use calzone_sandbox::Limits;

use super::ConfigError;

type Setter = fn(&mut Limits, u64);

/// Name after `calzone.plugin.`, and what it sets.
const SETTINGS: &[(&str, Setter)] = &[
    ("module.bytes", |l, n| l.module_bytes = n as usize),
    ("compile.cpu.seconds", |l, n| l.compile_cpu_seconds = n),
    ("compile.seconds", |l, n| l.compile_seconds = n),
    ("compile.memory.bytes", |l, n| l.compile_memory_bytes = n),
    ("compiled.bytes", |l, n| l.compiled_bytes = n),
    ("start.ms", |l, n| l.start_ms = n),
    ("batch.ms", |l, n| l.batch_ms = n),
    ("isolation.ms", |l, n| l.isolation_ms = n),
    ("memory.bytes", |l, n| l.memory_bytes = n as usize),
    ("output.bytes", |l, n| l.output_bytes = n as usize),
    ("output.rows", |l, n| l.output_rows = n as usize),
    ("output.columns", |l, n| l.output_columns = n as usize),
    ("request.ms", |l, n| l.request_ms = n),
    ("request.bytes", |l, n| l.request_bytes = n as usize),
    ("response.bytes", |l, n| l.response_bytes = n as usize),
    ("request.calls", |l, n| l.request_calls = n as u32),
    ("query.rows", |l, n| l.query_rows = n as usize),
    ("concurrent.requests", |l, n| l.concurrent_requests = n as usize),
    ("waiting.requests", |l, n| l.waiting_requests = n as usize),
    ("table.elements", |l, n| l.table_elements = n as usize),
    ("log.lines", |l, n| l.log_lines = n as u32),
];

/// The limits that the settings ask for.
///
/// # Errors
/// An unknown name, or a value that is not a whole number above 0.
pub fn limits(properties: &BTreeMap<String, String>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for (name, value) in properties {
        let Some(short) = name.strip_prefix("calzone.plugin.") else { continue };
        let Some((_, set)) = SETTINGS.iter().find(|(known, _)| *known == short) else {
            let known: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
            return Err(ConfigError::new(format!(
                "there is no setting {name}; after `calzone.plugin.` come: {}",
                known.join(", ")
            )));
        };
        match value.trim().parse::<u64>() {
            Ok(number) if number > 0 => set(&mut limits, number),
            _ => return Err(ConfigError::new(format!("{name}={value}: give a whole number above 0"))),
        }
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
        for (name, value) in [("calzone.plugin.nope", "1"), ("calzone.plugin.batch.ms", "0"), ("calzone.plugin.batch.ms", "x")] {
            assert!(limits(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_err(), "{name}={value}");
        }
    }
}
