//! Heartbeats and lags: what servers tell each other directly, if that is switched on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Cluster, HostLags, PeerRequest};
use crate::engine::Engine;
use crate::query::now_ms;

/// How long a heartbeat or a report of lags may be on its way.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);
/// How fast the threads notice that the server stops.
const STEP: Duration = Duration::from_millis(200);

/// Body of `POST /heartbeat`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heartbeat {
    /// `host:port`
    host_info: String,
    /// Milliseconds since the epoch, by the sender's clock.
    timestamp: i64,
}

/// Body of `POST /lag`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LagReport {
    ksql_host: String,
    host_store_lags: HostLags,
}

/// Starts the threads that the settings ask for; they end with the engine.
pub(crate) fn start(engine: Weak<Engine>, cluster: &Arc<Cluster>) -> std::io::Result<()> {
    if let Some(heartbeat) = cluster.settings.heartbeat.clone() {
        let (engine, cluster) = (engine.clone(), cluster.clone());
        std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            let mut checked = Instant::now();
            while engine.upgrade().is_some_and(|engine| !engine.is_stopping()) {
                cluster.tell_all("/heartbeat", &|| Heartbeat { host_info: cluster.address.clone(), timestamp: now_ms() });
                if checked.elapsed() >= heartbeat.check_interval {
                    checked = Instant::now();
                    cluster.checked_ms.store(now_ms(), Ordering::Relaxed);
                }
                std::thread::sleep(heartbeat.send_interval.min(Duration::from_secs(60)));
            }
        })?;
    }
    if let Some(interval) = cluster.settings.lag_interval {
        let cluster = cluster.clone();
        std::thread::Builder::new().name("lag".into()).spawn(move || {
            let mut next = Instant::now();
            loop {
                let Some(engine) = engine.upgrade().filter(|engine| !engine.is_stopping()) else { return };
                if Instant::now() >= next {
                    next = Instant::now() + interval;
                    if !cluster.is_alone() {
                        let lags = engine.measure_lags();
                        let report = || LagReport { ksql_host: cluster.address.clone(), host_store_lags: lags.clone() };
                        cluster.tell_all("/lag", &report);
                    }
                }
                drop(engine);
                std::thread::sleep(STEP.min(interval));
            }
        })?;
    }
    Ok(())
}

impl Cluster {
    fn tell_all<T: Serialize>(&self, path: &'static str, message: &dyn Fn() -> T) {
        for address in self.others() {
            let body = serde_json::to_vec(&message()).expect("messages are plain data");
            self.transport.tell(PeerRequest { address, path, authorization: None, body, timeout: TELL_TIMEOUT });
        }
    }
}

impl Engine {
    /// Takes a heartbeat of another server. The error says what is wrong with it; false: heartbeats are off.
    pub fn take_heartbeat(&self, body: &[u8]) -> Result<bool, String> {
        let Some(cluster) = self.cluster.as_ref().filter(|c| c.settings.heartbeat.is_some()) else { return Ok(false) };
        let heartbeat: Heartbeat = serde_json::from_slice(body).map_err(|e| format!("the body is no heartbeat: {e}"))?;
        if let Some(member) = cluster.members().at_mut(&heartbeat.host_info) {
            // By this server's clock: those of others may differ.
            member.heartbeat_ms = Some(now_ms());
        }
        Ok(true)
    }

    /// Takes another server's report of its lags; false: such reports are off.
    pub fn take_lags(&self, body: &[u8]) -> Result<bool, String> {
        let Some(cluster) = self.cluster.as_ref().filter(|c| c.settings.lag_interval.is_some()) else { return Ok(false) };
        let report: LagReport = serde_json::from_slice(body).map_err(|e| format!("the body is no report of lags: {e}"))?;
        if let Some(member) = cluster.members().at_mut(&report.ksql_host) {
            member.lags = Some(report.host_store_lags);
        }
        Ok(true)
    }
}
