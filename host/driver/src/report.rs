//! Results: a line a case, and a summary by category.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::outcome::{Report, Status};

/// All results as JSON lines.
pub fn lines(reports: &[Report]) -> String {
    let line = |report: &Report| serde_json::to_string(report).unwrap_or_default() + "\n";
    reports.iter().map(line).collect()
}

/// Counts by category and by kind of case.
pub fn summary(reports: &[Report]) -> String {
    let mut categories: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut kinds: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    for report in reports {
        let passed = usize::from(report.status == Status::Pass);
        let kind = if report.expects_error { "error" } else { "output" };
        for entry in [categories.entry(&report.category).or_default(), kinds.entry((&report.suite, kind)).or_default()] {
            entry.0 += passed;
            entry.1 += 1;
        }
        *statuses.entry(report.status).or_default() += 1;
    }
    let mut text = String::new();
    for (category, (passed, all)) in &categories {
        let _ = writeln!(text, "{passed:>6} of {all:>5}  {category}");
    }
    for ((suite, kind), (passed, all)) in &kinds {
        let _ = writeln!(text, "{passed:>6} of {all:>5}  {suite}, {kind} cases");
    }
    let passed = statuses.get(&Status::Pass).copied().unwrap_or(0);
    let others = statuses.iter().filter(|(status, _)| **status != Status::Pass);
    let others: String = others.map(|(status, count)| format!(", {count} {status:?}").to_lowercase()).collect();
    let _ = writeln!(text, "{passed} of {} passed{others}", reports.len());
    text
}
