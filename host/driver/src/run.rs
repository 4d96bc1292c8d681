//! Runs cases over threads: a panic or a hang of one is its own affair.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::outcome::{Failure, Outcome, Refusal, Report, Status};
use crate::plugins::Plugins;
use crate::{format_check, qtt, rqtt, sql_tests};

/// Stack of a case: deeply nested expressions are walked recursively.
const STACK_BYTES: usize = 16 << 20;

/// How cases are run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    pub jobs: usize,
    pub batch_size: usize,
    pub timeout: Duration,
}

/// Runs all cases; reports come in the cases' order.
pub fn run_all(cases: Vec<Case>, plugins: &Arc<Plugins>, options: RunOptions) -> Vec<Report> {
    let cases: Arc<Vec<Case>> = Arc::new(cases);
    let next = AtomicUsize::new(0);
    let (sender, reports) = channel::<(usize, Report)>();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            let sender = sender.clone();
            let (cases, next) = (&cases, &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= cases.len() {
                        return;
                    }
                    let report = run_guarded(cases, index, plugins, options);
                    if sender.send((index, report)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    drop(sender);
    let mut reports: Vec<(usize, Report)> = reports.into_iter().collect();
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// Runs a case on a thread of its own. A case that hangs keeps that thread; the run goes on without it.
fn run_guarded(cases: &Arc<Vec<Case>>, index: usize, plugins: &Arc<Plugins>, options: RunOptions) -> Report {
    quiet_panics();
    let (sender, answer) = channel();
    let started = Instant::now();
    let thread = {
        let (cases, plugins) = (cases.clone(), plugins.clone());
        let work = move || work(&cases[index], &plugins, options.batch_size, &sender);
        std::thread::Builder::new().name("case".into()).stack_size(STACK_BYTES).spawn(work)
    };
    let outcome = match thread {
        Err(error) => Err((Status::Crash, Failure::new("setup", format!("the case's thread cannot be started: {error}")))),
        Ok(_) => match answer.recv_timeout(options.timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => {
                let reason = format!("not done after {} ms", options.timeout.as_millis());
                Err((Status::Timeout, Failure::new("run", reason)))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err((Status::Crash, Failure::new("run", "the case's thread ended without a word")))
            }
        },
    };
    let case = &cases[index];
    let (status, stage, reason, diff) = match outcome {
        Ok(None) => (Status::Pass, None, None, None),
        Ok(Some(Refusal { stage, message })) => (Status::Pass, Some(stage), Some(message), None),
        Err((status, failure)) => (status, Some(failure.stage), Some(failure.reason), failure.diff),
    };
    Report {
        id: case.id.clone(),
        status,
        stage,
        reason,
        diff,
        micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        category: case.category.clone(),
        suite: case.suite.clone(),
        expects_error: case.expects_error(),
    }
}

/// The outcome of a case, or how it failed.
type Guarded = Result<Option<Refusal>, (Status, Failure)>;

fn work(case: &Case, plugins: &Arc<Plugins>, batch_size: usize, sender: &Sender<Guarded>) {
    let run = || -> Outcome {
        format_check::check(case)?;
        match case.suite.as_str() {
            "qtt" => qtt::run(case, plugins, batch_size),
            "rqtt" => rqtt::run(case, plugins, batch_size),
            "sql" | "sqltests" => sql_tests::run(case, plugins, batch_size),
            other => Err(Failure::new("setup", format!("there is no suite of the name {other}"))),
        }
    };
    let outcome = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(|failure| (Status::Fail, failure)),
        Err(_) => {
            let reason = LAST_PANIC.take().unwrap_or_else(|| "a panic".into());
            Err((Status::Crash, Failure::new("run", reason)))
        }
    };
    // Nobody listens any more if the case took too long.
    let _ = sender.send(outcome);
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps panics of cases off the screen; their message and place go into the report.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some("case") {
                return usual(info);
            }
            let message = info.payload_as_str().unwrap_or("a panic");
            let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
            LAST_PANIC.set(Some(format!("panic: {message}{place}")));
        }));
    });
}
