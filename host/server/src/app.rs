//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use calzone_engine::{Engine, StatementError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Plugins that are being uploaded at a time: each is wholly in memory. Others are not read before it is their turn.
const UPLOADS_MAX: usize = 4;

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
            Err(_) => Err(StatementError::new(calzone_engine::ErrorKind::Unavailable, "the server is stopping")),
        }
    }
}
