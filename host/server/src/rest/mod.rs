//! The routes of ksqlDB's REST interface, one file each, and ours.

mod accept;
mod close_query;
mod cluster_status;
mod endpoints;
mod healthcheck;
mod info;
mod inserts_stream;
mod is_valid_property;
mod ksql;
mod metadata;
mod metrics;
mod plugins;
mod query;
mod query_stream;
mod request;
mod status;
mod terminate;
mod ws_query;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::Value;

use crate::app::App;
use crate::entity::Names;

/// Who may use an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Clients, while other servers have an address of their own.
    Clients,
    /// Clients and other servers of the cluster.
    All,
}

/// All routes.
pub fn router(app: App, audience: Audience) -> Router {
    let routes = Router::new();
    let routes = match audience {
        Audience::Clients => routes,
        Audience::All => routes
            .route("/heartbeat", post(cluster_status::heartbeat))
            .route("/lag", post(cluster_status::lag))
            .route("/internal/{what}", post(cluster_status::internal)),
    };
    routes
        .route("/", get(info::redirect))
        .route("/info", get(info::info))
        .route("/healthcheck", get(healthcheck::healthcheck))
        .route("/chc/live", get(healthcheck::ready))
        .route("/chc/ready", get(healthcheck::ready))
        .route("/clusterStatus", get(cluster_status::cluster_status))
        .route("/status", get(status::all))
        .route("/status/{kind}/{name}/{action}", get(status::one))
        .route("/is_valid_property/{name}", get(is_valid_property::is_valid_property))
        .route("/v1/metadata", get(metadata::metadata))
        .route("/v1/metadata/id", get(metadata::id))
        .route("/ksql", post(ksql::ksql))
        .route("/ksql/terminate", post(terminate::terminate))
        .route("/query", post(query::query))
        .route("/query-stream", post(query_stream::query_stream))
        .route("/inserts-stream", post(inserts_stream::inserts_stream))
        .route("/close-query", post(close_query::close_query))
        .route("/ws/query", get(ws_query::ws_query))
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", get(plugins::one).put(plugins::upload).delete(plugins::delete))
        .route("/plugins/{name}/revisions/{revision}", get(plugins::bytes))
        .route("/metrics", get(metrics::metrics))
        .route("/endpoints/{*path}", any(endpoints::by_path))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        // Each route reads its body under a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// Everything that is asked at the address of an endpoint.
pub fn endpoint_router(app: App, address: Arc<str>) -> Router {
    Router::new().fallback(endpoints::by_address).layer(DefaultBodyLimit::disable()).with_state((app, address))
}

/// The answer to whatever no route knows, a method or a type that it does not take among it.
async fn not_found() -> Response {
    refuse()
}

fn refuse() -> Response {
    let mut response = Response::new(Body::from("Not Found"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn json(value: &Value) -> Response {
    with_type(Body::from(value.to_string()), "application/json")
}

fn with_type(body: Body, content_type: &'static str) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn names(app: &App) -> Names<'_> {
    Names { host: app.host(), service_id: app.service_id() }
}
