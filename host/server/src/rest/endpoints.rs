//! Requests for endpoints: below `/endpoints` and at the endpoints' own addresses.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use calzone_engine::endpoints::{Endpoint, EndpointFault, PATH_PREFIX};
use calzone_engine::{HttpRequest, HttpResponse};

use super::request::read_body;
use crate::app::App;
use crate::error::Failure;

/// How long a client may take to send a request's body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Headers that belong to one connection: neither side of an endpoint sees or sets them.
const CONNECTION_HEADERS: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `/endpoints/…`: the endpoint with the longest path that fits.
pub async fn by_path(State(app): State<App>, http: Request) -> Response {
    let table = app.engine().endpoints().table();
    let path = http.uri().path().strip_prefix(PATH_PREFIX).unwrap_or_default().to_owned();
    match table.find(&path) {
        Some((endpoint, rest)) => serve(&app, endpoint, rest.to_owned(), http).await,
        None => {
            let message = format!("there is no endpoint at {PATH_PREFIX}{path}; SHOW ENDPOINTS lists those there are");
            Failure::generic(40400, message).into_response()
        }
    }
}

/// Whatever comes in at an endpoint's own address.
pub async fn by_address(State((app, address)): State<(App, Arc<str>)>, http: Request) -> Response {
    let table = app.engine().endpoints().table();
    match table.at_address(&address) {
        Some(endpoint) => {
            let path = http.uri().path().to_owned();
            serve(&app, endpoint, path, http).await
        }
        None => Failure::generic(40400, "there is no endpoint at this address any more").into_response(),
    }
}

async fn serve(app: &App, endpoint: &Arc<Endpoint>, path: String, http: Request) -> Response {
    match answer(app, endpoint, path, http).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn answer(app: &App, endpoint: &Arc<Endpoint>, path: String, http: Request) -> Result<Response, Failure> {
    let (parts, body) = http.into_parts();
    // Read before it is its turn: who sends slowly takes nobody's place.
    let reading = read_body(body, endpoint.request_bytes(), "calzone.plugin.request.bytes");
    let body = tokio::time::timeout(BODY_TIME_MAX, reading)
        .await
        .map_err(|_| Failure::generic(40800, format!("the body did not arrive within {} s", BODY_TIME_MAX.as_secs())))??;
    let request = request_of(&parts, path, body.to_vec());
    let turn = endpoint.turn().await.map_err(|fault| failure(&fault))?;
    let working = endpoint.clone();
    let handled = app.blocking(move |_| {
        // Given back when the work is done, also if the client has left meanwhile.
        let _turn = turn;
        Ok(working.handle(&request))
    });
    let handled = handled.await.map_err(|e| Failure::of(&e, &super::names(app)))?;
    response_of(handled.map_err(|fault| failure(&fault))?)
        .map_err(|why| Failure::generic(50000, format!("endpoint {}: the plugin's answer is wrong: {why}", endpoint.name)))
}

fn failure(fault: &EndpointFault) -> Failure {
    match fault {
        EndpointFault::Unavailable(message) => Failure::generic(50300, message),
        EndpointFault::Failed(message) => Failure::generic(50000, message),
    }
}

fn is_of_connection(name: &str) -> bool {
    CONNECTION_HEADERS.contains(&name)
}

fn request_of(parts: &Parts, path: String, body: Vec<u8>) -> HttpRequest {
    let host = parts.headers.get(HOST).and_then(|h| h.to_str().ok());
    let headers = parts.headers.iter().filter(|(name, _)| !is_of_connection(name.as_str()));
    HttpRequest {
        method: parts.method.as_str().to_owned(),
        path,
        query: parts.uri.query().map(str::to_owned),
        authority: parts.uri.authority().map(|a| a.as_str()).or(host).map(str::to_owned),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
        body,
    }
}

/// The error says which part of it is no HTTP.
fn response_of(answer: HttpResponse) -> Result<Response, String> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| format!("{} is no status", answer.status))?;
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no name of a header"))?;
        if is_of_connection(name.as_str()) || name == "content-length" {
            continue;
        }
        let value = HeaderValue::from_bytes(&value)
            .map_err(|_| format!("the value of header {name} has characters that no header has"))?;
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, name: &str, value: &[u8]) -> HttpResponse {
        HttpResponse { status, headers: vec![(name.to_owned(), value.to_vec())], body: b"x".to_vec() }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        assert!(response_of(answer(200, "x-a", b"\xff b")).is_ok());
        for (bad, word) in
            [(answer(200, "x a", b""), "name"), (answer(200, "x-a", b"a\r\nb: c"), "x-a"), (answer(99, "x-a", b""), "status")]
        {
            assert!(response_of(bad).unwrap_err().contains(word));
        }
        let connection = response_of(answer(200, "Transfer-Encoding", b"chunked")).unwrap();
        assert!(connection.headers().is_empty());
    }
}
