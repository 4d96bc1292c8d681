//! `GET /` and `GET /info`.

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;

pub async fn redirect() -> Response {
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, HeaderValue::from_static("/info"))]).into_response()
}

pub async fn info(State(app): State<App>) -> Response {
    let status = match (app.is_terminated(), app.engine().is_stopping()) {
        (true, _) => "TERMINATED",
        (_, true) => "TERMINATING",
        _ => "RUNNING",
    };
    super::json(&json!({
        "KsqlServerInfo": {
            "version": env!("CARGO_PKG_VERSION"),
            "kafkaClusterId": app.cluster_id(),
            "ksqlServiceId": app.service_id(),
            "serverStatus": status,
        }
    }))
}
