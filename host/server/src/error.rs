//! Failed requests, as ksqlDB's clients expect to see them.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use calzone_engine::{ErrorKind, StatementError};
use serde_json::{Value, json};

use crate::entity::Names;
use crate::rows::Pieces;

/// How the answer is wrapped. Clients of ksqlDB see all three, depending on how far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json` of a known length.
    Json,
    /// A known length and no type: refused before anything looked at the request.
    Bare,
    /// No length and no type: refused where rows would have come.
    Streamed,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub body: Value,
    pub form: Form,
}

impl Failure {
    /// `code` is an HTTP status times 100, plus a number that tells causes apart.
    pub fn generic(code: u32, message: impl Into<String>) -> Failure {
        Failure { status: status_of(code), body: generic_error(code, &message.into()), form: Form::Json }
    }

    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::generic(40000, message)
    }

    /// A failed statement, with the answers of the statements before it.
    pub fn of(error: &StatementError, names: &Names<'_>) -> Failure {
        let code = code_of(error.kind);
        let blames_statement = matches!(error.kind, ErrorKind::BadStatement | ErrorKind::UseQueryEndpoint | ErrorKind::Internal);
        let body = match &error.statement {
            Some(statement) if blames_statement => {
                let entities: Vec<Value> = error.answers.iter().map(|a| crate::entity::entity(a, names)).collect();
                json!({
                    "@type": "statement_error",
                    "error_code": code,
                    "message": error.message,
                    "statementText": statement,
                    "entities": entities,
                })
            }
            _ => generic_error(code, &error.message),
        };
        Failure { status: status_of(code), body, form: Form::Json }
    }

    /// A fault that came up before the statement was looked at, as one of the statement's.
    pub fn blaming(mut self, statement: &str) -> Failure {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            self.body["@type"] = "statement_error".into();
            self.body["statementText"] = statement.into();
            self.body["entities"] = json!([]);
        }
        self
    }

    pub fn in_form(mut self, form: Form) -> Failure {
        self.form = form;
        self
    }
}

/// ksqlDB's error object.
pub fn generic_error(code: u32, message: &str) -> Value {
    json!({ "@type": "generic_error", "error_code": code, "message": message })
}

/// ksqlDB's error code for a kind of error.
pub fn code_of(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::BadRequest => 40000,
        ErrorKind::BadStatement => 40001,
        ErrorKind::UseQueryEndpoint => 40002,
        ErrorKind::TooManyQueries => 40003,
        ErrorKind::NotFound => 40400,
        ErrorKind::Conflict => 40900,
        ErrorKind::TooLarge => 41300,
        ErrorKind::AssertionFailed => 41700,
        ErrorKind::NoSchemaRegistry => 42801,
        ErrorKind::Internal => 50000,
        ErrorKind::Timeout => 50301,
        ErrorKind::Unavailable => 50303,
    }
}

fn status_of(code: u32) -> StatusCode {
    u16::try_from(code / 100).ok().and_then(|s| StatusCode::from_u16(s).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let text = self.body.to_string();
        let mut response = match self.form {
            Form::Streamed => Response::new(Body::new(Pieces::single(Bytes::from(text)))),
            Form::Json | Form::Bare => Response::new(Body::from(text)),
        };
        if self.form == Form::Json {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *response.status_mut() = self.status;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'static> = Names { host: "h:1", service_id: "s_" };

    #[test]
    fn kinds_have_their_status_code_and_type() {
        for (kind, status, code, name) in [
            (ErrorKind::BadRequest, 400, 40000, "generic_error"),
            (ErrorKind::BadStatement, 400, 40001, "statement_error"),
            (ErrorKind::UseQueryEndpoint, 400, 40002, "statement_error"),
            (ErrorKind::TooManyQueries, 400, 40003, "generic_error"),
            (ErrorKind::NotFound, 404, 40400, "generic_error"),
            (ErrorKind::Conflict, 409, 40900, "generic_error"),
            (ErrorKind::TooLarge, 413, 41300, "generic_error"),
            (ErrorKind::AssertionFailed, 417, 41700, "generic_error"),
            (ErrorKind::NoSchemaRegistry, 428, 42801, "generic_error"),
            (ErrorKind::Internal, 500, 50000, "statement_error"),
            (ErrorKind::Timeout, 503, 50301, "generic_error"),
            (ErrorKind::Unavailable, 503, 50303, "generic_error"),
        ] {
            let mut error = StatementError::new(kind, "why");
            error.statement = Some("X;".into());
            let failure = Failure::of(&error, &NAMES);
            assert_eq!(failure.status.as_u16(), status, "{kind:?}");
            assert_eq!(failure.body["error_code"], code, "{kind:?}");
            assert_eq!(failure.body["@type"], name, "{kind:?}");
            assert_eq!(failure.body.get("statementText").is_some(), name == "statement_error", "{kind:?}");
        }
    }
}
