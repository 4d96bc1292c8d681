//! `/plugins`: uploading code, listing it, getting it back, deleting it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use calzone_engine::StatementError;
use serde::Deserialize;
use serde_json::Value;

use super::request;
use crate::app::App;
use crate::entity::{plugin_json, uploaded_json};
use crate::error::Failure;

/// How long a component may take to arrive: others wait for their turn meanwhile.
const READ_TIME_MAX: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
pub struct UploadOptions {
    /// Use the revision at once wherever the plugin's active revision is followed.
    activate: Option<String>,
}

fn failed(app: &App) -> impl Fn(StatementError) -> Failure + '_ {
    |mut e| {
        // Requests here are no statements, whatever the engine made of them.
        e.statement = None;
        Failure::of(&e, &super::names(app))
    }
}

/// `PUT /plugins/NAME[?activate=true]`: 201 for a new revision, 200 if these bytes are one already.
pub async fn upload(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(options): Query<UploadOptions>,
    http: Request,
) -> Result<Response, Failure> {
    // Read first: a connection whose request was not read to its end cannot be used again.
    let _turn = app.upload_turn().await;
    let bytes_max = app.engine().upload_bytes_max(&name);
    let reading = request::read_body(http.into_body(), bytes_max, "module.bytes");
    let bytes = tokio::time::timeout(READ_TIME_MAX, reading).await.map_err(|_| {
        let seconds = READ_TIME_MAX.as_secs();
        Failure::generic(40800, format!("the component did not arrive within {seconds} s"))
    })??;
    let activate = match options.activate.as_deref() {
        None | Some("false") => false,
        Some("" | "true") => true,
        Some(other) => return Err(Failure::bad_request(format!("activate={other}: use activate=true or leave it out"))),
    };
    let uploaded = app.blocking(move |engine| engine.upload_plugin(&name, &bytes, activate)).await.map_err(failed(&app))?;
    let status = if uploaded.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, super::json(&uploaded_json(&uploaded))).into_response())
}

/// `GET /plugins`
pub async fn list(State(app): State<App>) -> Result<Response, Failure> {
    let plugins = app.blocking(|engine| engine.plugins()).await.map_err(failed(&app))?;
    Ok(super::json(&Value::Array(plugins.iter().map(plugin_json).collect())))
}

/// `GET /plugins/NAME`
pub async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Failure> {
    let plugin = app.blocking(move |engine| engine.plugin(&name)).await.map_err(failed(&app))?;
    Ok(super::json(&plugin_json(&plugin)))
}

/// `GET /plugins/NAME/revisions/N`: the bytes as they were uploaded.
pub async fn bytes(State(app): State<App>, Path((name, revision)): Path<(String, String)>) -> Result<Response, Failure> {
    let revision: i64 = revision
        .parse()
        .map_err(|_| Failure::bad_request(format!("'{revision}' is no revision: revisions are whole numbers")))?;
    let bytes = app.blocking(move |engine| engine.plugin_bytes(&name, revision)).await.map_err(failed(&app))?;
    Ok(super::with_type(Body::from(bytes), "application/wasm"))
}

/// `DELETE /plugins/NAME`: 204, or 409 with the names of those that use it.
pub async fn delete(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Failure> {
    app.blocking(move |engine| engine.delete_plugin(&name)).await.map_err(failed(&app))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
