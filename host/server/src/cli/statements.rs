//! Running statements: what concerns the session here, everything else on the server.

use std::time::Duration;

use bytes::Bytes;
use calzone_sql::ast::Statement;
use hyper::Method;
use serde_json::{Value, json};

use super::grid::Grid;
use super::session::Session;
use super::{entities, pretty};
use crate::arguments::OutputFormat;
use crate::client::{Answer, ClientError};

/// Runs statements one after the other; the first that fails ends it.
pub async fn run_until_error(session: &mut Session, text: &str) -> Result<(), String> {
    for statement in calzone_sql::split_statements(text) {
        run_one(session, statement).await?;
    }
    Ok(())
}

/// Runs all statements, whatever becomes of each. Fails at the end if one has failed.
pub async fn run_all(session: &mut Session, text: &str) -> Result<(), String> {
    let (mut count, mut failed) = (0, 0);
    for statement in calzone_sql::split_statements(text) {
        count += 1;
        if let Err(message) = run_one(session, statement).await {
            failed += 1;
            session.screen.line(&message);
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {count} statements failed")) }
}

async fn run_one(session: &mut Session, text: &str) -> Result<(), String> {
    // What cannot be parsed here goes to the server all the same: it may know more, and its message counts.
    let parsed = calzone_sql::parse(text, &session.variables).ok().and_then(|mut all| all.pop());
    match parsed.map(|p| p.statement) {
        Some(Statement::Set { property, value }) => set(session, property, value).await,
        Some(Statement::Unset { property }) => match session.properties.remove(&property) {
            Some(value) => {
                session.screen.line(&format!("Property '{property}' is not overridden any more; it was '{value}'."));
                Ok(())
            }
            None => Err(format!("Property '{property}' was not overridden in this session.")),
        },
        Some(Statement::Define { variable, value }) => {
            session.variables.insert(variable, value);
            Ok(())
        }
        Some(Statement::Undefine { variable }) => match session.variables.remove(&variable) {
            Some(_) => Ok(()),
            None => Err(format!("There is no variable '{variable}'.")),
        },
        Some(Statement::RunScript { path }) => {
            let message = super::commands::run_script(session, &path).await;
            if message.is_empty() { Ok(()) } else { Err(message.trim_end().to_owned()) }
        }
        Some(Statement::Query(_)) => query(session, text).await,
        Some(Statement::Print(_)) => print(session, text).await,
        _ => statement(session, text).await,
    }
}

async fn set(session: &mut Session, property: String, value: String) -> Result<(), String> {
    let path = format!("/is_valid_property/{property}");
    session.server.json(Method::GET, &path, Bytes::new()).await.map_err(|e| e.to_string())?;
    let before = session.properties.insert(property.clone(), value.clone());
    let before = before.map_or(String::new(), |b| format!(" (was '{b}')"));
    session.screen.line(&format!("Property '{property}' is '{value}' for this session{before}. UNSET takes that back."));
    Ok(())
}

async fn statement(session: &mut Session, text: &str) -> Result<(), String> {
    let body = session.request(text);
    match session.server.statements(&body).await.map_err(|e| e.to_string())? {
        Ok(answers) => {
            for answer in answers.as_array().into_iter().flatten() {
                if let Some(number) = answer["commandSequenceNumber"].as_i64() {
                    session.command_sequence_number = number;
                }
            }
            show(session, &answers);
            Ok(())
        }
        Err(error) => {
            if let Some(answers) = error.get("entities").filter(|e| session.output == OutputFormat::Json || *e != &json!([])) {
                show(session, answers);
            }
            Err(error["message"].as_str().unwrap_or("The server refused the statement and did not say why.").to_owned())
        }
    }
}

fn show(session: &mut Session, answers: &Value) {
    let text = match session.output {
        OutputFormat::Json => format!("{}\n", pretty::pretty(answers)),
        OutputFormat::Tabular => answers.as_array().into_iter().flatten().map(entities::text).collect(),
    };
    session.screen.print(&text);
}

/// What ended the reading of an answer.
enum Ended {
    /// All of it is there.
    Complete,
    /// By Ctrl-C, the time or the number of rows.
    Stopped,
}

/// Gives each line of an answer to `each` until it says no, the answer ends, or the user does.
async fn read_lines(
    answer: &mut Answer,
    timeout_ms: Option<u64>,
    mut each: impl FnMut(&str) -> bool,
) -> Result<Ended, ClientError> {
    let deadline = async {
        match timeout_ms {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(deadline);
    let mut waiting = Vec::new();
    loop {
        let part = tokio::select! {
            part = answer.next() => part?,
            _ = tokio::signal::ctrl_c() => return Ok(Ended::Stopped),
            () = &mut deadline => return Ok(Ended::Stopped),
        };
        let Some(part) = part else {
            each(&String::from_utf8_lossy(&waiting));
            return Ok(Ended::Complete);
        };
        waiting.extend_from_slice(&part);
        while let Some(end) = waiting.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            if !each(String::from_utf8_lossy(&line).trim_end()) {
                return Ok(Ended::Stopped);
            }
        }
    }
}

async fn start(session: &Session, text: &str) -> Result<Answer, String> {
    let body = Bytes::from(session.request(text).to_string());
    let answer =
        session.server.send(Method::POST, "/query", "application/vnd.ksql.v1+json", body).await.map_err(|e| e.to_string())?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let bytes = answer.bytes().await.map_err(|e| e.to_string())?;
    Err(crate::client::error_text(status, &serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

async fn query(session: &mut Session, text: &str) -> Result<(), String> {
    let mut answer = start(session, text).await?;
    let width = session.screen.width();
    let (wrap, column_width, json, limit, timeout) =
        (session.wrap, session.column_width, session.output == OutputFormat::Json, session.row_limit, session.timeout_ms);
    let screen = &mut session.screen;
    let mut grid: Option<Grid> = None;
    let mut rows = 0;
    let mut failure = None;
    let ended = read_lines(&mut answer, timeout, |line| {
        let line = line.trim().trim_start_matches('[').trim_end_matches(',');
        // The closing bracket of the array may stand at the end of the last object's line.
        let object: Value = match serde_json::from_str(line).or_else(|_| serde_json::from_str(line.trim_end_matches(']'))) {
            Ok(object) => object,
            Err(_) => return true,
        };
        if let Some(header) = object.get("header") {
            let made = Grid::new(header["schema"].as_str().unwrap_or_default(), width, column_width, wrap);
            screen.print(&if json { format!("{}\n", pretty::pretty(header)) } else { made.header() });
            grid = Some(made);
        } else if let Some(row) = object.get("row") {
            let shown =
                if json { format!("{}\n", pretty::pretty(row)) } else { grid.as_ref().map_or(String::new(), |g| g.row(row)) };
            screen.print(&shown);
            rows += 1;
        } else if let Some(message) = object.get("finalMessage").and_then(Value::as_str) {
            screen.line(message);
        } else if let Some(error) = object.get("errorMessage") {
            failure = Some(error["message"].as_str().unwrap_or_default().to_owned());
        }
        limit.is_none_or(|limit| rows < limit)
    })
    .await
    .map_err(|e| e.to_string())?;
    match (failure, ended) {
        (Some(message), _) => Err(message),
        (None, Ended::Complete | Ended::Stopped) => {
            session.screen.line("Query terminated");
            Ok(())
        }
    }
}

async fn print(session: &mut Session, text: &str) -> Result<(), String> {
    let mut answer = start(session, text).await?;
    let timeout = session.timeout_ms;
    let screen = &mut session.screen;
    read_lines(&mut answer, timeout, |line| {
        // Empty lines only say that the server is still there.
        if !line.is_empty() {
            screen.line(line);
        }
        true
    })
    .await
    .map_err(|e| e.to_string())?;
    session.screen.line("Topic printing ceased");
    Ok(())
}
