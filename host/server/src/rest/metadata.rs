//! `GET /v1/metadata` and `GET /v1/metadata/id`: which cluster this is.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;

pub async fn metadata(State(app): State<App>) -> Response {
    super::json(&json!({ "version": env!("CARGO_PKG_VERSION"), "clusterId": cluster(&app) }))
}

pub async fn id(State(app): State<App>) -> Response {
    super::json(&cluster(&app))
}

fn cluster(app: &App) -> Value {
    let clusters = json!({ "kafka-cluster": app.cluster_id(), "ksql-cluster": app.service_id() });
    json!({ "scope": { "path": [], "clusters": clusters }, "id": "" })
}
