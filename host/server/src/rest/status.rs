//! `GET /status` and `GET /status/KIND/NAME/ACTION`: outcomes of distributed statements.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::entity::{command_state, status_json};
use crate::error::Failure;

pub async fn all(State(app): State<App>) -> Result<Response, Failure> {
    let statuses =
        app.blocking(|engine| Ok(engine.command_statuses())).await.map_err(|e| Failure::of(&e, &super::names(&app)))?;
    let statuses: Map<String, Value> = statuses.into_iter().map(|(id, state)| (id, command_state(state).into())).collect();
    Ok(super::json(&json!({ "commandStatuses": statuses })))
}

pub async fn one(
    State(app): State<App>,
    Path((kind, name, action)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let id = format!("{kind}/{name}/{action}");
    let asked = id.clone();
    let status =
        app.blocking(move |engine| Ok(engine.command_status(&asked))).await.map_err(|e| Failure::of(&e, &super::names(&app)))?;
    match status {
        Some(status) => Ok(super::json(&status_json(&status))),
        None => Err(Failure::generic(40400, format!("no statement has the command id {id}; GET /status lists those there are"))),
    }
}
