//! The command `test-runner`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use crate::case::Case;
use crate::outcome::Status;
use crate::plugins::Plugins;
use crate::run::{RunOptions, run_all};
use crate::{golden, report};

/// How the command is used.
const USAGE: &str = "\
Usage: calzone test-runner --suite FILE.jsonl [--id REGEX] [--needs TAG]… [--without TAG]… [--out RESULTS.jsonl]
       calzone test-runner --folder DIR [--id REGEX] [--bless]

  --suite FILE      cases, one JSON object a line
  --folder DIR      tests of your own: NAME.sql with NAME.in.jsonl and NAME.out.jsonl beside it
  --id REGEX        only cases whose id matches
  --needs TAG       only cases that need all of these
  --without TAG     no cases that need one of these
  --batch-size N    send up to N neighbouring records of a topic together (1)
  --jobs N          cases at a time (2)
  --timeout-ms N    a case that takes longer has failed (10000)
  --out FILE        a result a line; `-` for standard output
  --plugins DIR     components whose functions cases may call (target/plugins)
  --bless           write what came out as what is expected
";

struct Arguments {
    suite: Option<PathBuf>,
    folder: Option<PathBuf>,
    id: Option<Regex>,
    needs: Vec<String>,
    without: Vec<String>,
    out: Option<PathBuf>,
    bless: bool,
    batch_size: Option<usize>,
    jobs: usize,
    timeout_ms: u64,
}

/// Runs the command: 0 if all cases pass, 1 if one does not, 2 if the arguments make no sense.
pub fn main(args: &[String], plugins: Plugins) -> ExitCode {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match parse(args).and_then(|arguments| execute(arguments, plugins)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn parse(args: &[String]) -> Result<Arguments, String> {
    let mut parsed = Arguments {
        suite: None,
        folder: None,
        id: None,
        needs: Vec::new(),
        without: Vec::new(),
        out: None,
        bless: false,
        batch_size: None,
        jobs: 2,
        timeout_ms: 10_000,
    };
    let mut rest = args.iter();
    while let Some(flag) = rest.next() {
        if flag == "--bless" {
            parsed.bless = true;
            continue;
        }
        let value = rest.next().ok_or_else(|| format!("{flag} needs a value.\n{USAGE}"))?;
        let number = || value.parse::<usize>().map_err(|_| format!("{flag} needs a number, not '{value}'."));
        match flag.as_str() {
            "--suite" => parsed.suite = Some(value.into()),
            "--folder" => parsed.folder = Some(value.into()),
            "--id" => parsed.id = Some(Regex::new(value).map_err(|error| format!("--id: {error}"))?),
            "--needs" => parsed.needs.push(value.clone()),
            "--without" => parsed.without.push(value.clone()),
            "--out" => parsed.out = Some(value.into()),
            "--batch-size" => parsed.batch_size = Some(number()?.max(1)),
            "--jobs" => parsed.jobs = number()?.max(1),
            "--timeout-ms" => parsed.timeout_ms = number()? as u64,
            other => return Err(format!("There is no option {other}.\n{USAGE}")),
        }
    }
    match (&parsed.suite, &parsed.folder) {
        (Some(_), None) | (None, Some(_)) => Ok(parsed),
        _ => Err(format!("Name either a suite or a folder.\n{USAGE}")),
    }
}

fn execute(arguments: Arguments, plugins: Plugins) -> Result<bool, String> {
    let plugins = Arc::new(plugins);
    if let Some(folder) = &arguments.folder {
        let sizes: &[usize] = match &arguments.batch_size {
            Some(size) => std::slice::from_ref(size),
            None => &golden::BATCH_SIZES,
        };
        return golden::run_folder(folder, arguments.id.as_ref(), sizes, arguments.bless, &plugins);
    }
    let suite = arguments.suite.clone().unwrap_or_default();
    let text = std::fs::read_to_string(&suite).map_err(|error| format!("{}: {error}", suite.display()))?;
    let mut cases = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", suite.display(), number + 1))?;
        if is_wanted(&case, &arguments) {
            cases.push(case);
        }
    }
    let options = RunOptions {
        jobs: arguments.jobs,
        batch_size: arguments.batch_size.unwrap_or(1),
        timeout: Duration::from_millis(arguments.timeout_ms),
    };
    let reports = run_all(cases, &plugins, options);
    match &arguments.out {
        Some(out) if out.as_os_str() == "-" => print!("{}", report::lines(&reports)),
        Some(out) => std::fs::write(out, report::lines(&reports)).map_err(|error| format!("{}: {error}", out.display()))?,
        None => {
            for failed in reports.iter().filter(|report| report.status != Status::Pass) {
                let reason = failed.reason.as_deref().unwrap_or_default();
                eprintln!("{:?} {} [{}] {reason}", failed.status, failed.id, failed.stage.unwrap_or_default());
            }
        }
    }
    eprint!("{}", report::summary(&reports));
    Ok(reports.iter().all(|report| report.status == Status::Pass))
}

fn is_wanted(case: &Case, arguments: &Arguments) -> bool {
    arguments.id.as_ref().is_none_or(|id| id.is_match(&case.id))
        && arguments.needs.iter().all(|tag| case.needs.contains(tag))
        && !arguments.without.iter().any(|tag| case.needs.contains(tag))
}
