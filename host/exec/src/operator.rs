//! What an operator is, and what it can reach while it runs.

use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use calzone_functions::RowError;
use calzone_types::{Batch, Origin, RecordBatch};

use crate::codec;
use crate::environment::TaskStore;
use crate::error::{ErrorClass, ExecError, RecordError};
use crate::policy::{ClassSet, Gatekeeper};
use crate::task::TaskOutput;
use crate::topology::StoreSpec;

/// Rows in, rows out. A batch has the same effect as its rows one by one.
pub(crate) trait Operator: Send {
    /// Processes rows that come in by `input` (a join's left side is 0, its right side 1).
    fn process(&mut self, input: usize, batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError>;

    /// Writes what is only in memory to the stores, and gives the changes that were held back.
    fn flush(&mut self, _: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        Ok(None)
    }

    /// Takes what the stores say after they were restored.
    fn reload(&mut self, _: &mut Stores) -> Result<(), ExecError> {
        Ok(())
    }
}

/// Records in, rows out: where rows enter a part.
pub(crate) trait Reader: Send {
    fn read(&mut self, topic: &Arc<str>, records: &RecordBatch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError>;

    /// Puts records of the changelog (for a source table: of its topic) into the store.
    fn restore(&mut self, _: &RecordBatch, _: &mut Stores) -> Result<(), ExecError> {
        Ok(())
    }
}

/// What an operator reaches while it runs.
pub(crate) struct Context<'a> {
    pub out: &'a mut TaskOutput,
    pub stores: &'a mut Stores,
    /// Largest record timestamp that the task has read from sources.
    pub stream_time: i64,
    /// Classes of failures that an error policy decides about: rows that fail so are left out, whatever SQL would make of them.
    pub handled: ClassSet,
    /// Has the batch left nothing behind yet?
    pub retriable: bool,
    /// How many errors there were before these records came.
    pub first_error: usize,
    pub keeper: Option<&'a mut dyn Gatekeeper>,
}

impl Context<'_> {
    pub fn report(&mut self, class: ErrorClass, step: &Arc<str>, origin: &Origin, errors: Vec<RowError>) {
        let retriable = self.retriable;
        self.out.errors.extend(errors.into_iter().map(|error| RecordError {
            class,
            step: step.clone(),
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: origin.offsets[error.row as usize],
            message: error.message,
            retriable,
        }));
    }

    /// The batch without rows that failed, if a policy decides about such failures.
    pub fn leave_out(&self, class: ErrorClass, batch: Batch, failed: &[u32]) -> Batch {
        if failed.is_empty() || !self.handled.contains(class) {
            return batch;
        }
        let mut keep = vec![true; batch.len()];
        failed.iter().for_each(|row| keep[*row as usize] = false);
        batch.filter(&BooleanBuffer::from(keep))
    }

    pub fn report_row(&mut self, class: ErrorClass, step: &Arc<str>, origin: &Origin, row: usize, message: impl Into<String>) {
        self.out.errors.push(RecordError {
            class,
            step: step.clone(),
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: origin.offsets[row],
            message: message.into(),
            retriable: self.retriable,
        });
    }
}

/// Position of a store in [`Stores`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreId(pub usize);

/// The stores of a task, in the order of its part's list.
pub(crate) struct Stores {
    pub entries: Vec<(StoreSpec, Box<dyn TaskStore>)>,
}

impl Stores {
    pub fn get(&mut self, id: StoreId) -> &mut dyn TaskStore {
        self.entries[id.0].1.as_mut()
    }
}

/// The largest timestamp an operator has seen. It survives a restart: it is kept in the part's meta store.
#[derive(Debug)]
pub(crate) struct StreamTime {
    store: StoreId,
    name: Vec<u8>,
    value: i64,
    saved: i64,
}

impl StreamTime {
    /// Before any record.
    pub const NONE: i64 = i64::MIN;

    /// As it was at the last commit.
    pub fn load(store: StoreId, name: &str, stores: &mut Stores) -> Result<StreamTime, ExecError> {
        let mut value = StreamTime::NONE;
        if let Some(bytes) = stores.get(store).get(name.as_bytes())? {
            value = codec::read_time(&mut bytes.as_slice())?;
        }
        Ok(StreamTime { store, name: name.as_bytes().to_vec(), value, saved: value })
    }

    pub fn value(&self) -> i64 {
        self.value
    }

    /// Reads it again, after its store was restored.
    pub fn reload(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        if let Some(bytes) = stores.get(self.store).get(&self.name)? {
            self.value = codec::read_time(&mut bytes.as_slice())?;
            self.saved = self.value;
        }
        Ok(())
    }

    /// Takes a record's timestamp into account.
    pub fn advance(&mut self, timestamp: i64) {
        self.value = self.value.max(timestamp);
    }

    /// Stream time minus a span, without wrapping around before the first record.
    pub fn minus(&self, span_ms: i64) -> i64 {
        if self.value == StreamTime::NONE { StreamTime::NONE } else { self.value.saturating_sub(span_ms) }
    }

    pub fn flush(&mut self, stores: &mut Stores) -> Result<(), ExecError> {
        if self.value != self.saved {
            stores.get(self.store).put(&self.name, &codec::ordered_i64(self.value))?;
            self.saved = self.value;
        }
        Ok(())
    }
}
