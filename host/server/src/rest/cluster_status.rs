//! `GET /clusterStatus`.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::app::App;

/// As in ksqlDB, there is no such answer unless heartbeats are switched on.
pub async fn cluster_status(State(app): State<App>) -> Response {
    let enabled = app.engine().options().properties.get("ksql.heartbeat.enable").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if !enabled {
        let mut response = super::with_type(Body::empty(), "application/json");
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let now = calzone_engine::now_ms();
    super::json(&json!({
        "clusterStatus": {
            app.host(): {
                "hostAlive": true,
                "lastStatusUpdateMs": now,
                "activeStandbyPerQuery": {},
                "hostStoreLags": { "stateStoreLags": {}, "updateTimeMs": now },
            }
        }
    }))
}
