//! `Upgrade: h2c`: a request over HTTP/1.1 that is to be answered over HTTP/2.
//!
//! After the answer 101 the client sends HTTP/2's preface and its settings; its request counts as stream 1 of the new
//! connection although it was never sent there. So the request is written out as frames and slipped in behind the
//! client's settings: from there on it is an ordinary HTTP/2 connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, UPGRADE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Paths;
use crate::error::{Failure, Form};

/// Bytes of a request's body that may be held back until the connection is upgraded.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of one frame that every HTTP/2 peer takes.
const FRAME_BYTES: usize = 16_384;

const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Does the client ask for HTTP/2, in the way that RFC 7540 wants it?
pub fn is_requested(request: &Request<Incoming>) -> bool {
    request.headers().contains_key("http2-settings")
        && request.headers().get(UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"h2c"))
}

/// Answers 101 and goes on over HTTP/2.
pub async fn accept(request: Request<Incoming>, router: TowerToHyperService<Router>, paths: Paths) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let message = format!(
                "the body has more than {BODY_BYTES_MAX} bytes, too many for a request that upgrades to HTTP/2: use HTTP/2 from the start"
            );
            return Failure::generic(41300, message).in_form(Form::Bare).into_response();
        }
    };
    let frames = frames_of(&parts.method, parts.uri.path_and_query().map_or("/", |p| p.as_str()), &parts.headers, &body);
    let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() else {
        return Failure::bad_request("this connection cannot be upgraded").in_form(Form::Bare).into_response();
    };
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let io = Spliced { inner: TokioIo::new(upgraded), place: Place::Head { seen: Vec::new() }, frames };
        let service = service_fn(move |request: Request<Incoming>| router.call(super::normalise(request.map(Body::new), paths)));
        let connection = super::builder().http2_only();
        if let Err(e) = connection.serve_connection(TokioIo::new(io), service).await {
            tracing::debug!(error = %e, "upgraded connection ended");
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    response.headers_mut().insert(CONNECTION, axum::http::HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, axum::http::HeaderValue::from_static("h2c"));
    response
}

/// The request as frames of stream 1.
fn frames_of(method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Vec<u8> {
    let mut block = Vec::new();
    let authority = headers.get("host").map_or(&b""[..], |h| h.as_bytes());
    for (name, value) in
        [(":method", method.as_str().as_bytes()), (":scheme", b"http"), (":path", path.as_bytes()), (":authority", authority)]
    {
        literal(name.as_bytes(), value, &mut block);
    }
    for (name, value) in headers {
        // These belong to the HTTP/1.1 connection.
        let hop =
            ["connection", "upgrade", "http2-settings", "host", "keep-alive", "transfer-encoding", "proxy-connection", "te"];
        if !hop.contains(&name.as_str()) {
            literal(name.as_str().as_bytes(), value.as_bytes(), &mut block);
        }
    }
    let mut out = Vec::new();
    let last = block.len().div_ceil(FRAME_BYTES).saturating_sub(1);
    for (at, part) in block.chunks(FRAME_BYTES).enumerate() {
        let mut flags = if at == last { END_HEADERS } else { 0 };
        if at == 0 && body.is_empty() {
            flags |= END_STREAM;
        }
        frame(if at == 0 { HEADERS } else { CONTINUATION }, flags, part, &mut out);
    }
    let last = body.len().div_ceil(FRAME_BYTES).saturating_sub(1);
    for (at, part) in body.chunks(FRAME_BYTES).enumerate() {
        frame(DATA, if at == last { END_STREAM } else { 0 }, part, &mut out);
    }
    out
}

fn frame(kind: u8, flags: u8, payload: &[u8], out: &mut Vec<u8>) {
    let length = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
    out.extend_from_slice(payload);
}

/// A header that no table knows, in HPACK.
fn literal(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            out.push(length as u8);
        } else {
            out.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                out.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            out.push(rest as u8);
        }
        out.extend_from_slice(text);
    }
}

/// What the client sends, with our frames after its first one.
struct Spliced {
    inner: TokioIo<Upgraded>,
    place: Place,
    frames: Vec<u8>,
}

enum Place {
    /// The preface and the head of the first frame, as far as they have come.
    Head {
        seen: Vec<u8>,
    },
    /// So many bytes of the first frame are still to come.
    First {
        left: usize,
    },
    /// So many bytes of our frames were given.
    Ours {
        given: usize,
    },
    Rest,
}

impl AsyncRead for Spliced {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let wanted = match &this.place {
                Place::Head { seen } => PREFACE_BYTES + FRAME_HEAD_BYTES - seen.len(),
                Place::First { left: 0 } => {
                    this.place = Place::Ours { given: 0 };
                    continue;
                }
                Place::First { left } => *left,
                Place::Ours { given } => {
                    let rest = &this.frames[*given..];
                    if rest.is_empty() {
                        this.place = Place::Rest;
                        continue;
                    }
                    let count = rest.len().min(out.remaining());
                    out.put_slice(&rest[..count]);
                    this.place = Place::Ours { given: given + count };
                    return Poll::Ready(Ok(()));
                }
                Place::Rest => return Pin::new(&mut this.inner).poll_read(context, out),
            };
            let mut space = [0; 1024];
            let mut part = ReadBuf::new(&mut space[..wanted.min(out.remaining()).min(1024)]);
            match Pin::new(&mut this.inner).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            let read = part.filled();
            out.put_slice(read);
            match &mut this.place {
                Place::Head { seen } => {
                    seen.extend_from_slice(read);
                    if seen.len() == PREFACE_BYTES + FRAME_HEAD_BYTES {
                        let length = &seen[PREFACE_BYTES..PREFACE_BYTES + 3];
                        let left = usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
                        this.place = Place::First { left };
                    }
                }
                Place::First { left } => *left -= read.len(),
                Place::Ours { .. } | Place::Rest => {}
            }
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Spliced {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_becomes_frames_of_stream_one() {
        let headers = HeaderMap::from_iter([
            (axum::http::header::HOST, axum::http::HeaderValue::from_static("h")),
            (CONNECTION, axum::http::HeaderValue::from_static("Upgrade")),
        ]);
        let frames = frames_of(&Method::POST, "/ksql", &headers, &Bytes::from_static(b"{}"));
        let mut wanted = Vec::new();
        let mut block = Vec::new();
        for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", "/ksql"), (":authority", "h")] {
            literal(name.as_bytes(), value.as_bytes(), &mut block);
        }
        wanted.extend_from_slice(&[0, 0, block.len() as u8, HEADERS, END_HEADERS, 0, 0, 0, 1]);
        wanted.extend_from_slice(&block);
        wanted.extend_from_slice(&[0, 0, 2, DATA, END_STREAM, 0, 0, 0, 1, b'{', b'}']);
        assert_eq!(frames, wanted);
    }

    #[test]
    fn long_texts_have_long_lengths() {
        let mut out = Vec::new();
        literal(b"n", &[b'x'; 300], &mut out);
        assert_eq!(out[..6], [0, 1, b'n', 127, 173, 1]);
        assert_eq!(out.len(), 6 + 300);
    }
}
