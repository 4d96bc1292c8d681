//! `GET /clusterStatus`, and what servers of a cluster tell and ask each other: `/heartbeat`, `/lag`, `/internal/…`.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use calzone_engine::cluster::{HostQuery, HostStatus};
use serde_json::{Map, Value, json};

use super::request;
use crate::app::App;
use crate::error::{Failure, Form};

/// Bytes of a request of another server.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// As in ksqlDB, there is no such answer unless heartbeats are switched on.
pub async fn cluster_status(State(app): State<App>) -> Response {
    let names = super::names(&app);
    let hosts = match app.blocking(|engine| Ok(engine.cluster_status())).await {
        Ok(Some(hosts)) => hosts,
        Ok(None) => return switched_off(),
        Err(error) => return Failure::of(&error, &names).into_response(),
    };
    let hosts: Map<String, Value> = hosts.iter().map(|host| (host.address.clone(), host_json(host))).collect();
    super::json(&json!({ "clusterStatus": hosts }))
}

fn switched_off() -> Response {
    let mut response = super::with_type(Body::empty(), "application/json");
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn host_json(host: &HostStatus) -> Value {
    let queries: Map<String, Value> = host.queries.iter().map(|(id, query)| (id.clone(), query_json(query))).collect();
    json!({
        "hostAlive": host.is_alive,
        "lastStatusUpdateMs": host.updated_ms,
        "activeStandbyPerQuery": queries,
        "hostStoreLags": host.lags,
    })
}

fn query_json(query: &HostQuery) -> Value {
    let partitions = |all: &[(String, i32)]| -> Value {
        all.iter().map(|(topic, partition)| json!({ "topic": topic, "partition": partition })).collect()
    };
    json!({
        "activeStores": query.active_stores,
        "activePartitions": partitions(&query.active_partitions),
        "standByStores": query.standby_stores,
        "standByPartitions": partitions(&query.standby_partitions),
    })
}

/// A heartbeat of another server.
pub async fn heartbeat(State(app): State<App>, http: Request) -> Result<Response, Failure> {
    let body = request::read_body(http.into_body(), REQUEST_BYTES_MAX, "the server").await?;
    taken(app.engine().take_heartbeat(&body))
}

/// How far another server's stores are behind.
pub async fn lag(State(app): State<App>, http: Request) -> Result<Response, Failure> {
    let body = request::read_body(http.into_body(), REQUEST_BYTES_MAX, "the server").await?;
    taken(app.engine().take_lags(&body))
}

fn taken(outcome: Result<bool, String>) -> Result<Response, Failure> {
    match outcome {
        Ok(true) => Ok(super::json(&json!({ "isOk": true }))),
        Ok(false) => Ok(switched_off()),
        Err(message) => Err(Failure::bad_request(message).in_form(Form::Bare)),
    }
}

/// A request of another server; failures are told as plain text.
pub async fn internal(State(app): State<App>, Path(what): Path<String>, http: Request) -> Response {
    let body = match request::read_body(http.into_body(), REQUEST_BYTES_MAX, "the server").await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    match app.for_peer(move |engine| engine.answer_peer(&what, &body)).await {
        Ok(answer) => super::with_type(Body::from(answer), "application/octet-stream"),
        Err(error) => {
            let status = Failure::of(&error, &super::names(&app)).status;
            (status, error.message).into_response()
        }
    }
}
