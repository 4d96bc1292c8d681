//! Requests to other servers of the cluster, by HTTP/1.1 over connections that are kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use calzone_engine::cluster::{PeerAnswer, PeerRequest, Transport};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// How long a server may take to accept a connection.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

/// Idle connections that are kept for each server.
const IDLE_CONNECTIONS_MAX: usize = 8;

/// Bytes of an answer: the rows of a table that one server keeps.
const ANSWER_BYTES_MAX: usize = 512 << 20;

type Sender = SendRequest<Full<Bytes>>;

/// Sends requests on the server's runtime. To be called from threads that may block.
#[derive(Clone, Debug)]
pub struct Peers {
    runtime: Handle,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By address.
    idle: Mutex<HashMap<String, Vec<Sender>>>,
    /// Address and path of what was sent and not answered, of requests that nobody waits for.
    telling: Mutex<HashSet<(String, &'static str)>>,
}

impl Peers {
    pub fn new(runtime: Handle) -> Peers {
        Peers { runtime, shared: Arc::default() }
    }
}

impl Transport for Peers {
    fn ask(&self, requests: Vec<PeerRequest>) -> Vec<Result<PeerAnswer, String>> {
        let work: Vec<_> = requests.into_iter().map(|r| self.runtime.spawn(self.shared.clone().send_in_time(r))).collect();
        self.runtime.block_on(async {
            let mut answers = Vec::with_capacity(work.len());
            for answer in work {
                answers.push(answer.await.unwrap_or_else(|e| Err(format!("the request was given up: {e}"))));
            }
            answers
        })
    }

    fn tell(&self, request: PeerRequest) {
        let (shared, what) = (self.shared.clone(), (request.address.clone(), request.path));
        if !shared.telling.lock().unwrap_or_else(PoisonError::into_inner).insert(what.clone()) {
            return;
        }
        self.runtime.spawn(async move {
            if let Err(reason) = shared.clone().send_in_time(request).await {
                tracing::debug!(address = %what.0, path = what.1, %reason, "a server could not be told");
            }
            shared.telling.lock().unwrap_or_else(PoisonError::into_inner).remove(&what);
        });
    }
}

impl Shared {
    async fn send_in_time(self: Arc<Self>, request: PeerRequest) -> Result<PeerAnswer, String> {
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it did not answer within {} ms", timeout.as_millis())),
        }
    }

    async fn send(&self, request: PeerRequest) -> Result<PeerAnswer, String> {
        let body = Bytes::from(request.body.clone());
        // A kept connection may have been closed meanwhile, which shows only when it is used.
        while let Some(mut sender) = self.take_idle(&request.address) {
            if sender.ready().await.is_err() {
                continue;
            }
            match exchange(&mut sender, &request, body.clone()).await {
                Ok(answer) => {
                    self.keep(&request.address, sender);
                    return Ok(answer);
                }
                Err(Fault::Broken(_)) => {}
                Err(Fault::Refused(reason)) => return Err(reason),
            }
        }
        let mut sender = connect(&request.address).await?;
        match exchange(&mut sender, &request, body).await {
            Ok(answer) => {
                self.keep(&request.address, sender);
                Ok(answer)
            }
            Err(Fault::Broken(reason) | Fault::Refused(reason)) => Err(reason),
        }
    }

    fn take_idle(&self, address: &str) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(address)?.pop()
    }

    fn keep(&self, address: &str, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(address.to_owned()).or_default();
        if !sender.is_closed() && kept.len() < IDLE_CONNECTIONS_MAX {
            kept.push(sender);
        }
    }
}

enum Fault {
    /// The connection is of no use.
    Broken(String),
    /// Another connection would make no difference.
    Refused(String),
}

async fn connect(address: &str) -> Result<Sender, String> {
    let stream = match tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(format!("no connection: {e}")),
        Err(_) => return Err(format!("no connection within {} ms", CONNECT_TIME_MAX.as_millis())),
    };
    let _ = stream.set_nodelay(true);
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| format!("no connection: {e}"))?;
    tokio::spawn(async move {
        // What goes wrong shows in the answer.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn exchange(sender: &mut Sender, request: &PeerRequest, body: Bytes) -> Result<PeerAnswer, Fault> {
    let mut built = Request::post(request.path).header(HOST, &request.address).header(CONTENT_TYPE, "application/json");
    if let Some(authorization) = &request.authorization {
        built = built.header(AUTHORIZATION, authorization);
    }
    let built = built.body(Full::new(body)).map_err(|e| Fault::Refused(e.to_string()))?;
    let answer = sender.send_request(built).await.map_err(|e| Fault::Broken(format!("it broke off: {e}")))?;
    let status = answer.status().as_u16();
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Fault::Refused(format!("its answer broke off: {e}")))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(Fault::Refused(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes: ask for fewer rows")));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(PeerAnswer { status, body: bytes })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn request(address: &str) -> PeerRequest {
        PeerRequest {
            address: address.to_owned(),
            path: "/x",
            authorization: Some("Basic eA==".to_owned()),
            body: b"question".to_vec(),
            timeout: Duration::from_millis(500),
        }
    }

    /// Answers one request on each connection, then closes it although it was to be kept.
    async fn closing_server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut read = vec![0; 4096];
                let count = stream.read(&mut read).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&read[..count]).to_lowercase();
                let status = if text.contains("authorization: basic ea==") && text.ends_with("question") { 200 } else { 400 };
                let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok").as_bytes()).await;
            }
        });
        address
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_come_in_order_over_connections_that_may_have_been_closed() {
        let (address, peers) = (closing_server().await, Peers::new(Handle::current()));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent_address = silent.local_addr().unwrap().to_string();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        for _ in 0..3 {
            let requests = vec![request(&gone), request(&address), request(&silent_address)];
            let (peers, asked) = (peers.clone(), requests);
            let answers = tokio::task::spawn_blocking(move || peers.ask(asked)).await.unwrap();
            assert!(answers[0].as_ref().unwrap_err().contains("no connection"), "{:?}", answers[0]);
            let answer = answers[1].as_ref().unwrap();
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
            assert!(answers[2].as_ref().unwrap_err().contains("500 ms"), "{:?}", answers[2]);
        }
    }
}
