//! One port for HTTP/1.1 and for HTTP/2 without TLS, with prior knowledge and by `Upgrade: h2c`.

mod endpoints;
mod request_line;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Method, Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

pub use endpoints::follow as follow_endpoints;
use request_line::QuotedRequestLine;

/// Requests of one HTTP/2 connection at a time, as ksqlDB announces it.
const STREAMS_MAX: u32 = 100;

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: u32 = 8192;

/// Connections at a time; further ones wait to be accepted. Each costs a few kilobytes when idle.
const CONNECTIONS_MAX: usize = 4096;

/// How long a client may take to send a request's headers.
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);

/// Rest after an accept failed, which happens when the process has too many files open.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Whose paths are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Those of the REST interface, whose routes are the same with a slash at the end.
    Rest,
    /// Those of an endpoint, which sees them as they were sent.
    AsSent,
}

/// Accepts connections until told to stop, then waits until those there are have ended.
pub async fn accept(listener: TcpListener, router: Router, paths: Paths, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &room) => accepted,
            Some(_) = connections.join_next() => continue,
            () = requested(&mut stopped) => break,
        };
        match accepted {
            Ok((stream, permit)) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    serve(stream, router, paths, stopped).await;
                    drop(permit);
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // Free for others at once, while answers may still be on their way.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept_one(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<tokio::sync::OwnedSemaphorePermit>)> {
    // The semaphore is never closed.
    let permit = room.clone().acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

/// Returns when the server is to stop.
async fn requested(stopped: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask, which is the same.
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn serve(stream: TcpStream, router: Router, paths: Paths, mut stopped: watch::Receiver<bool>) {
    // Rows are small and each is to arrive when it is there.
    let _ = stream.set_nodelay(true);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let inner = inner.clone();
        async move {
            if upgrade::is_requested(&request) {
                return Ok(upgrade::accept(request, inner, paths).await);
            }
            inner.call(normalise(request.map(Body::new), paths)).await
        }
    });
    let builder = builder();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(QuotedRequestLine::new(stream)), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = requested(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(e) = result {
        // Clients that leave in the middle of a stream of rows are no news.
        tracing::debug!(error = %e, "connection ended");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX).auto_date_header(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX);
    builder
}

/// Routes are the same with a slash at the end. HEAD is not answered by ksqlDB's routes, so it becomes a path that is none.
/// Endpoints get what was sent.
fn normalise(mut request: Request<Body>, paths: Paths) -> Request<Body> {
    let path = request.uri().path();
    if paths == Paths::AsSent || path.starts_with("/endpoints/") {
        return request;
    }
    let routed = match request.method() {
        &Method::HEAD => Some("/head".to_owned()),
        _ if path.len() > 1 && path.ends_with('/') => Some(path.trim_end_matches('/').to_owned()).filter(|p| !p.is_empty()),
        _ => None,
    };
    if let Some(mut routed) = routed {
        if let Some(query) = request.uri().query() {
            routed = format!("{routed}?{query}");
        }
        if let Ok(uri) = routed.parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}
