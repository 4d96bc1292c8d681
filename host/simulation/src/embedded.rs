//! The real embedded log, whose commits are struck by faults.

use std::sync::Arc;
use std::time::Duration;

use calzone_log::{CommitOutcome, EmbeddedLog, Event, Result, TopicPartition, WakeHandle, Worker};
use calzone_state::WriteBatch;
use calzone_types::RecordBatch;

use crate::cluster::{is_too_large, too_large};
use crate::link::{CommitFault, Link, retriable};
use crate::wrapped::WrappedLog;

/// The embedded log of a server that may die.
pub fn mortal(log: EmbeddedLog, link: Arc<Link>) -> WrappedLog {
    WrappedLog {
        log: Arc::new(log),
        make_worker: Box::new(move |log, options| {
            link.check()?;
            Ok(Box::new(MortalWorker { inner: log.worker(options)?, link: link.clone() }))
        }),
    }
}

struct MortalWorker {
    inner: Box<dyn Worker>,
    link: Arc<Link>,
}

impl Worker for MortalWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, _: Duration) -> Result<()> {
        self.link.check()?;
        let most = self.link.chance(|random| random.between(1, 60)) as usize;
        self.inner.poll(out, most.min(max_records), Duration::ZERO)
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.link.check()?;
        if self.link.strikes(CommitFault::SendFails) {
            return Err(retriable("sending records"));
        }
        if records.iter().any(|record| is_too_large(&record)) {
            return Err(too_large(topic));
        }
        self.inner.send(topic, records)
    }

    fn uncommitted_bytes(&self) -> usize {
        self.inner.uncommitted_bytes()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], state: WriteBatch) -> Result<CommitOutcome> {
        self.link.check()?;
        self.link.crashes(CommitFault::CrashBefore)?;
        self.link.crashes(CommitFault::CrashOpen)?;
        if self.link.strikes(CommitFault::Abort) {
            self.inner.abort()?;
            return Ok(CommitOutcome::Aborted { cause: "the simulation wants it so".into() });
        }
        let outcome = self.inner.commit(offsets, state)?;
        // The journal is cut inside of this write before the next start.
        self.link.crashes(CommitFault::CrashBetween)?;
        self.link.crashes(CommitFault::CrashAfter)?;
        if self.link.strikes(CommitFault::AnswerLost) {
            return Err(retriable("hearing of a commit"));
        }
        Ok(outcome)
    }

    fn abort(&mut self) -> Result<()> {
        self.link.check()?;
        self.inner.abort()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn wake_handle(&self) -> WakeHandle {
        self.inner.wake_handle()
    }
}
