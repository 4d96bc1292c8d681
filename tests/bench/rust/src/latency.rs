//! How long clients wait: for the row of a record that was just produced, and for the answer of a pull query.

use crate::arguments::Arguments;
use crate::librdkafka::Producer;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Rows of the first moments are not counted: clients connect, caches fill.
const WARM_UP: Duration = Duration::from_secs(1);
/// After the last record, rows are awaited for so long.
const QUIET_TIME_MAX: Duration = Duration::from_secs(5);

type Body = BoxBody<Bytes, Infallible>;

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| e.to_string())
}

fn micros_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

fn post(path: &str, body: Body) -> Result<Request<Body>, String> {
    let request = Request::post(format!("http://localhost{path}")).header("host", "localhost");
    request.header("content-type", "application/json").body(body).map_err(|e| e.to_string())
}

fn whole(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed()
}

async fn connect(server: &str) -> Result<TokioIo<TcpStream>, String> {
    let stream = TcpStream::connect(server).await.map_err(|e| format!("{server}: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(TokioIo::new(stream))
}

async fn send_http2(server: &str, request: Request<Body>) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), connect(server).await?).await.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    // The connection ends with its last sender.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(sender);
    });
    Ok(response)
}

/// From a record of the stream `pings` (id, sent) to its row in a push query's answer. With `--brokers` records are
/// produced to the topic `pings`, without it they are sent to the server's `/inserts-stream`.
pub fn push(arguments: &Arguments) -> Result<String, String> {
    let server = arguments.text("server")?.to_owned();
    let (rate, seconds) = (arguments.number("rate")? as u64, arguments.number("seconds")? as u64);
    let brokers = arguments.optional("brokers").map(str::to_owned);
    runtime()?.block_on(async move {
        let sql = r#"{"sql":"SELECT id, sent FROM pings EMIT CHANGES;","properties":{"auto.offset.reset":"latest"}}"#;
        let mut rows = send_http2(&server, post("/query-stream", whole(sql.to_owned()))?).await?.into_body();
        // The first frame is the header; the query reads by then, or soon.
        let _ = rows.frame().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let total = rate * seconds;
        let (lines, waiting) = mpsc::unbounded_channel();
        let sending = match brokers {
            Some(brokers) => std::thread::spawn(move || {
                let mut producer = Producer::with_linger(&brokers, &["pings"], None, "1")?;
                paced(rate, total, |line| {
                    producer.poll();
                    producer.send(0, -1, b"k", line.as_bytes())
                })
            }),
            None => {
                let body = StreamBody::new(Lines { waiting, first: Some("{\"target\":\"PINGS\"}\n") }).boxed();
                let mut acks = send_http2(&server, post("/inserts-stream", body)?).await?.into_body();
                tokio::spawn(async move { while acks.frame().await.is_some_and(|frame| frame.is_ok()) {} });
                std::thread::spawn(move || paced(rate, total, |line| lines.send(line + "\n").map_err(|e| e.to_string())))
            }
        };
        let mut latencies = Vec::with_capacity(total as usize);
        let (mut text, mut seen) = (Vec::new(), 0);
        let first_counted = rate * WARM_UP.as_secs();
        while seen < total {
            let frame = tokio::time::timeout(Duration::from_secs(seconds) + QUIET_TIME_MAX, rows.frame());
            let Ok(Some(frame)) = frame.await else { break };
            let now = micros_now();
            text.extend_from_slice(&frame.map_err(|e| e.to_string())?.into_data().unwrap_or_default());
            while let Some(end) = text.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Some((id, sent)) = ping(&line) else { continue };
                seen += 1;
                if id >= first_counted {
                    latencies.push((now - sent).max(0) as u64);
                }
            }
        }
        sending.join().map_err(|_| "the producing thread panicked")??;
        if seen < total {
            return Err(format!("{seen} rows came of {total} records"));
        }
        Ok(summary(&mut latencies, seconds as f64))
    })
}

/// `[id,sent]`
fn ping(line: &[u8]) -> Option<(u64, i64)> {
    let text = std::str::from_utf8(line).ok()?.trim().strip_prefix('[')?.strip_suffix(']')?;
    let (id, sent) = text.split_once(',')?;
    Some((id.trim().parse().ok()?, sent.trim().parse().ok()?))
}

/// Calls `send` so often a second, each with a row that says when.
fn paced(rate: u64, total: u64, mut send: impl FnMut(String) -> Result<(), String>) -> Result<(), String> {
    let started = Instant::now();
    for id in 0..total {
        let due = started + Duration::from_nanos(id * 1_000_000_000 / rate);
        if let Some(left) = due.checked_duration_since(Instant::now()) {
            std::thread::sleep(left);
        }
        send(format!(r#"{{"id":{id},"sent":{}}}"#, micros_now()))?;
    }
    Ok(())
}

/// A request's body that goes on as lines come.
struct Lines {
    waiting: mpsc::UnboundedReceiver<String>,
    first: Option<&'static str>,
}

impl futures_core::Stream for Lines {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(first.as_bytes())))));
        }
        self.waiting.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(Bytes::from(line)))))
    }
}

/// Pull queries for single keys `User_<n>` of a table, on so many connections: at a rate, measured from when each was due,
/// or as fast as answers come.
pub fn pull(arguments: &Arguments) -> Result<String, String> {
    let (server, table) = (arguments.text("server")?.to_owned(), arguments.text("table")?.to_owned());
    let (keys, connections) = (arguments.number("keys")? as u64, arguments.number("connections")? as u64);
    let rate = arguments.optional("rate").and_then(|v| v.parse::<u64>().ok());
    let seconds = arguments.number("seconds")? as u64;
    runtime()?.block_on(async move {
        let started = Instant::now();
        let mut workers = Vec::new();
        for number in 0..connections {
            let (server, table) = (server.clone(), table.clone());
            let step = rate.map(|rate| Duration::from_nanos(1_000_000_000 * connections / rate));
            workers.push(tokio::spawn(async move {
                let (mut sender, connection) = http1::handshake(connect(&server).await?).await.map_err(|e| e.to_string())?;
                tokio::spawn(connection);
                let mut latencies = Vec::new();
                let mut random = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                for turn in 0u32.. {
                    let due = match step {
                        Some(step) => started + step * turn + step * number as u32 / connections as u32,
                        None => Instant::now(),
                    };
                    if due > started + WARM_UP + Duration::from_secs(seconds) {
                        break;
                    }
                    tokio::time::sleep_until(due.into()).await;
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let key = (random >> 33) % keys;
                    let body = whole(format!(r#"{{"sql":"SELECT * FROM {table} WHERE k = 'User_{key}';"}}"#));
                    sender.ready().await.map_err(|e| e.to_string())?;
                    let response = sender.send_request(post("/query-stream", body)?).await.map_err(|e| e.to_string())?;
                    let answer = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
                    if answer.iter().filter(|b| **b == b'\n').count() < 2 {
                        return Err(format!("no row for User_{key}: {}", String::from_utf8_lossy(&answer)));
                    }
                    if due > started + WARM_UP {
                        latencies.push(due.elapsed().as_micros() as u64);
                    }
                }
                Ok(latencies)
            }));
        }
        let mut latencies = Vec::new();
        for worker in workers {
            latencies.extend(worker.await.map_err(|e| e.to_string())??);
        }
        Ok(summary(&mut latencies, seconds as f64))
    })
}

fn summary(latencies: &mut [u64], seconds: f64) -> String {
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).map_or(0.0, |us| *us as f64 / 1000.0);
    let max = latencies.last().map_or(0.0, |us| *us as f64 / 1000.0);
    format!(
        r#"{{"count":{},"per_second":{:.0},"p50_ms":{:.3},"p99_ms":{:.3},"max_ms":{max:.3}}}"#,
        latencies.len(),
        latencies.len() as f64 / seconds,
        at(0.5),
        at(0.99)
    )
}
