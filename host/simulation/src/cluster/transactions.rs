//! Transactions: outputs, changelogs and offsets that appear together.

use std::collections::BTreeSet;

use calzone_log::TopicPartition;

use super::{Cluster, Entry};

/// As the product's own setting, in milliseconds.
const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    Open,
    Committed,
    Aborted,
}

pub struct Transaction {
    pub state: TransactionState,
    begun_ms: u64,
    touched: BTreeSet<(String, i32)>,
    /// Of a group: next offsets with their texts.
    offsets: Vec<(String, TopicPartition, i64, String)>,
}

impl Transaction {
    pub(super) fn touch(&mut self, topic: &str, partitions: impl Iterator<Item = i32>) {
        self.touched.extend(partitions.map(|partition| (topic.to_owned(), partition)));
    }
}

/// Who may write under a transactional id.
#[derive(Default)]
pub struct Producer {
    epoch: u64,
    open: Option<usize>,
}

impl Cluster {
    /// Takes over a transactional id: an older producer of that id is fenced, its open transaction is dropped.
    pub fn init_transactions(&mut self, id: &str) -> u64 {
        let producer = self.producers.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        let (epoch, open) = (producer.epoch, producer.open.take());
        if let Some(open) = open {
            self.end(open, TransactionState::Aborted);
        }
        epoch
    }

    /// The open transaction of a producer, begun if need be; `None` if it is fenced.
    pub fn transaction(&mut self, id: &str, epoch: u64) -> Option<usize> {
        let (next, now) = (self.transactions.len(), self.now_ms);
        let producer = self.producers.get_mut(id).filter(|p| p.epoch == epoch)?;
        if producer.open.is_none() {
            producer.open = Some(next);
            self.transactions.push(Transaction {
                state: TransactionState::Open,
                begun_ms: now,
                touched: BTreeSet::new(),
                offsets: Vec::new(),
            });
        }
        producer.open
    }

    pub fn add_offsets(&mut self, transaction: usize, group: &str, offsets: &[(TopicPartition, i64, String)]) {
        let offsets = offsets.iter().map(|(tp, offset, text)| (group.to_owned(), tp.clone(), *offset, text.clone()));
        self.transactions[transaction].offsets.extend(offsets);
    }

    /// Ends the open transaction of a producer, if there is one; false if the producer is fenced.
    pub fn end_transaction(&mut self, id: &str, epoch: u64, state: TransactionState) -> bool {
        let Some(producer) = self.producers.get_mut(id).filter(|p| p.epoch == epoch) else { return false };
        if let Some(open) = producer.open.take() {
            self.end(open, state);
        }
        true
    }

    fn end(&mut self, transaction: usize, state: TransactionState) {
        let ended = &mut self.transactions[transaction];
        ended.state = state;
        let (touched, offsets) = (std::mem::take(&mut ended.touched), std::mem::take(&mut ended.offsets));
        for (topic, partition) in touched {
            if let Some(log) = self.topics.get_mut(&topic).and_then(|t| t.get_mut(partition as usize)) {
                log.push(Entry::Marker);
            }
        }
        if state == TransactionState::Committed {
            for (group, tp, offset, text) in offsets {
                self.groups.entry(group).or_default().offsets.insert(tp, (offset, text));
            }
        }
    }

    /// A transaction that nobody ends is given up by the cluster, and its producer fenced.
    pub(super) fn end_silent_transactions(&mut self) {
        let now = self.now_ms;
        let silent = |p: &Producer, all: &[Transaction]| p.open.is_some_and(|t| all[t].begun_ms + TRANSACTION_TIMEOUT_MS < now);
        let ids: Vec<String> =
            self.producers.iter().filter(|(_, p)| silent(p, &self.transactions)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.init_transactions(&id);
        }
    }

    /// Are offsets of the partition part of a transaction whose end is not known yet?
    pub fn has_unstable_offset(&self, group: &str, tp: &TopicPartition) -> bool {
        let open = self.transactions.iter().filter(|t| t.state == TransactionState::Open);
        open.flat_map(|t| &t.offsets).any(|(of, place, _, _)| of == group && place == tp)
    }
}
