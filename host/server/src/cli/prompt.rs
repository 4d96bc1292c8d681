//! The prompt.

use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;

use super::commands::{self, Outcome};
use super::session::Session;
use super::statements;
use crate::arguments::OutputFormat;

const PROMPT: &str = "ksql> ";
const CONTINUED: &str = "> ";

/// Lines that are remembered.
const HISTORY_LINES: usize = 1000;

/// Reads and runs until `exit` or the end of the input.
pub fn run(runtime: &Runtime, session: &mut Session) -> Result<(), String> {
    let config =
        rustyline::Config::builder().max_history_size(HISTORY_LINES).map_err(|e| e.to_string())?.auto_add_history(true).build();
    let mut editor = DefaultEditor::with_config(config).map_err(|e| format!("cannot use this terminal: {e}"))?;
    let history = history_file();
    if let Some(history) = &history {
        // There is none at the first start.
        let _ = editor.load_history(history);
    }
    let banner = runtime.block_on(banner(session));
    session.screen.print(&banner);
    let mut waiting = String::new();
    loop {
        let line = match editor.readline(if waiting.is_empty() { PROMPT } else { CONTINUED }) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                waiting.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(format!("cannot read from the terminal: {e}")),
        };
        session.screen.copy(&format!("{PROMPT}{line}\n"));
        if waiting.is_empty() {
            let past: Vec<String> = editor.history().iter().cloned().collect();
            match runtime.block_on(commands::run(session, &line, &past)) {
                Outcome::Done => continue,
                Outcome::Exit => break,
                Outcome::NoCommand => {}
            }
        }
        waiting.push_str(&line);
        waiting.push('\n');
        if is_complete(&waiting) {
            let text = std::mem::take(&mut waiting);
            if let Err(message) = runtime.block_on(statements::run_until_error(session, &text)) {
                session.screen.line(&message);
            }
        }
    }
    if let Some(history) = &history {
        if let Some(folder) = history.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = editor.save_history(history);
    }
    session.screen.line("Bye.");
    Ok(())
}

/// Every statement has its semicolon, or there is none.
fn is_complete(text: &str) -> bool {
    calzone_sql::split_statements(text).last().is_none_or(|last| last.ends_with(';'))
}

fn history_file() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or(home)?;
    Some(base.join("calzone").join("history"))
}

async fn banner(session: &Session) -> String {
    let mut text = String::from("\n");
    if session.output == OutputFormat::Tabular {
        for line in [
            "  .-------------------------------.",
            "  |  Calzone                      |",
            "  |  streaming SQL, well folded   |",
            "  '-------------------------------'",
        ] {
            text.push_str(line);
            text.push('\n');
        }
    }
    let own = env!("CARGO_PKG_VERSION");
    match session.server.json(hyper::Method::GET, "/info", bytes::Bytes::new()).await {
        Ok(info) => {
            let info = &info["KsqlServerInfo"];
            let (version, status) = (info["version"].as_str().unwrap_or("?"), info["serverStatus"].as_str().unwrap_or("?"));
            text.push_str(&format!(
                "\nCLI v{own}, Server v{version} located at {}\nServer Status: {status}\n",
                session.server.url()
            ));
        }
        Err(e) => text.push_str(&format!("\nCLI v{own}, no server: {e}\n`server URL` goes to another one.\n")),
    }
    text.push_str("\n`help` lists what can be done here; statements end with a semicolon.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn statements_end_with_a_semicolon() {
        for (text, complete) in
            [("SHOW STREAMS;", true), ("SHOW", false), ("SHOW TYPES; SHOW", false), ("-- note", true), ("SELECT ';'", false)]
        {
            assert_eq!(is_complete(text), complete, "{text}");
        }
    }
}
