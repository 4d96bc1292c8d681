//! A standard HTTP handler (`wasi:http/incoming-handler`), written without Calzone's SDK: it runs here as it runs elsewhere.
//!
//! `GET /hello/NAME` greets, `POST /upper` answers with the body in capitals, `GET /headers` lists what was sent.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/wasi-http", world: "handler", pub_export_macro: true, generate_all });
}

use bindings::exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use bindings::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingResponse};
use bindings::wasi::io::streams::{InputStream, StreamError};

struct Handler;

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, text) = match (request.method(), path.as_str()) {
            (Method::Get, "/headers") => (200, headers(&request)),
            (Method::Get, path) if path.starts_with("/hello/") => (200, greeting(&path["/hello/".len()..]).into_bytes()),
            (Method::Post, "/upper") => match body(request) {
                Ok(bytes) => (200, bytes.to_ascii_uppercase()),
                Err(why) => (400, why.into_bytes()),
            },
            // A handler that answers nothing.
            (Method::Get, "/silent") => return,
            _ => (404, format!("there is nothing at {path}").into_bytes()),
        };
        respond(out, status, &text);
    }
}

fn greeting(name: &str) -> String {
    format!("Hello, {name}!")
}

fn headers(request: &IncomingRequest) -> Vec<u8> {
    let lines = request.headers().entries().into_iter();
    lines.flat_map(|(name, value)| [name.into_bytes(), b": ".to_vec(), value, b"\n".to_vec()].concat()).collect()
}

fn body(request: IncomingRequest) -> Result<Vec<u8>, String> {
    let body = request.consume().map_err(|()| "the body is gone".to_owned())?;
    let stream = body.stream().map_err(|()| "the body's stream is gone".to_owned())?;
    read_all(&stream)
}

fn read_all(stream: &InputStream) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => return Ok(all),
            Err(StreamError::LastOperationFailed(e)) => return Err(e.to_debug_string()),
        }
    }
}

fn respond(out: ResponseOutparam, status: u16, text: &[u8]) {
    let headers = Fields::new();
    headers.set("content-type", &[b"text/plain; charset=utf-8".to_vec()]).expect("a good header");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a good status");
    let body = response.body().expect("asked once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("asked once");
    // Streams take a piece at a time.
    text.chunks(4096).for_each(|piece| stream.blocking_write_and_flush(piece).expect("somebody reads"));
    drop(stream);
    OutgoingBody::finish(body, None).expect("all was written");
}

#[cfg(target_arch = "wasm32")]
bindings::export!(Handler with_types_in bindings);

#[cfg(test)]
mod tests {
    #[test]
    fn greetings() {
        assert_eq!(super::greeting("Ada"), "Hello, Ada!");
    }
}
