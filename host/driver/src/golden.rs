//! Tests of one's own: a folder of scripts, each with the records that go in and those that must come out.
//!
//! `NAME.sql` holds the statements. `NAME.in.jsonl` holds the records that are written after them, one JSON object a line:
//! `{"topic": "clicks", "key": "alice", "value": {"PAGE": "/"}, "timestamp": 1000}`; `key`, `value`, `timestamp`,
//! `headers` and `window` may be absent. `NAME.out.jsonl` holds what every query has written, topic after topic in the
//! order of the statements, then what the processing log says of records that were skipped. A script that must be refused has `NAME.error` with the message instead.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;
use serde_json::json;

use crate::actual::Numbers;
use crate::case::RecordSpec;
use crate::driver::{Driver, DriverError, Executed, Session};
use crate::expected::show;
use crate::plugins::Plugins;
use crate::qtt;

/// Every test is run with its records one by one, in small batches, and all together.
pub const BATCH_SIZES: [usize; 3] = [1, 7, 4096];

/// Runs every test of a folder; true if all pass. `bless` writes what came out as what is expected.
pub fn run_folder(
    folder: &Path,
    id: Option<&Regex>,
    sizes: &[usize],
    bless: bool,
    plugins: &Arc<Plugins>,
) -> Result<bool, String> {
    let mut scripts = Vec::new();
    collect(folder, &mut scripts)?;
    scripts.sort();
    let (mut passed, mut failed) = (0, 0);
    for script in &scripts {
        let name = script.strip_prefix(folder).unwrap_or(script).with_extension("").display().to_string();
        if id.is_some_and(|id| !id.is_match(&name)) {
            continue;
        }
        match check(script, sizes, bless, plugins)? {
            Ok(()) => passed += 1,
            Err(difference) => {
                failed += 1;
                println!("--- {name}\n{difference}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() {
            collect(&path, scripts)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            scripts.push(path);
        }
    }
    Ok(())
}

/// Runs one script at every batch size. The inner error is the difference, ready to be read.
fn check(script: &Path, sizes: &[usize], bless: bool, plugins: &Arc<Plugins>) -> Result<Result<(), String>, String> {
    let sql = read(script)?;
    let inputs = match script.with_extension("in.jsonl") {
        path if path.exists() => read_inputs(&path)?,
        _ => Vec::new(),
    };
    for (turn, size) in sizes.iter().enumerate() {
        let (text, extension) = match run_script(&sql, &inputs, *size, plugins) {
            Ok(lines) => (lines, "out.jsonl"),
            Err(error) => (format!("{}\n", error.message.trim_end()), "error"),
        };
        let path = script.with_extension(extension);
        if bless && turn == 0 {
            fs::write(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
            continue;
        }
        if !path.exists() {
            return Ok(Err(format!("there is no {}; this came out (batches of {size}):\n{text}", path.display())));
        }
        let expected = read(&path)?;
        if expected != text {
            return Ok(Err(format!("batches of {size}: - was expected, + came out\n{}", difference(&expected, &text))));
        }
    }
    Ok(Ok(()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_inputs(path: &Path) -> Result<Vec<RecordSpec>, String> {
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", path.display(), number + 1)))
        .collect()
}

/// Executes a script, sends the inputs through its queries, and shows what they wrote.
fn run_script(sql: &str, inputs: &[RecordSpec], batch_size: usize, plugins: &Arc<Plugins>) -> Result<String, DriverError> {
    let mut driver = Driver::new(plugins.clone(), qtt::server_properties(), batch_size);
    let mut session = Session::default();
    for parsed in driver.parse(sql, &session)? {
        if let Executed::Insert(inserted) = driver.execute(&parsed, &mut session)? {
            driver.topics.append(&inserted.source.topic, inserted.record);
        }
    }
    let records = qtt::input_records(&driver, inputs).map_err(DriverError::run)?;
    qtt::run_queries(&mut driver, &records)?;
    let mut shown = String::new();
    let mut seen = BTreeSet::new();
    let sinks: Vec<_> = driver.queries().iter().filter_map(|query| query.sink.clone()).collect();
    for sink in sinks {
        if !seen.insert(sink.topic.clone()) {
            continue;
        }
        for record in driver.topics.records(&sink.topic) {
            let record = show(record, &sink, Numbers::Exact).map_err(DriverError::run)?;
            let mut line = json!({ "topic": &*sink.topic });
            if let (Some(line), Some(fields)) = (line.as_object_mut(), record.to_json().as_object()) {
                line.extend(fields.clone());
            }
            shown += &format!("{line}\n");
        }
    }
    for error in &driver.skipped {
        let place = format!("{} at {}", error.step, error.offset);
        shown += &format!("{}\n", json!({ "log": error.class.as_str(), "place": place, "message": error.message }));
    }
    Ok(shown)
}

/// Lines of both texts: common ones once, the others marked.
fn difference(expected: &str, actual: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    // Longest common subsequence; the texts are short.
    let mut length = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            length[i][j] = if old[i] == new[j] { length[i + 1][j + 1] + 1 } else { length[i + 1][j].max(length[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            text += &format!("  {}\n", old[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && length[i + 1][j] >= length[i][j + 1]) {
            text += &format!("- {}\n", old[i]);
            i += 1;
        } else {
            text += &format!("+ {}\n", new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_common_lines_once() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "  a\n- b\n+ x\n  c\n");
        assert_eq!(difference("", "a\n"), "+ a\n");
    }
}
