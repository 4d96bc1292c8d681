//! How servers of a cluster reach each other; the engine does not know by what protocol.

use std::time::Duration;

/// A request to another server.
#[derive(Clone, Debug)]
pub struct PeerRequest {
    /// `host:port`
    pub address: String,
    pub path: &'static str,
    /// Credentials of whoever asked this server.
    pub authorization: Option<String>,
    pub body: Vec<u8>,
    /// The answer is not waited for any longer.
    pub timeout: Duration,
}

/// Its answer, whatever it says.
#[derive(Clone, Debug)]
pub struct PeerAnswer {
    /// As in HTTP: 200 is well.
    pub status: u16,
    pub body: Vec<u8>,
}

/// Sends requests to other servers.
pub trait Transport: Send + Sync + std::fmt::Debug {
    /// Sends all at once and waits for the answers, which come in the same order. An error says why there is none.
    fn ask(&self, requests: Vec<PeerRequest>) -> Vec<Result<PeerAnswer, String>>;

    /// Sends without waiting; what becomes of it is not told. Nothing is sent to a server that has yet to answer the last one of that
    /// path.
    fn tell(&self, request: PeerRequest);
}
