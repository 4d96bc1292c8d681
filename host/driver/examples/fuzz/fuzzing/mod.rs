//! Fuzzing: inputs made from a seed, checks that must hold for each, and a simple way to make a failing one smaller.

mod corpus;
mod decoders;
mod expressions;
mod found;
mod json_text;
mod parser;
mod random;
mod sql_text;
mod statements;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::{Duration, Instant};

use random::Random;

/// An input: texts or bytes, the first of which says what the others are for.
pub type Input = Vec<Vec<u8>>;

/// Something that takes inputs.
pub trait Target: Send {
    fn name(&self) -> &'static str;
    /// An input, made of nothing but the numbers of `random`.
    fn generate(&self, random: &mut Random) -> Input;
    /// Runs an input. True if it got past the first refusal; the error says what must not be.
    fn check(&self, input: &Input) -> Result<bool, String>;
}

/// What was found, made small.
pub struct Finding {
    /// The same for findings that seem to be one.
    pub kind: String,
    pub message: String,
    pub input: String,
}

/// The target of that name.
pub fn target(name: &str) -> Option<Box<dyn Target>> {
    match name {
        "parser" => Some(Box::new(parser::Statements)),
        "json" => Some(Box::new(decoders::json())),
        "delimited" => Some(Box::new(decoders::delimited())),
        "expressions" => Some(Box::new(expressions::Expressions::new())),
        "statements" => Some(Box::new(statements::Scripts::new())),
        _ => None,
    }
}

/// Runs the input of a seed.
pub fn run_seed(target: &dyn Target, seed: u64) -> Result<bool, Finding> {
    let input = target.generate(&mut Random::new(seed));
    match guarded(target, &input) {
        Ok(accepted) => Ok(accepted),
        Err(message) => {
            let kind = kind_of(&message);
            let small = minimise(target, input, &kind);
            let message = guarded(target, &small).err().unwrap_or(message);
            Err(Finding { kind, message, input: show(&small) })
        }
    }
}

/// The input of a seed, readable.
pub fn input_of(target: &dyn Target, seed: u64) -> String {
    show(&target.generate(&mut Random::new(seed)))
}

/// Runs what was found before; a failure is a panic.
pub fn check_found(target: &dyn Target) {
    for (name, parts) in found::FOUND {
        if *name == target.name() {
            let input: Input = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
            if let Err(message) = guarded(target, &input) {
                panic!("{name}: {message}\n{}", show(&input));
            }
        }
    }
}

/// Runs on a stack as deep as that of a server's threads.
pub fn on_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().name("fuzz".into()).stack_size(16 << 20).spawn(work);
    match thread.expect("a thread can be started").join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// A check whose panics are errors.
fn guarded(target: &dyn Target, input: &Input) -> Result<bool, String> {
    quiet_panics();
    GUARDED.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| target.check(input)));
    GUARDED.set(false);
    match outcome {
        Ok(outcome) => outcome,
        Err(_) => Err(LAST_PANIC.take().unwrap_or_else(|| "a panic".into())),
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics off the screen; their message and place are the finding.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                return usual(info);
            }
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
            LAST_PANIC.set(Some(format!("panic at {place}: {}", info.payload_as_str().unwrap_or_default())));
        }));
    });
}

/// What two messages of one cause have in common: the beginning, without numbers and quoted things.
fn kind_of(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.strip_prefix("panic at ") {
        Some(panic) => panic.split(": ").next().unwrap_or_default().to_owned(),
        None => line.split(':').next().unwrap_or_default().to_owned(),
    }
}

/// Leaves out parts, then pieces of parts, as long as the same kind of failure remains.
fn minimise(target: &dyn Target, mut input: Input, kind: &str) -> Input {
    let deadline = Instant::now() + Duration::from_secs(10);
    let fails = |candidate: &Input| guarded(target, candidate).is_err_and(|message| kind_of(&message) == kind);
    for part in (1..input.len()).rev() {
        let mut candidate = input.clone();
        candidate.remove(part);
        if fails(&candidate) {
            input = candidate;
        }
    }
    for part in 0..input.len() {
        let mut size = (input[part].len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < input[part].len() && Instant::now() < deadline {
                let mut candidate = input.clone();
                let end = (at + size).min(candidate[part].len());
                candidate[part].drain(at..end);
                if fails(&candidate) {
                    input = candidate;
                } else {
                    at += size;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
    }
    input
}

fn show(input: &Input) -> String {
    input.iter().map(|part| format!("  {:?}\n", String::from_utf8_lossy(part))).collect()
}
