//! The commands that are no statements: they need no semicolon and no server.

use std::path::Path;

use super::session::{Session, unquoted};
use super::statements;
use crate::arguments::OutputFormat;
use crate::client::Server;

/// What became of a line.
pub enum Outcome {
    Done,
    Exit,
    /// It is a statement, or the beginning of one.
    NoCommand,
}

const HELP: &str = "\
Statements go to the server and end with a semicolon. Besides them there are:

clear                        empties the screen
exit                         ends this program, as Ctrl-D does
help                         shows this
history                      lists what was typed
output [JSON | TABULAR]      shows or sets how answers look
request-pipelining [ON|OFF]  shows or sets whether statements go out before those before them have taken effect
run script 'FILE'            runs the statements of a file
server [URL]                 shows or changes the server
set cli column-width N       sets the width of the columns of rows; 0 divides the screen among them
set cli wrap [ON | OFF]      continues long cells in a second line, or cuts them
spool 'FILE' | OFF           copies all that is shown into a file
version                      shows this program's version

Ctrl-C ends a running query.
";

/// Runs a line if it is a command.
pub async fn run(session: &mut Session, line: &str, history: &[String]) -> Outcome {
    let line = line.trim().trim_end_matches(';').trim();
    let words: Vec<&str> = line.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|w| w.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let answer = match lower.as_slice() {
        ["exit" | "quit"] => return Outcome::Exit,
        ["help", ..] => HELP.to_owned(),
        ["clear"] => "\x1b[2J\x1b[H".to_owned(),
        ["version"] => format!("Version: {}\n", env!("CARGO_PKG_VERSION")),
        ["history"] => history.iter().enumerate().map(|(at, line)| format!("{:4}: {line}\n", at + 1)).collect(),
        ["output"] => format!("Current output format: {}\n", output_name(session.output)),
        ["output", "json"] => set_output(session, OutputFormat::Json),
        ["output", "tabular"] => set_output(session, OutputFormat::Tabular),
        ["output", other] => format!("There is no output format {other}; there are JSON and TABULAR.\n"),
        ["server"] => format!("{}\n", session.server.url()),
        ["server", _] => match Server::parse(words[1]) {
            Ok(server) => {
                session.server = server;
                session.command_sequence_number = -1;
                format!("Server is now {}\n", session.server.url())
            }
            Err(e) => format!("{e}\n"),
        },
        ["request-pipelining"] => format!("request-pipelining is {}\n", on_off(session.request_pipelining)),
        ["request-pipelining", word @ ("on" | "off")] => {
            session.request_pipelining = *word == "on";
            format!("request-pipelining is {}\n", on_off(session.request_pipelining))
        }
        ["set", "cli", "wrap", word @ ("on" | "off")] => {
            session.wrap = *word == "on";
            String::new()
        }
        ["set", "cli", "column-width", width] => match width.parse() {
            Ok(width) => {
                session.column_width = width;
                String::new()
            }
            Err(_) => format!("{width} is no width: give a whole number, 0 to divide the screen\n"),
        },
        ["spool", "off"] => match session.screen.stop_spool() {
            Some(path) => format!("Spool written to {}\n", path.display()),
            None => "Nothing is being spooled.\n".to_owned(),
        },
        ["spool", ..] if words.len() > 1 => {
            let path = unquoted(line["spool".len()..].trim());
            match session.screen.start_spool(Path::new(path)) {
                Ok(()) => format!("All that is shown goes to {path} too, until SPOOL OFF\n"),
                Err(e) => format!("cannot write {path}: {e}\n"),
            }
        }
        ["run", "script", ..] if words.len() > 2 => {
            let at = line.to_lowercase().find("script").unwrap_or(0) + "script".len();
            run_script(session, unquoted(line[at..].trim())).await
        }
        _ => return Outcome::NoCommand,
    };
    session.screen.print(&answer);
    Outcome::Done
}

/// Runs a file; the message if it fails.
pub async fn run_script(session: &mut Session, path: &str) -> String {
    match std::fs::read_to_string(path) {
        // A script that runs a script ends here, as the nesting of calls would have no end otherwise.
        Ok(text) => match Box::pin(statements::run_until_error(session, &text)).await {
            Ok(()) => String::new(),
            Err(message) => format!("{message}\n"),
        },
        Err(e) => format!("cannot read {path}: {e}\n"),
    }
}

fn set_output(session: &mut Session, format: OutputFormat) -> String {
    session.output = format;
    format!("Output format set to {}\n", output_name(format))
}

fn output_name(format: OutputFormat) -> &'static str {
    match format {
        OutputFormat::Tabular => "TABULAR",
        OutputFormat::Json => "JSON",
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}
