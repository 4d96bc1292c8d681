//! Rows from a client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::{Answer, Http, Server, piece};

/// A body whose pieces are sent while the answer comes.
struct Upload(mpsc::UnboundedReceiver<Bytes>);

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|p| Ok(Frame::data(p))))
    }
}

async fn open(server: &Server, accept: &str, head: &str) -> (mpsc::UnboundedSender<Bytes>, Response<Incoming>) {
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (rows, upload) = mpsc::unbounded_channel();
    rows.send(Bytes::from(format!("{head}\n"))).unwrap();
    let request = Request::post("http://calzone.test/inserts-stream").header("accept", accept).body(Upload(upload)).unwrap();
    (rows, sender.send_request(request).await.unwrap())
}

const STREAM: &str = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);";

#[tokio::test]
async fn every_row_is_acknowledged() {
    let server = Server::start();
    server.ksql(STREAM).await;
    // The answer's head is there before any row is sent.
    let (rows, response) = open(&server, "*/*", r#"{"target":"s"}"#).await;
    assert_eq!(response.status(), 200);
    let mut acks = response.into_body();
    for seq in 0..3 {
        rows.send(Bytes::from(format!("{{\"k\":\"a\",\"V\":{seq}}}\n"))).unwrap();
        let ack: Value = serde_json::from_str(&piece(&mut acks).await.unwrap()).unwrap();
        assert_eq!(ack, json!({ "seq": seq, "status": "ok" }));
    }
    // Rows in any split, and the last without a line end.
    rows.send(Bytes::from_static(b"{\"k\":\"b\"")).unwrap();
    rows.send(Bytes::from_static(b",\"v\":8}\n{\"k\":\"c\",\"v\":9}")).unwrap();
    drop(rows);
    assert_eq!(piece(&mut acks).await.as_deref(), Some("{\"seq\":3,\"status\":\"ok\"}\n"));
    assert_eq!(piece(&mut acks).await.as_deref(), Some("{\"seq\":4,\"status\":\"ok\"}\n"));
    assert_eq!(piece(&mut acks).await, None);
    let body = json!({ "sql": "SELECT v FROM s;", "properties": { "auto.offset.reset": "earliest" } });
    let answer = server.client(Http::One).await.post("/query-stream", &body).await;
    assert_eq!(answer.pieces[1..].concat(), "[0]\n[1]\n[2]\n[8]\n[9]\n");
}

#[tokio::test]
async fn a_bad_row_ends_it_and_says_why() {
    let server = Server::start();
    server.ksql(STREAM).await;
    let (rows, response) = open(&server, "application/json", r#"{"target":"S"}"#).await;
    rows.send(Bytes::from_static(b"{\"K\":\"a\",\"V\":1}\n{\"K\":\"b\",\"V\":[1]}\n{\"K\":\"c\",\"V\":3}\n")).unwrap();
    let answer = Answer::read(response).await.json();
    assert_eq!(answer[0], json!({ "seq": 0, "status": "ok" }));
    assert_eq!(
        (&answer[1]["@type"], &answer[1]["seq"], &answer[1]["status"]),
        (&json!("InsertError"), &json!(1), &json!("error"))
    );
    assert_eq!(answer.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn requests_that_cannot_begin() {
    let server = Server::start();
    server.ksql(STREAM).await;
    for (head, code) in [
        (r#"{"target":"nosuch"}"#, 40001),
        (r#"{"targ"#, 40000),
        (r#"{"x":1}"#, 40000),
        (r#"{"target":null}"#, 40000),
        ("[]", 40000),
    ] {
        let (rows, response) = open(&server, "*/*", head).await;
        drop(rows);
        let answer = Answer::read(response).await;
        assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!(code)), "{head}");
    }
    let mut client = server.client(Http::One).await;
    let answer = client.send(Method::POST, "/inserts-stream", &[], "{\"target\":\"s\"}\n{}").await;
    assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!(40004)));
}
