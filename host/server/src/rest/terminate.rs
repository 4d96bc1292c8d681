//! `POST /ksql/terminate`: ends all queries and forgets all sources of this cluster.

use axum::extract::{Request, State};
use axum::response::Response;
use calzone_engine::{Engine, Session, StatementError};
use calzone_plan::SourceKind;
use serde_json::Value;

use super::request;
use crate::app::App;
use crate::error::Failure;

/// Sources are dropped in rounds, as each may still be read by another one; more rounds than this mean that they cannot be.
const ROUNDS_MAX: usize = 100;

pub async fn terminate(State(app): State<App>, http: Request) -> Result<Response, Failure> {
    let body = request::read_object(http.into_body()).await?;
    let patterns = topics_to_delete(&body)?;
    let result = app.blocking(move |engine| drop_everything(engine, &patterns)).await;
    result.map_err(|e| Failure::of(&e, &super::names(&app)))?;
    app.set_terminated();
    Ok(super::json(&serde_json::json!([])))
}

/// Names, or patterns such as `shop.*`.
fn topics_to_delete(body: &serde_json::Map<String, Value>) -> Result<Vec<String>, Failure> {
    match body.get("deleteTopicList") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(patterns)) => patterns
            .iter()
            .map(|p| p.as_str().map(str::to_owned).ok_or_else(|| Failure::bad_request("'deleteTopicList' holds names of topics")))
            .collect(),
        Some(_) => Err(Failure::bad_request("the field 'deleteTopicList' must be an array of names of topics")),
    }
}

fn matches(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => topic.starts_with(prefix),
        None => pattern == topic,
    }
}

fn drop_everything(engine: &Engine, patterns: &[String]) -> Result<(), StatementError> {
    engine.execute("TERMINATE ALL;", &Session::default())?;
    for _ in 0..ROUNDS_MAX {
        let catalog = engine.catalog();
        if catalog.sources.is_empty() {
            return Ok(());
        }
        let mut dropped = false;
        let mut last_error = None;
        for source in catalog.sources.values() {
            let kind = match source.kind {
                SourceKind::Stream => "STREAM",
                SourceKind::Table => "TABLE",
            };
            let delete =
                if !source.is_source && patterns.iter().any(|p| matches(p, &source.topic)) { " DELETE TOPIC" } else { "" };
            let statement = format!("DROP {kind} {}{delete};", calzone_sql::quote_name(&source.name));
            match engine.execute(&statement, &Session::default()) {
                Ok(_) => dropped = true,
                Err(e) => last_error = Some(e),
            }
        }
        if let (false, Some(e)) = (dropped, last_error) {
            return Err(e);
        }
    }
    Ok(())
}
