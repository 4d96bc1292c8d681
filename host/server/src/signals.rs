//! The signals that end the server.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first Ctrl-C or SIGTERM, with its name.
pub async fn stop_requested() -> &'static str {
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        tracing::error!("signals cannot be caught: end the server by POST /ksql/terminate or by killing it");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
