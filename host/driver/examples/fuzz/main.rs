//! Looks for inputs that break things: `cargo run -p calzone-driver --example fuzz -- --target parser --seconds 60`.
//!
//! Inputs are made from a seed and nothing else, so `--seed S --count 1` runs one of them again. What is found is made
//! smaller and printed; each kind of failure once. The seed at work is kept in a file, for failures that end the process.

mod fuzzing;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fuzzing::{Finding, Target};

/// How the command is used.
const USAGE: &str = "\
Usage: fuzz --target NAME [--seconds N] [--count N] [--seed S]

  --target NAME   parser, json, delimited, expressions or statements
  --seconds N     how long (60)
  --count N       how many inputs at most
  --seed S        the first seed (0); the next input has the next seed
";

/// An input that takes longer is a finding too.
const SLOW: Duration = Duration::from_secs(5);

struct Arguments {
    target: Box<dyn Target>,
    seconds: u64,
    count: u64,
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = match parse(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let found = fuzzing::on_deep_stack(move || run(&arguments));
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(args: &[String]) -> Result<Arguments, String> {
    let (mut target, mut seconds, mut count, mut seed) = (None, 60, u64::MAX, 0);
    for pair in args.chunks(2) {
        let [flag, value] = pair else { return Err(format!("{} needs a value.", pair[0])) };
        let number = || value.parse::<u64>().map_err(|_| format!("{flag} needs a number, not '{value}'."));
        match flag.as_str() {
            "--target" => target = Some(fuzzing::target(value).ok_or_else(|| format!("There is no target {value}."))?),
            "--seconds" => seconds = number()?,
            "--count" => count = number()?,
            "--seed" => seed = number()?,
            other => return Err(format!("There is no option {other}.")),
        }
    }
    Ok(Arguments { target: target.ok_or("Name a target.")?, seconds, count, seed })
}

/// Runs until time or inputs are over; the number of kinds of failure.
fn run(arguments: &Arguments) -> usize {
    let target = arguments.target.as_ref();
    fuzzing::check_found(target);
    let place: PathBuf = std::env::temp_dir().join(format!("calzone-fuzz-{}.seed", target.name()));
    let at_work = File::create(&place).ok();
    let started = Instant::now();
    let (mut ran, mut accepted, mut found) = (0u64, 0u64, BTreeSet::new());
    while ran < arguments.count && started.elapsed().as_secs() < arguments.seconds {
        let seed = arguments.seed.wrapping_add(ran);
        if let Some(file) = &at_work {
            // Only read after a crash; if it cannot be written, the run is none the worse.
            let _ = file.write_all_at(format!("{seed:20}").as_bytes(), 0);
        }
        let begun = Instant::now();
        let outcome = fuzzing::run_seed(target, seed);
        if begun.elapsed() > SLOW && found.insert(format!("slow {seed}")) {
            println!("--- seed {seed} took {:?}\n{}", begun.elapsed(), fuzzing::input_of(target, seed));
        }
        match outcome {
            Ok(was_accepted) => accepted += u64::from(was_accepted),
            Err(Finding { kind, message, input }) => {
                if found.insert(kind) {
                    println!("--- seed {seed}: {message}\n{input}");
                }
            }
        }
        ran += 1;
    }
    println!(
        "{}: {ran} inputs from seed {} in {} s, {accepted} accepted, {} kinds of failure",
        target.name(),
        arguments.seed,
        started.elapsed().as_secs(),
        found.len()
    );
    found.len()
}
