//! `calzone plugin new NAME`: a crate that builds, passes its tests and does something.

use std::fs;
use std::path::Path;

use super::sdk;
use crate::arguments::PluginKind;

const FUNCTION: &str = r#"//! SQL functions.

use calzone_guest::{function, plugin};

/// Replaces letters by `x`.
#[function("mask(varchar) -> varchar")]
fn mask(s: &str) -> String {
    s.chars().map(|c| if c.is_alphabetic() { 'x' } else { c }).collect()
}

plugin!(functions: [mask]);

#[cfg(test)]
mod tests {
    #[test]
    fn digits_stay() {
        assert_eq!(super::mask("Ada 1"), "xxx 1");
    }
}
"#;

const TABLE_FUNCTION: &str = r#"//! Table functions: any number of rows out for a row in.

use calzone_guest::{plugin, table_function};

/// The words of a text, each in a row of its own.
#[table_function("explode_words(text varchar) -> varchar")]
fn explode_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

plugin!(table_functions: [explode_words]);

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_rows() {
        assert_eq!(super::explode_words("to be"), ["to", "be"]);
        assert!(super::explode_words(" ").is_empty());
    }
}
"#;

const AGGREGATE: &str = r#"//! Aggregate functions: one value for a group.

use calzone_guest::{aggregate, plugin};

#[derive(Default)]
struct ValueRange;

/// The range of a column: its largest value minus its smallest.
#[aggregate("value_range(value bigint) -> bigint")]
impl ValueRange {
    /// The state of a group without rows: smallest and largest value.
    fn initial(&self) -> Option<(i64, i64)> {
        None
    }

    /// Takes a row in.
    fn accumulate(&self, range: &mut Option<(i64, i64)>, value: i64) {
        let (low, high) = range.unwrap_or((value, value));
        *range = Some((low.min(value), high.max(value)));
    }

    /// Joins two groups, as sessions do. With a `retract` besides, tables could be aggregated too.
    fn merge(&self, older: Option<(i64, i64)>, newer: Option<(i64, i64)>) -> Option<(i64, i64)> {
        match (older, newer) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        }
    }

    /// What queries see.
    fn result(&self, range: &Option<(i64, i64)>) -> Option<i64> {
        range.map(|(low, high)| high.saturating_sub(low))
    }
}

plugin!(aggregates: [ValueRange]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let range = ValueRange;
        let mut state = range.initial();
        assert_eq!(range.result(&state), None);
        for value in [3, -1, 2] {
            range.accumulate(&mut state, value);
        }
        assert_eq!(range.result(&state), Some(4));
        assert_eq!(range.merge(state, Some((5, 9))), Some((-1, 9)));
    }
}
"#;

const STAGE: &str = r#"//! A stage of a pipeline.

use calzone_guest::{Random, plugin, stage};

const SIZES: [&str; 3] = ["small", "medium", "large"];

/// Adds SIZE: small, medium or large.
#[stage("size VARCHAR")]
fn size(random: &mut Random) -> &'static str {
    random.pick(&SIZES)
}

plugin!(stages: [size]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_picked() {
        let mut random = Random::from_seed(1);
        let picked: std::collections::HashSet<_> = (0..200).map(|_| super::size(&mut random)).collect();
        assert_eq!(picked.len(), SIZES.len());
    }
}
"#;

const ERROR_POLICY: &str = r#"//! An error policy: what becomes of records that fail.

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
"#;

const ENDPOINT: &str = r#"//! Answers HTTP requests.

use calzone_guest::endpoint::{Json, Problem, Request, insert, json, select};
use calzone_guest::{endpoint, plugin};

/// Notes a visit: a JSON object with the field `name`.
#[endpoint("POST /visits")]
fn visit(request: &Request) -> Result<(u16, Json), Problem> {
    let row = row_of(&request.json()?)?;
    insert("visits", &[row])?;
    Ok((201, json!({ "noted": true })))
}

/// How often someone has visited.
#[endpoint("GET /visits/{name}")]
fn visits(name: &str) -> Result<Json, Problem> {
    let rows = select("SELECT name AS `name`, n AS `visits` FROM visitors WHERE name = ?", &[&name])?;
    rows.into_iter().next().ok_or_else(|| Problem::not_found(format!("{name} was never here")))
}

/// The row for the stream VISITS.
fn row_of(visit: &Json) -> Result<Json, Problem> {
    let name = visit["name"].as_str().ok_or_else(|| Problem::bad_request("the field `name` must be a text"))?;
    Ok(json!({ "name": name }))
}

plugin!(endpoint: [visit, visits]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_has_a_name() {
        assert_eq!(row_of(&json!({ "name": "Ada", "x": 1 })), Ok(json!({ "name": "Ada" })));
        assert_eq!(row_of(&json!({})).unwrap_err().status, 400);
    }
}
"#;

/// Writes the folder NAME.
pub fn new(name: &str, kind: PluginKind) -> Result<(), String> {
    check_name(name)?;
    let folder = Path::new(name);
    if folder.exists() {
        return Err(format!("{name} is there already"));
    }
    let sdk = sdk::place()?;
    let manifest = format!(
        "[package]
name = \"{name}\"
version = \"0.1.0\"
edition = \"2024\"

[lib]
crate-type = [\"cdylib\", \"rlib\"]

[dependencies]
calzone-guest = {{ path = {:?}{} }}

[profile.release]
opt-level = 3
lto = true
codegen-units = 1
panic = \"abort\"
strip = true

[workspace]
",
        sdk.display().to_string(),
        if kind == PluginKind::Endpoint { ", features = [\"endpoint\"]" } else { "" },
    );
    let code = match kind {
        PluginKind::Function => FUNCTION,
        PluginKind::TableFunction => TABLE_FUNCTION,
        PluginKind::Aggregate => AGGREGATE,
        PluginKind::Stage => STAGE,
        PluginKind::Endpoint => ENDPOINT,
        PluginKind::ErrorPolicy => ERROR_POLICY,
    };
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/lib.rs"), code)?;
        fs::write(folder.join(".gitignore"), "/target\n")
    };
    write().map_err(|e| format!("cannot write {name}: {e}"))?;
    let used = match kind {
        PluginKind::Function => format!("CREATE FUNCTION mask USING PLUGIN '{name}';"),
        PluginKind::TableFunction => format!("CREATE FUNCTION explode_words USING PLUGIN '{name}';"),
        PluginKind::Aggregate => format!("CREATE FUNCTION value_range USING PLUGIN '{name}';"),
        PluginKind::ErrorPolicy => format!("CREATE ERROR POLICY patient USING PLUGIN '{name}';"),
        PluginKind::Endpoint => format!(
            "CREATE STREAM visits (name VARCHAR) WITH (KAFKA_TOPIC='visits', PARTITIONS=1, VALUE_FORMAT='JSON');
  CREATE TABLE visitors AS SELECT name, COUNT(*) AS n FROM visits GROUP BY name EMIT CHANGES;
  CREATE ENDPOINT {} ON '/{name}' USING PLUGIN '{name}' GRANT (INSERT ON STREAM visits, QUERY ON TABLE visitors);
and then: curl localhost:8088/endpoints/{name}/visits -d '{{\"name\":\"Ada\"}}'; curl localhost:8088/endpoints/{name}/visits/Ada",
            calzone_sql::quote_name(&name.to_uppercase())
        ),
        PluginKind::Stage => format!("CREATE STAGE my_stage FROM a_stream INTO with_size USING PLUGIN '{name}' GRANT (RANDOM);"),
    };
    println!(
        "{name}/ is there. Next:\n  cd {name}\n  calzone plugin test\n  calzone plugin build\n  calzone plugin push {name}\nand then, in SQL:\n  {used}"
    );
    Ok(())
}

/// The name becomes that of a crate, of a file and of the plugin.
fn check_name(name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    if good {
        Ok(())
    } else {
        Err(format!("'{name}' cannot be the name: use at most 64 small letters, digits, '-' and '_', beginning with a letter"))
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_of_crates() {
        for (name, good) in
            [("mask", true), ("mask-2", true), ("a_b", true), ("", false), ("2a", false), ("A", false), ("a/b", false)]
        {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
    }
}
