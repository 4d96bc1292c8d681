//! A server to ask, and a client that sees each piece of an answer.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// How long a server may take to be ready: far more than it does, for slow machines.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// Kept to its end: a restarted server finds its data.
    pub folder: TempDir,
}

impl Server {
    pub fn start() -> Server {
        Server::start_in(TempDir::new().expect("a folder"), &[])
    }

    pub fn start_in(folder: TempDir, settings: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calzone"));
        command
            .arg("server")
            .arg("--set=listeners=http://127.0.0.1:0")
            .arg(format!("--set=ksql.streams.state.dir={}", folder.path().join("state").display()))
            .args(settings.iter().map(|s| format!("--set={s}")))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (sender, receiver) = std::sync::mpsc::channel();
        // The log is read to its end, or the server would wait for somebody to read it.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("URL             http://") {
                    let _ = sender.send(address.trim().to_owned());
                }
            }
        });
        let address = receiver.recv_timeout(START_TIME_MAX).expect("the server says its address");
        Server { child, address, folder }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for the end; how long that took.
    pub fn stop(mut self, signal: i32) -> (TempDir, Duration, bool) {
        let asked = Instant::now();
        // SAFETY: kill has no preconditions; the process is ours.
        unsafe { libc::kill(self.child.id() as i32, signal) };
        let status = self.child.wait().expect("it ends");
        let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"));
        (folder, asked.elapsed(), status.success())
    }

    pub async fn client(&self, version: Http) -> Client {
        Client::connect(&self.address, version).await
    }

    /// The answer to statements that must succeed. Queries begin with the earliest records, whatever came before them.
    pub async fn ksql(&self, text: &str) -> Value {
        let body = json!({ "ksql": text, "streamsProperties": { "auto.offset.reset": "earliest" } });
        let answer = self.client(Http::One).await.post("/ksql", &body).await;
        assert_eq!(answer.status, 200, "{text}: {}", answer.text());
        answer.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    /// Without TLS, with prior knowledge.
    Two,
}

pub const BOTH: [Http; 2] = [Http::One, Http::Two];

pub enum Client {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub async fn connect(address: &str, version: Http) -> Client {
        let stream = TokioIo::new(TcpStream::connect(address).await.expect("a connection"));
        match version {
            Http::One => {
                let (sender, connection) = http1::handshake(stream).await.expect("HTTP/1.1");
                tokio::spawn(connection);
                Client::One(sender)
            }
            Http::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
                tokio::spawn(connection);
                Client::Two(sender)
            }
        }
    }

    /// The answer as soon as its head is there.
    pub async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).header("host", "calzone.test");
        request = match self {
            Client::One(_) => request.uri(path),
            Client::Two(_) => request.uri(format!("http://calzone.test{path}")),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        match self {
            Client::One(sender) => sender.send_request(request).await,
            Client::Two(sender) => sender.send_request(request).await,
        }
        .expect("an answer")
    }

    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let response = self.open(method, path, headers, body).await;
        Answer::read(response).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string()).await
    }
}

/// A whole answer, and the pieces it came in.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub pieces: Vec<String>,
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> Answer {
        let (parts, mut body) = response.into_parts();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.expect("the answer goes on").into_data()
                && !data.is_empty()
            {
                pieces.push(String::from_utf8_lossy(&data).into_owned());
            }
        }
        Answer { status: parts.status.as_u16(), headers: parts.headers, pieces }
    }

    pub fn text(&self) -> String {
        self.pieces.concat()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn content_type(&self) -> Option<&str> {
        self.headers.get("content-type").and_then(|v| v.to_str().ok())
    }
}

/// The next piece of an answer that is still coming.
pub async fn piece(body: &mut Incoming) -> Option<String> {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.expect("a piece in time")?;
        if let Ok(data) = frame.expect("the answer goes on").into_data()
            && !data.is_empty()
        {
            return Some(String::from_utf8_lossy(&data).into_owned());
        }
    }
}

/// Asks until the answer is as wanted.
pub async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not become true in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
