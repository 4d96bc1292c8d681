//! A whole query in one place: all parts, one task each, internal topics as queues in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use calzone_types::{RecordBatch, RecordRef};

use crate::environment::Environment;
use crate::error::ExecError;
use crate::task::{OutputTopic, Task, TaskOutput};
use crate::topology::Topology;

/// For push queries, pull queries on streams and test drivers. Each record goes through the whole query, hops included,
/// before the next.
pub struct Local {
    tasks: Vec<LocalTask>,
    queues: Vec<Queue>,
    /// Batches are cut into records, because the query is not a chain.
    one_by_one: bool,
    scratch: TaskOutput,
}

struct LocalTask {
    task: Task,
    inputs: Vec<Arc<str>>,
}

/// An internal topic of one partition.
struct Queue {
    topic: Arc<str>,
    next_offset: i64,
    batches: VecDeque<RecordBatch>,
    /// Records of the first batch that are processed.
    done: usize,
}

impl Local {
    pub fn new(topology: &Topology, environment: &mut dyn Environment) -> Result<Local, ExecError> {
        let tasks =
            topology.parts().iter().map(|part| Ok(LocalTask { task: part.task(0, environment)?, inputs: part.inputs.clone() }));
        let topics = topology.internal_topics().iter().filter(|topic| !topic.compact);
        let queue = |topic: &Arc<str>| Queue { topic: topic.clone(), next_offset: 0, batches: VecDeque::new(), done: 0 };
        Ok(Local {
            tasks: tasks.collect::<Result<_, ExecError>>()?,
            queues: topics.map(|topic| queue(&topic.name)).collect(),
            one_by_one: topology.one_by_one,
            scratch: TaskOutput::new(),
        })
    }

    /// Processes records of a source's topic; `out` gets what the sink or the client gets, and all errors.
    pub fn process(&mut self, topic: &str, records: &RecordBatch, out: &mut TaskOutput) -> Result<(), ExecError> {
        if !self.one_by_one || records.len() <= 1 {
            return self.feed(topic, records, out);
        }
        for record in records.iter() {
            let mut one = RecordBatch::default();
            one.push(record);
            self.feed(topic, &one, out)?;
        }
        Ok(())
    }

    /// Forwards all that was held back.
    pub fn flush(&mut self, out: &mut TaskOutput) -> Result<(), ExecError> {
        // What one part releases may be held by the next: as many rounds as there are parts.
        for _ in 0..self.tasks.len() {
            for task in 0..self.tasks.len() {
                self.tasks[task].task.flush(&mut self.scratch)?;
                self.collect(out);
            }
            self.drain(out)?;
        }
        Ok(())
    }

    /// The tasks, one a part.
    pub fn tasks_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.tasks.iter_mut().map(|task| &mut task.task)
    }

    /// Topics that the query reads from outside.
    pub fn inputs(&self) -> Vec<Arc<str>> {
        let mut inputs: Vec<Arc<str>> = Vec::new();
        for input in self.tasks.iter().flat_map(|task| &task.inputs) {
            if !inputs.contains(input) && !self.queues.iter().any(|queue| queue.topic == *input) {
                inputs.push(input.clone());
            }
        }
        inputs
    }

    fn feed(&mut self, topic: &str, records: &RecordBatch, out: &mut TaskOutput) -> Result<(), ExecError> {
        for task in 0..self.tasks.len() {
            if self.tasks[task].inputs.iter().any(|input| **input == *topic) {
                self.tasks[task].task.process(topic, records, &mut self.scratch)?;
                self.collect(out);
            }
        }
        self.drain(out)
    }

    /// Sends what lies in the queues on, lowest timestamp first, until nothing is left.
    fn drain(&mut self, out: &mut TaskOutput) -> Result<(), ExecError> {
        while let Some(queue) = self.lowest() {
            let topic = self.queues[queue].topic.clone();
            let records = if self.one_by_one { self.queues[queue].pop_one() } else { self.queues[queue].batches.pop_front() };
            let Some(records) = records else { continue };
            for task in 0..self.tasks.len() {
                if self.tasks[task].inputs.contains(&topic) {
                    self.tasks[task].task.process(&topic, &records, &mut self.scratch)?;
                    self.collect(out);
                }
            }
        }
        Ok(())
    }

    fn lowest(&self) -> Option<usize> {
        let heads = self.queues.iter().enumerate().filter_map(|(i, queue)| Some((queue.head()?, i)));
        heads.min().map(|(_, queue)| queue)
    }

    /// Moves what a task gave to where it belongs.
    fn collect(&mut self, out: &mut TaskOutput) {
        for (topic, batch) in &mut self.scratch.records {
            if batch.is_empty() {
                continue;
            }
            match topic {
                OutputTopic::Sink | OutputTopic::Route(_) => {
                    let sink = out.batch(topic);
                    batch.iter().for_each(|record| sink.push(record));
                }
                OutputTopic::Internal(name) => {
                    if let Some(queue) = self.queues.iter_mut().find(|queue| queue.topic == *name) {
                        queue.push(batch);
                    }
                }
            }
        }
        out.rows.append(&mut self.scratch.rows);
        out.errors.append(&mut self.scratch.errors);
        self.scratch.clear();
    }
}

impl Queue {
    fn push(&mut self, records: &RecordBatch) {
        let mut numbered = RecordBatch::default();
        for record in records.iter() {
            numbered.push(RecordRef { offset: self.next_offset, partition: 0, ..record });
            self.next_offset += 1;
        }
        self.batches.push_back(numbered);
    }

    /// Timestamp of the first record.
    fn head(&self) -> Option<i64> {
        self.batches.front().map(|batch| batch.get(self.done).timestamp)
    }

    fn pop_one(&mut self) -> Option<RecordBatch> {
        let first = self.batches.front()?;
        let mut one = RecordBatch::default();
        one.push(first.get(self.done));
        self.done += 1;
        if self.done == first.len() {
            self.batches.pop_front();
            self.done = 0;
        }
        Some(one)
    }
}
