//! `GET /healthcheck`, and `/chc/live`, `/chc/ready` for container platforms.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::app::App;

/// Healthy if the log answers and statements are taken.
pub async fn healthcheck(State(app): State<App>) -> Response {
    let log = app
        .blocking(|engine| {
            engine
                .log()
                .topic(&engine.options().statement_topic())
                .map_err(|e| calzone_engine::StatementError::internal(e.to_string()))
        })
        .await;
    let log_answers = matches!(log, Ok(Some(_)));
    let takes_statements = !app.engine().is_stopping() && !app.is_terminated();
    let state = if takes_statements { "READY" } else { "TERMINATED" };
    super::json(&json!({
        "isHealthy": log_answers && takes_statements,
        "details": {
            "metastore": { "isHealthy": true },
            "kafka": { "isHealthy": log_answers },
            "commandRunner": { "isHealthy": takes_statements },
        },
        "serverState": state,
    }))
}

pub async fn ready() -> Response {
    super::json(&json!({}))
}
