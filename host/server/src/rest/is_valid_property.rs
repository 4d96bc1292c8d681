//! `GET /is_valid_property/NAME`: may a client override this setting?

use axum::extract::Path;
use axum::response::Response;
use calzone_engine::properties::validate_override;
use serde_json::Value;

use crate::error::Failure;

pub async fn is_valid_property(Path(name): Path<String>) -> Result<Response, Failure> {
    match validate_override(&name, None) {
        Ok(()) => Ok(super::json(&Value::Bool(true))),
        Err(fault) => Err(Failure::bad_request(fault.message())),
    }
}
