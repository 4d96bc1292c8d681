//! One part of a query at work on one partition.

use std::sync::Arc;

use calzone_types::{Batch, RecordBatch};

use crate::environment::{Environment, TaskStore};
use crate::error::{ExecError, RecordError};
use crate::node::NodeKind;
use crate::operator::{Context, Operator, Reader, StoreId, Stores, StreamTime};
use crate::policy::{ClassSet, Gatekeeper};
use crate::topology::{Changelog, Part, StoreSpec};

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutputTopic {
    /// The topic of the query's sink.
    Sink,
    /// An internal topic, by its name.
    Internal(Arc<str>),
    /// The topic of a further output of a stage.
    Route(Arc<str>),
}

/// What a task makes of records. Kept by the caller and used again: [`TaskOutput::clear`] keeps allocations.
#[derive(Debug, Default)]
pub struct TaskOutput {
    /// One batch a topic, in order.
    pub records: Vec<(OutputTopic, RecordBatch)>,
    /// Rows for a client.
    pub rows: Vec<Batch>,
    /// Failures of single records, for the processing log.
    pub errors: Vec<RecordError>,
}

impl TaskOutput {
    pub fn new() -> TaskOutput {
        TaskOutput::default()
    }

    pub fn clear(&mut self) {
        self.records.iter_mut().for_each(|(_, batch)| batch.clear());
        self.rows.clear();
        self.errors.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.errors.is_empty() && self.records.iter().all(|(_, batch)| batch.is_empty())
    }

    /// The batch of a topic.
    pub(crate) fn batch(&mut self, topic: &OutputTopic) -> &mut RecordBatch {
        let at = match self.records.iter().position(|(t, _)| t == topic) {
            Some(at) => at,
            None => {
                self.records.push((topic.clone(), RecordBatch::default()));
                self.records.len() - 1
            }
        };
        &mut self.records[at].1
    }
}

/// Counters since the task was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskMetrics {
    /// Records read, from sources and internal topics.
    pub records_in: u64,
    /// Records written, to the sink and internal topics.
    pub records_out: u64,
    /// Rows given to a client.
    pub rows_out: u64,
    /// Failures of single records.
    pub errors: u64,
}

/// A part's operators with their state, for one partition.
///
/// All that must survive a restart is in the stores after [`Task::flush`]; a task made over stores as they were after a
/// flush goes on as if it had never stopped.
pub struct Task {
    sources: Vec<SourceTask>,
    nodes: Vec<OperatorTask>,
    stores: Stores,
    stream_time: i64,
    saved_time: Option<StreamTime>,
    handled: ClassSet,
    metrics: TaskMetrics,
}

struct OperatorTask {
    operator: Box<dyn Operator>,
    /// The node and input that its rows go to.
    downstream: Option<(usize, usize)>,
    is_gate: bool,
}

/// What there is to know of records while they are processed.
struct Run<'a> {
    first_error: usize,
    keeper: Option<&'a mut dyn Gatekeeper>,
}

struct SourceTask {
    topic: Arc<str>,
    reader: Box<dyn Reader>,
    downstream: Option<(usize, usize)>,
    /// The store that holds the source's rows.
    store: Option<usize>,
    /// Can its records be tried again, as long as their rows are before the gate?
    retriable: bool,
}

impl Part {
    /// Makes the task of a partition over its stores.
    pub fn task(&self, partition: i32, environment: &mut dyn Environment) -> Result<Task, ExecError> {
        let mut stores = Stores { entries: Vec::with_capacity(self.stores.len()) };
        for spec in &self.stores {
            let store = environment.store(spec, partition).map_err(ExecError::Plan)?;
            stores.entries.push((spec.clone(), store));
        }
        let mut sources = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let store = match &source.kind {
                crate::node::ReaderKind::Source { store, .. } => *store,
                _ => None,
            };
            let reader = source.kind.make(self.handled)?;
            let (topic, downstream, retriable) = (source.topic.clone(), source.downstream, source.retriable);
            sources.push(SourceTask { topic, reader, downstream, store, retriable });
        }
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let operator = node.kind.make(&mut stores, environment)?;
            let is_gate = matches!(node.kind, NodeKind::Gate);
            nodes.push(OperatorTask { operator, downstream: node.downstream, is_gate });
        }
        let saved_time = match self.meta {
            Some(meta) => Some(StreamTime::load(StoreId(meta), "task", &mut stores)?),
            None => None,
        };
        let stream_time = saved_time.as_ref().map_or(StreamTime::NONE, StreamTime::value);
        let (handled, metrics) = (self.handled, TaskMetrics::default());
        Ok(Task { sources, nodes, stores, stream_time, saved_time, handled, metrics })
    }

    /// The part's stores.
    pub fn stores(&self) -> &[StoreSpec] {
        &self.stores
    }
}

impl Task {
    /// Processes records of one input topic, in order, and appends what comes of them to `out`.
    ///
    /// # Errors
    /// The query must stop: an aggregate function or a serialiser failed, or a store. What was done is not to be committed.
    pub fn process(&mut self, topic: &str, records: &RecordBatch, out: &mut TaskOutput) -> Result<(), ExecError> {
        self.run(topic, records, None, out)
    }

    /// As [`Task::process`], of a query with an error policy. `keeper` is asked where the steps end that keep nothing: rows that
    /// it holds back have left nothing behind when this returns. What fails later than that is only in `out`.
    pub fn process_guarded(
        &mut self,
        topic: &str,
        records: &RecordBatch,
        keeper: &mut dyn Gatekeeper,
        out: &mut TaskOutput,
    ) -> Result<(), ExecError> {
        self.run(topic, records, Some(keeper), out)
    }

    fn run(
        &mut self,
        topic: &str,
        records: &RecordBatch,
        keeper: Option<&mut dyn Gatekeeper>,
        out: &mut TaskOutput,
    ) -> Result<(), ExecError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut run = Run { first_error: out.errors.len(), keeper };
        self.metrics.records_in += records.len() as u64;
        let before = counts(out);
        let readers: Vec<usize> = (0..self.sources.len()).filter(|i| *self.sources[*i].topic == *topic).collect();
        match readers.as_slice() {
            [] => {}
            [only] => self.read(*only, records, &mut run, out)?,
            several => {
                // Each record is to have its effect on all before the next one.
                for record in records.iter() {
                    let mut one = RecordBatch::default();
                    one.push(record);
                    several.iter().try_for_each(|source| self.read(*source, &one, &mut run, out))?;
                }
            }
        }
        self.count(before, out);
        Ok(())
    }

    /// Writes changes that are only in memory to the stores, and forwards those that were held back. To be called before
    /// each commit.
    pub fn flush(&mut self, out: &mut TaskOutput) -> Result<(), ExecError> {
        let before = counts(out);
        for node in 0..self.nodes.len() {
            let mut run = Run { first_error: out.errors.len(), keeper: None };
            let (nodes, mut context) = self.split(&mut run, false, out);
            let OperatorTask { operator, downstream, .. } = &mut nodes[node];
            let downstream = *downstream;
            if let Some(batch) = operator.flush(&mut context)? {
                self.push(downstream, batch, false, &mut run, out)?;
            }
        }
        if let Some(saved) = &mut self.saved_time {
            saved.advance(self.stream_time);
            saved.flush(&mut self.stores)?;
        }
        self.count(before, out);
        Ok(())
    }

    /// Puts records of a store's changelog into it, before the first record is processed.
    pub fn restore(&mut self, store: &str, records: &RecordBatch) -> Result<(), ExecError> {
        let Some(at) = self.stores.entries.iter().position(|(spec, _)| *spec.name == *store) else { return Ok(()) };
        let (spec, entry) = &mut self.stores.entries[at];
        if let Changelog::Internal(_) = spec.changelog {
            for record in records.iter() {
                match (record.key, record.value) {
                    (Some(key), Some(value)) => entry.put(key, value)?,
                    (Some(key), None) => entry.delete(key)?,
                    (None, _) => {}
                }
            }
            if let Some(saved) = &mut self.saved_time {
                saved.reload(&mut self.stores)?;
                self.stream_time = self.stream_time.max(saved.value());
            }
            return self.nodes.iter_mut().try_for_each(|node| node.operator.reload(&mut self.stores));
        }
        if let Some(source) = self.sources.iter_mut().find(|source| source.store == Some(at)) {
            return source.reader.restore(records, &mut self.stores);
        }
        Ok(())
    }

    /// The stores, for the commit. Their makers know what is behind them: [`TaskStore`] can be downcast.
    pub fn stores_mut(&mut self) -> impl Iterator<Item = (&StoreSpec, &mut dyn TaskStore)> {
        self.stores.entries.iter_mut().map(|(spec, store)| (&*spec, store.as_mut()))
    }

    /// The store of that name, to be read.
    pub fn store(&mut self, name: &str) -> Option<&mut dyn TaskStore> {
        self.stores_mut().find(|(spec, _)| *spec.name == *name).map(|(_, store)| store)
    }

    /// The largest timestamp read, milliseconds; `None` before the first record.
    pub fn stream_time(&self) -> Option<i64> {
        (self.stream_time != StreamTime::NONE).then_some(self.stream_time)
    }

    pub fn metrics(&self) -> TaskMetrics {
        self.metrics
    }

    /// The operators, and what one of them reaches while it runs.
    fn split<'a>(
        &'a mut self,
        run: &'a mut Run<'_>,
        retriable: bool,
        out: &'a mut TaskOutput,
    ) -> (&'a mut [OperatorTask], Context<'a>) {
        let keeper: Option<&'a mut dyn Gatekeeper> = match &mut run.keeper {
            Some(keeper) => Some(&mut **keeper),
            None => None,
        };
        let (stream_time, handled, first_error) = (self.stream_time, self.handled, run.first_error);
        let context = Context { out, stores: &mut self.stores, stream_time, handled, retriable, first_error, keeper };
        (&mut self.nodes, context)
    }

    fn read(&mut self, source: usize, records: &RecordBatch, run: &mut Run<'_>, out: &mut TaskOutput) -> Result<(), ExecError> {
        let entry = &mut self.sources[source];
        let (downstream, retriable) = (entry.downstream, entry.retriable);
        let (stream_time, handled, first_error) = (self.stream_time, self.handled, run.first_error);
        let stores = &mut self.stores;
        let mut context = Context { out, stores, stream_time, handled, retriable, first_error, keeper: None };
        let Some(batch) = entry.reader.read(&entry.topic, records, &mut context)? else { return Ok(()) };
        if self.saved_time.is_some() {
            // The sink wants to know the time as it was at each row, not at the end of the batch.
            return self.push_by_time(downstream, batch, retriable, run, out);
        }
        self.stream_time = batch.timestamps.iter().fold(self.stream_time, |time, t| time.max(*t));
        self.push(downstream, batch, retriable, run, out)
    }

    /// Pushes a batch in pieces that end where stream time matters: before a tombstone.
    fn push_by_time(
        &mut self,
        downstream: Option<(usize, usize)>,
        batch: Batch,
        retriable: bool,
        run: &mut Run<'_>,
        out: &mut TaskOutput,
    ) -> Result<(), ExecError> {
        let mut start = 0;
        for row in 0..batch.len() {
            let ends = row + 1 == batch.len() || !batch.new.is_live(row + 1) || !batch.new.is_live(row);
            if !ends {
                continue;
            }
            let piece = if start == 0 && row + 1 == batch.len() { batch.clone() } else { batch.slice(start, row + 1 - start) };
            self.stream_time = piece.timestamps.iter().fold(self.stream_time, |time, t| time.max(*t));
            self.push(downstream, piece, retriable, run, out)?;
            start = row + 1;
        }
        Ok(())
    }

    /// Sends rows down the line until they are used up.
    fn push(
        &mut self,
        mut to: Option<(usize, usize)>,
        batch: Batch,
        mut retriable: bool,
        run: &mut Run<'_>,
        out: &mut TaskOutput,
    ) -> Result<(), ExecError> {
        let mut current = Some(batch);
        while let (Some(batch), Some((node, input))) = (current.take(), to) {
            let (nodes, mut context) = self.split(run, retriable, out);
            let OperatorTask { operator, downstream, is_gate } = &mut nodes[node];
            current = operator.process(input, batch, &mut context)?.filter(|batch| !batch.is_empty());
            to = *downstream;
            retriable &= !*is_gate;
        }
        Ok(())
    }

    fn count(&mut self, before: (usize, usize, usize), out: &TaskOutput) {
        let after = counts(out);
        self.metrics.records_out += (after.0 - before.0) as u64;
        self.metrics.rows_out += (after.1 - before.1) as u64;
        self.metrics.errors += (after.2 - before.2) as u64;
    }
}

fn counts(out: &TaskOutput) -> (usize, usize, usize) {
    let records = out.records.iter().map(|(_, batch)| batch.len()).sum();
    (records, out.rows.iter().map(Batch::len).sum(), out.errors.len())
}
