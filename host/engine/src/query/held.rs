//! What part of a query a server works on, and where the rows of its table lie.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;
use calzone_exec::{Placing, Topology};
use calzone_formats::{Encoder, Part};
use calzone_log::{Log, LogError, TopicPartition, partition_for_key};
use calzone_types::{SqlType, Value, column_from_values};

use super::RESULT_STORE;

/// How long the number of partitions is taken from memory: a pull query shall not ask the cluster each time.
const PARTITIONS_TIME: Duration = Duration::from_secs(10);

/// What of a query this server works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Partitions of the query's inputs.
    pub inputs: BTreeSet<TopicPartition>,
    /// Partitions of its table whose rows are kept up to date here.
    pub table: BTreeSet<i32>,
}

/// Where the rows of a query's table lie: by partitions of the inputs, which need not be those of the sink.
#[derive(Debug)]
pub struct TablePlace {
    inputs: Vec<Arc<str>>,
    placing: Option<Placing>,
    partitions: Mutex<Option<(Instant, i32)>>,
}

impl TablePlace {
    /// `None` if the query keeps no table.
    pub fn of(topology: &Topology) -> Option<TablePlace> {
        let store = topology.stores().iter().find(|store| *store.name == *RESULT_STORE)?;
        let part = topology.parts().get(store.part)?;
        Some(TablePlace { inputs: part.inputs.clone(), placing: part.placing(), partitions: Mutex::default() })
    }

    /// How many partitions the table's rows lie in.
    pub fn partitions(&self, log: &dyn Log) -> Result<i32, LogError> {
        let known = *self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = known.filter(|(at, _)| at.elapsed() < PARTITIONS_TIME) {
            return Ok(count);
        }
        let mut count = 0;
        for topic in &self.inputs {
            count = count.max(log.topic(topic)?.map_or(0, |topic| topic.partitions));
        }
        *self.partitions.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), count));
        Ok(count)
    }

    /// The partition of a key of the table, and whether the row can be nowhere else. `None` if that cannot be said.
    pub fn partition_of(&self, types: &[SqlType], key: &[Value], partitions: i32) -> Option<(i32, bool)> {
        let placing = self.placing.as_ref().filter(|placing| placing.columns.iter().map(|c| &c.ty).eq(types))?;
        let encoder = Encoder::new(&placing.format, Part::Key, &placing.columns).ok()?;
        let columns: Vec<ArrayRef> = types.iter().zip(key).map(|(ty, value)| column_from_values(ty, [value])).collect();
        let mut bytes = Vec::new();
        let is_there = encoder.bind(&columns).write(0, &mut bytes).ok()?;
        Some((partition_for_key(is_there.then_some(&bytes), partitions), placing.is_internal))
    }
}
