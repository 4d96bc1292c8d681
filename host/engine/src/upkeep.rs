//! What has to be done every now and then: old records are removed from the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use calzone_log::{LogError, TopicPartition};

use crate::engine::Engine;
use crate::query::now_ms;

/// As Kafka Streams' `repartition.purge.interval.ms`.
const INTERVAL: Duration = Duration::from_secs(30);
/// How fast the thread notices that the server stops.
const STEP: Duration = Duration::from_millis(200);

/// The thread that does it. Dropping it ends the thread without waiting.
pub(crate) struct Upkeep {
    stopping: Arc<AtomicBool>,
}

impl Upkeep {
    pub(crate) fn start(engine: Weak<Engine>) -> std::io::Result<Upkeep> {
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        std::thread::Builder::new().name("upkeep".into()).spawn(move || {
            let mut next = Instant::now() + INTERVAL;
            while !stop.load(Ordering::Acquire) {
                std::thread::sleep(STEP);
                if Instant::now() >= next {
                    let Some(engine) = engine.upgrade() else { return };
                    run(&engine);
                    next = Instant::now() + INTERVAL;
                }
            }
        })?;
        Ok(Upkeep { stopping })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
    }
}

fn run(engine: &Engine) {
    if let Err(error) = engine.log().maintain(now_ms()) {
        tracing::warn!(%error, "old records could not be removed from the embedded log; it will be tried again");
    }
    for (group, topic) in engine.repartition_topics() {
        match purge(engine, &group, &topic) {
            // The query may be on its way out, or on its way in.
            Ok(()) | Err(LogError::TopicMissing { .. }) => {}
            Err(error) => {
                tracing::warn!(topic, %error, "records that were processed could not be removed; it will be tried again");
            }
        }
    }
}

/// Nobody reads a record of a repartition topic again once its query has committed what came of it.
fn purge(engine: &Engine, group: &str, topic: &str) -> Result<(), LogError> {
    let committed = engine.log().committed(group, topic)?;
    let held = engine.log().offsets(topic)?;
    for (partition, (committed, held)) in committed.into_iter().zip(held).enumerate() {
        if let Some(offset) = committed.filter(|offset| *offset > held.earliest) {
            engine.log().trim(&TopicPartition::new(topic, partition as i32), offset)?;
        }
    }
    Ok(())
}
