//! `GET /ws/query`: rows over a web socket.

use std::collections::HashMap;

use arrow_array::ArrayRef;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use calzone_engine::{PrintLine, QueryEnd, RowEvent, Rows, Session};
use calzone_formats::json::write_api_cell;
use calzone_types::Schema;
use serde_json::{Value, json};

use super::request;
use crate::app::App;
use crate::entity::field_json;

const CLOSE_NORMAL: u16 = 1000;
const CLOSE_UNSUPPORTED: u16 = 1003;

/// Bytes of a close frame's reason, by RFC 6455.
const REASON_BYTES_MAX: usize = 123;

pub async fn ws_query(
    State(app): State<App>,
    Query(parameters): Query<HashMap<String, String>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let authorization = request::authorization(&headers);
    upgrade.on_upgrade(move |mut socket| async move {
        let (code, text) = match send_rows(&app, &parameters, authorization, &mut socket).await {
            Ok(()) => (CLOSE_NORMAL, "done".to_owned()),
            Err(Some(message)) => (CLOSE_UNSUPPORTED, message),
            // The client has left.
            Err(None) => return,
        };
        let _ = send(&mut socket, json!({ "error": text }).to_string()).await;
        let mut end = text.len().min(REASON_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let close = CloseFrame { code, reason: text[..end].into() };
        let _ = socket.send(Message::Close(Some(close))).await;
    })
}

type Ended = Result<(), Option<String>>;

async fn send(socket: &mut WebSocket, text: String) -> Ended {
    socket.send(Message::Text(text.into())).await.map_err(|_| None)
}

async fn send_rows(
    app: &App,
    parameters: &HashMap<String, String>,
    authorization: Option<String>,
    socket: &mut WebSocket,
) -> Ended {
    let request = parameters.get("request").ok_or_else(|| Some("the query parameter 'request' is missing".to_owned()))?;
    let body: Value =
        serde_json::from_str(request).map_err(|e| Some(format!("the query parameter 'request' is not JSON: {e}")))?;
    let body = body.as_object().ok_or_else(|| Some("the query parameter 'request' must be a JSON object".to_owned()))?;
    let failed = |f: crate::error::Failure| Some(f.body["message"].as_str().unwrap_or_default().to_owned());
    let text = request::text(body, "ksql").map_err(failed)?.unwrap_or_default().to_owned();
    let session = request::session(body, "streamsProperties").map_err(failed)?;
    let session = Session { authorization, ..session };
    match app.blocking(move |engine| engine.query(&text, &session)).await.map_err(|e| Some(e.message))? {
        Rows::Pull(pull) => {
            send(socket, header(&pull.schema)).await?;
            let columns: Vec<&ArrayRef> = pull.columns.iter().collect();
            for row in 0..pull.rows {
                send(socket, row_text(&pull.schema, &columns, row, true)).await?;
            }
            Ok(())
        }
        Rows::Stream(mut stream) => {
            send(socket, header(&stream.schema)).await?;
            loop {
                let batch = tokio::select! {
                    event = stream.rows.recv() => match event {
                        Some(RowEvent::Rows(batch)) => batch,
                        Some(RowEvent::End(QueryEnd::Failed(message))) => return Err(Some(message)),
                        Some(RowEvent::End(_)) | None => return Ok(()),
                    },
                    message = socket.recv() => match message {
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
                        Some(Ok(_)) => continue,
                    },
                };
                let columns: Vec<&ArrayRef> = stream.columns.iter().map(|c| &batch.new.columns[*c]).collect();
                for row in 0..batch.len() {
                    send(socket, row_text(&stream.schema, &columns, row, batch.new.is_live(row))).await?;
                }
            }
        }
        Rows::Print(mut stream) => loop {
            let line = tokio::select! {
                line = stream.lines.recv() => line,
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(None),
                    Some(Ok(_)) => continue,
                },
            };
            match line {
                Some(PrintLine::Record(text)) => send(socket, Value::String(text).to_string()).await?,
                Some(PrintLine::Failed(message)) => return Err(Some(message)),
                Some(PrintLine::KeyFormat(_) | PrintLine::ValueFormat(_)) => {}
                None => return Ok(()),
            }
        },
    }
}

fn header(schema: &Schema) -> String {
    schema.columns.iter().map(field_json).collect::<Value>().to_string()
}

fn row_text(schema: &Schema, columns: &[&ArrayRef], row: usize, live: bool) -> String {
    let mut out = br#"{"row":{"columns":["#.to_vec();
    for (at, (array, column)) in columns.iter().zip(schema.columns.iter()).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_api_cell(array.as_ref(), &column.ty, row, &mut out);
    }
    out.extend_from_slice(if live { b"]}}" } else { br#"],"tombstone":true}}"# });
    String::from_utf8_lossy(&out).into_owned()
}
