//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use calzone_engine::{Engine, ErrorKind, StatementError};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// Plugins that are being uploaded at a time: each is wholly in memory. Others are not read before it is their turn.
const UPLOADS_MAX: usize = 4;

/// Requests of other servers that are worked on at a time; further ones queue.
const PEER_REQUESTS_MAX: usize = 64;

/// Shared by all requests; clones are handles to the same.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<Engine>,
    /// Asked once: it does not change.
    cluster_id: String,
    /// `host:port`, as other parts of ksqlDB's answers name this server.
    host: String,
    started: Instant,
    uploads: Semaphore,
    /// Requests of other servers that are worked on at a time.
    peer_requests: Semaphore,
    /// Set by POST /ksql/terminate: the cluster's statements are over.
    terminated: AtomicBool,
}

impl App {
    pub fn new(engine: Arc<Engine>, host: String) -> App {
        let cluster_id = engine.log().cluster_id();
        let shared = Shared {
            engine,
            cluster_id,
            host,
            started: Instant::now(),
            uploads: Semaphore::new(UPLOADS_MAX),
            peer_requests: Semaphore::new(PEER_REQUESTS_MAX),
            terminated: AtomicBool::new(false),
        };
        App { shared: Arc::new(shared) }
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    pub fn service_id(&self) -> &str {
        &self.shared.engine.options().service_id
    }

    pub fn host(&self) -> &str {
        &self.shared.host
    }

    pub fn started(&self) -> Instant {
        self.shared.started
    }

    /// The right to upload; waits for those that are uploading.
    pub async fn upload_turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.shared.uploads.acquire().await.ok()
    }

    pub fn is_terminated(&self) -> bool {
        self.shared.terminated.load(Ordering::Acquire)
    }

    pub fn set_terminated(&self) {
        self.shared.terminated.store(true, Ordering::Release);
    }

    /// Calls the engine on a thread that may wait, so that no other request does.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, StatementError> + Send + 'static,
    ) -> Result<T, StatementError> {
        let engine = self.shared.engine.clone();
        match tokio::task::spawn_blocking(move || work(&engine)).await {
            Ok(result) => result,
            Err(e) if e.is_panic() => Err(StatementError::internal("a fault of the server itself; its log has the details")),
            Err(_) => Err(StatementError::new(ErrorKind::Unavailable, "the server is stopping")),
        }
    }

    /// Calls the engine for another server, on a thread of its own: those of [`App::blocking`] may all wait for answers of other
    /// servers, which may wait for this one.
    pub async fn for_peer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, StatementError> + Send + 'static,
    ) -> Result<T, StatementError> {
        let failed = |what: &str| StatementError::internal(format!("{what}; the server's log has the details"));
        let _permit = self.shared.peer_requests.acquire().await.map_err(|_| failed("no requests are taken"))?;
        let engine = self.shared.engine.clone();
        let (done, result) = oneshot::channel();
        let thread = std::thread::Builder::new().name("peer".into()).spawn(move || drop(done.send(work(&engine))));
        thread.map_err(|e| StatementError::internal(format!("no thread for a request of another server: {e}")))?;
        result.await.map_err(|_| failed("a fault of the server itself"))?
    }
}
