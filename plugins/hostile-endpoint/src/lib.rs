//! An endpoint that does what an endpoint must not do, a path for each; and one that behaves.
//! The tests show that the request fails, and nothing else.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use calzone_guest::endpoint::{Json, Problem, Request, Response, insert, json, select};
use calzone_guest::{endpoint, plugin};

/// Requests that this instance has seen.
static SEEN: AtomicU32 = AtomicU32::new(0);

/// Says what it got.
#[endpoint("POST /echo/{rest}")]
fn echo(request: &Request, rest: &str) -> Response {
    let text = format!("{} {} {:?} {rest} {:?}", request.method, request.path, request.query, request.header("x-sent"));
    Response::new(201).with_header("x-said", text).with_body("application/octet-stream", request.body.clone())
}

/// How many requests this instance has seen.
#[endpoint("GET /seen")]
fn seen() -> Json {
    json!(SEEN.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Loops for ever.
#[endpoint("GET /loop")]
fn spin() -> Json {
    while black_box(true) {}
    Json::Null
}

/// Panics.
#[endpoint("GET /panic")]
fn panics() -> Json {
    assert!(!black_box(true), "this endpoint panics");
    Json::Null
}

/// Takes memory until there is no more.
#[endpoint("GET /grow")]
fn grow() -> Json {
    let mut taken = Vec::new();
    while black_box(true) {
        taken.push(black_box(vec![1u8; 1 << 20]));
    }
    json!(taken.len())
}

/// Calls itself until the stack is full.
#[endpoint("GET /deep")]
fn deep() -> Json {
    fn down(n: u64) -> u64 {
        if black_box(n) == u64::MAX { 0 } else { down(black_box(n + 1)) + 1 }
    }
    json!(down(0))
}

/// Answers with so many bytes.
#[endpoint("GET /bytes/{count}")]
fn bytes(count: usize) -> Response {
    Response::new(200).with_body("application/octet-stream", vec![b'x'; count])
}

/// Answers with this status.
#[endpoint("GET /status/{status}")]
fn status(status: u16) -> Response {
    Response::new(status)
}

/// Answers with a header that would be two.
#[endpoint("GET /split")]
fn split() -> Response {
    Response::new(200).with_header("x-a", "b\r\nx-c: d")
}

/// Writes the body as a row into a stream, so many times.
#[endpoint("POST /insert/{stream}/{times}")]
fn insert_times(request: &Request, stream: &str, times: u32) -> Result<Json, Problem> {
    let row = request.json()?;
    (0..times).try_for_each(|_| insert(stream, std::slice::from_ref(&row)))?;
    Ok(json!(times))
}

/// Runs the body as a query with this parameter.
#[endpoint("POST /select/{parameter}")]
fn select_one(request: &Request, parameter: &str) -> Result<Json, Problem> {
    Ok(Json::Array(select(request.text()?, &[&parameter])?))
}

plugin!(endpoint: [echo, seen, spin, panics, grow, deep, bytes, status, split, insert_times, select_one]);
