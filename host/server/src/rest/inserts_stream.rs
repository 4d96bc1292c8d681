//! `POST /inserts-stream`: rows from a client, each acknowledged when it is durable.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Version;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use calzone_engine::RowInserter;
use calzone_types::RecordBatch;
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::accept::{Offer, choose};
use super::request;
use crate::app::App;
use crate::error::{Failure, Form};

/// Bytes of one line. Kafka takes records of one megabyte by default.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Acknowledgements that wait for the client before no further rows are read.
const ACKNOWLEDGEMENTS_WAITING: usize = 1024;

/// How acknowledgements are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    Lines,
    JsonArray,
}

const TYPES: &[(&str, Acks)] = &[
    ("application/vnd.ksqlapi.delimited.v1", Acks::Lines),
    ("application/vnd.ksql.v1+json", Acks::Lines),
    ("application/json", Acks::JsonArray),
];

pub async fn inserts_stream(State(app): State<App>, http: Request) -> Response {
    let offer = Offer { types: TYPES, default: Acks::Lines, wildcard: Acks::Lines };
    let Some(acks) = choose(http.headers(), &offer) else { return super::refuse() };
    if http.version() != Version::HTTP_2 {
        let message = "rows are inserted over HTTP/2 only, as HTTP/1.1 cannot answer while it is still sent to";
        return Failure::generic(40004, message).in_form(Form::Bare).into_response();
    }
    match start(&app, http, acks).await {
        Ok(response) => response,
        Err(failure) => failure.in_form(Form::Streamed).into_response(),
    }
}

/// Reads the first line and answers; rows and acknowledgements go on in a task.
async fn start(app: &App, http: Request, acks: Acks) -> Result<Response, Failure> {
    let mut lines = Lines { body: http.into_body(), waiting: BytesMut::new(), ended: false };
    let head = match lines.next().await {
        Ok(Some(head)) => head,
        Ok(None) => return Err(Failure::bad_request("the body is empty: send {\"target\":\"STREAM\"} and then a row a line")),
        Err(message) => return Err(Failure::bad_request(message)),
    };
    let head: Value =
        serde_json::from_slice(&head).map_err(|e| Failure::bad_request(format!("the first line is not JSON: {e}")))?;
    let head =
        head.as_object().ok_or_else(|| Failure::bad_request("the first line must be an object with the field 'target'"))?;
    let target =
        request::text(head, "target")?.ok_or_else(|| Failure::bad_request("the first line has no field 'target'"))?.to_owned();
    request::settings(head, "properties")?;
    let names = super::names(app);
    let inserter = app.blocking(move |engine| engine.row_inserter(&target)).await.map_err(|mut e| {
        e.statement = None;
        Failure::of(&e, &names)
    })?;
    let (sender, receiver) = mpsc::channel(ACKNOWLEDGEMENTS_WAITING);
    tokio::spawn(insert_rows(app.clone(), lines, inserter, acks, sender));
    Ok(Response::new(Body::new(AckBody { receiver })))
}

async fn insert_rows(app: App, mut lines: Lines, inserter: RowInserter, acks: Acks, sender: mpsc::Sender<Bytes>) {
    let mut sequence: u64 = 0;
    let mut failed = None;
    while failed.is_none() {
        let mut records = RecordBatch::default();
        let mut count = 0;
        match lines.next_group().await {
            Ok(group) if group.is_empty() => break,
            Ok(group) => {
                for line in group {
                    match add_row(&inserter, &line, &mut records) {
                        Ok(()) => count += 1,
                        Err(message) => {
                            failed = Some((40000, message));
                            break;
                        }
                    }
                }
            }
            Err(message) => failed = Some((40000, message)),
        }
        if count > 0 {
            let topic = inserter.topic().to_owned();
            match app.blocking(move |engine| engine.append_records(&topic, &records)).await {
                Ok(_) => {
                    for _ in 0..count {
                        let ack = json!({ "seq": sequence, "status": "ok" });
                        if sender.send(piece(&ack, sequence, acks)).await.is_err() {
                            return;
                        }
                        sequence += 1;
                    }
                }
                Err(e) => failed = Some((50000, e.message)),
            }
        }
    }
    if let Some((code, message)) = failed {
        let error = json!({ "@type": "InsertError", "status": "error", "seq": sequence, "message": message, "error_code": code });
        if sender.send(piece(&error, sequence, acks)).await.is_err() {
            return;
        }
        sequence += 1;
    }
    if acks == Acks::JsonArray {
        let end: &'static [u8] = if sequence == 0 { b"[]" } else { b"]" };
        let _ = sender.send(Bytes::from_static(end)).await;
    }
}

fn piece(value: &Value, sequence: u64, acks: Acks) -> Bytes {
    Bytes::from(match (acks, sequence) {
        (Acks::Lines, _) => format!("{value}\n"),
        (Acks::JsonArray, 0) => format!("[{value}"),
        (Acks::JsonArray, _) => format!(",{value}"),
    })
}

fn add_row(inserter: &RowInserter, line: &[u8], records: &mut RecordBatch) -> Result<(), String> {
    let row: Map<String, Value> = match serde_json::from_slice(line) {
        Ok(Value::Object(row)) => row,
        Ok(_) => return Err("a row must be a JSON object with a field for each column".into()),
        Err(e) => return Err(format!("the row is not JSON: {e}")),
    };
    inserter.add(&row, records)
}

/// The lines of a body.
struct Lines {
    body: Body,
    waiting: BytesMut,
    ended: bool,
}

impl Lines {
    /// The next line that is not blank; `None` at the end. The last one needs no line end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            while let Some(line) = self.take_line() {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            self.read_more().await?;
        }
    }

    /// All whole lines that are there, at least one; none at the end.
    async fn next_group(&mut self) -> Result<Vec<Bytes>, String> {
        let Some(first) = self.next().await? else { return Ok(Vec::new()) };
        let mut group = vec![first];
        while let Some(line) = self.take_line() {
            if !line.iter().all(u8::is_ascii_whitespace) {
                group.push(line);
            }
        }
        Ok(group)
    }

    fn take_line(&mut self) -> Option<Bytes> {
        match self.waiting.iter().position(|b| *b == b'\n') {
            Some(end) => {
                let line = self.waiting.split_to(end + 1).freeze();
                Some(line.slice(..end))
            }
            None if self.ended && !self.waiting.is_empty() => Some(self.waiting.split().freeze()),
            None => None,
        }
    }

    async fn read_more(&mut self) -> Result<(), String> {
        match self.body.frame().await {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.waiting.extend_from_slice(&data);
                }
                if self.waiting.len() > LINE_BYTES_MAX && !self.waiting.contains(&b'\n') {
                    return Err(format!("a line is longer than {LINE_BYTES_MAX} bytes"));
                }
            }
            Some(Err(e)) => return Err(format!("the body did not arrive: {e}")),
        }
        Ok(())
    }
}

/// Acknowledgements, each a piece of its own.
struct AckBody {
    receiver: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for AckBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(context).map(|piece| piece.map(|p| Ok(Frame::data(p))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_do_not_depend_on_how_they_come() {
        for parts in [vec!["a\nb\n\nc"], vec!["a\n", "b", "\n", " \nc"], vec!["a", "\nb\n", "c"]] {
            let pieces = crate::rows::Pieces::new(parts.iter().map(|p| Bytes::from_static(p.as_bytes())));
            let mut lines = Lines { body: Body::new(pieces), waiting: BytesMut::new(), ended: false };
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            assert_eq!(all, [&b"a"[..], b"b", b"c"], "{parts:?}");
        }
    }
}
