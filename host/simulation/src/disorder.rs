//! What a simulation must find, or it finds nothing: a log that commits in the wrong order, and locks that a restart forgets.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use calzone_engine::query::StoreHome;
use calzone_log::{CommitOutcome, Event, Log, Result, TopicPartition, WakeHandle, Worker};
use calzone_state::{Database, Durability, Store, WriteBatch};
use calzone_types::RecordBatch;

use crate::wrapped::WrappedLog;

/// The log, but first it commits the offsets, then what came of the records.
pub fn disordered(log: Arc<dyn Log>, database: Database) -> WrappedLog {
    WrappedLog {
        log,
        make_worker: Box::new(move |log, options| {
            Ok(Box::new(DisorderedWorker { inner: log.worker(options)?, database: database.clone(), held: Vec::new() }))
        }),
    }
}

struct DisorderedWorker {
    inner: Box<dyn Worker>,
    database: Database,
    held: Vec<(String, RecordBatch)>,
}

impl Worker for DisorderedWorker {
    fn poll(&mut self, out: &mut Vec<Event>, max_records: usize, timeout: Duration) -> Result<()> {
        self.inner.poll(out, max_records, timeout)
    }

    fn send(&mut self, topic: &str, records: &RecordBatch) -> Result<()> {
        self.held.push((topic.to_owned(), records.clone()));
        Ok(())
    }

    fn uncommitted_bytes(&self) -> usize {
        self.inner.uncommitted_bytes()
    }

    fn commit(&mut self, offsets: &[(TopicPartition, i64, String)], state: WriteBatch) -> Result<CommitOutcome> {
        let first = self.inner.commit(offsets, self.database.batch())?;
        if first != CommitOutcome::Committed {
            self.held.clear();
            return Ok(first);
        }
        for (topic, records) in self.held.drain(..) {
            self.inner.send(&topic, &records)?;
        }
        self.inner.commit(&[], state)
    }

    fn abort(&mut self) -> Result<()> {
        self.held.clear();
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

/// First byte of the keys of locks in the store of what waits.
const LOCKS: u8 = b'l';

/// Lets go of a query's groups while records of them still wait.
pub fn forget_locks(database: &Database, query_id: &str, store: &str, partitions: i32) {
    let home = StoreHome { database: database.clone(), query_id: query_id.to_owned() };
    let mut batch = database.batch();
    for partition in 0..partitions {
        let mut store = home.open(store, partition).expect("the store opens");
        let mut keys = Vec::new();
        let noted = store.range(&[LOCKS], &[LOCKS + 1], &mut |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        });
        noted.and_then(|()| keys.iter().try_for_each(|key| store.delete(key))).expect("the locks can be read");
        store.drain_into(&mut batch, &mut |_, _| {});
    }
    batch.commit(Durability::Buffered).expect("the locks can be deleted");
}
