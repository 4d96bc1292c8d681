//! `calzone cli`: statements to a server, answers to a screen.
//!
//! Input comes from a prompt ([`prompt`]), the command line or a file, and is split into the program's own [`commands`] and
//! statements ([`statements`]). Answers are shown as lists ([`table`], [`entities`]), as rows ([`grid`]) or as JSON ([`pretty`]).

mod commands;
mod descriptions;
mod entities;
mod grid;
mod pretty;
mod prompt;
mod screen;
mod session;
mod statements;
mod table;

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

pub use table::Table;

use crate::arguments::CliArguments;
use session::Session;

/// Runs the command line until its input ends.
pub fn run(arguments: &CliArguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("cannot start: {e}")),
    };
    let mut session = match Session::new(arguments) {
        Ok(session) => session,
        Err(message) => return fail(&message),
    };
    let done = if let Some(text) = &arguments.execute {
        runtime.block_on(statements::run_until_error(&mut session, text))
    } else if let Some(path) = &arguments.file {
        match std::fs::read_to_string(path) {
            Ok(text) => runtime.block_on(statements::run_all(&mut session, &text)),
            Err(e) => return fail(&format!("cannot read {}: {e}", path.display())),
        }
    } else if std::io::stdin().is_terminal() {
        prompt::run(&runtime, &mut session)
    } else {
        let mut text = String::new();
        match std::io::stdin().read_to_string(&mut text) {
            Ok(_) => runtime.block_on(statements::run_all(&mut session, &text)),
            Err(e) => return fail(&format!("cannot read standard input: {e}")),
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
