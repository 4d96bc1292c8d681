//! Tells whoever runs a guest what its faults cost.

use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;

/// Hears of faults: of calls that gave no answer, not of rows that a guest answered with an error for.
pub trait FaultListener: Send + Sync {
    /// A call ended with a fault after this time, which is lost: its rows are tried again, or fail.
    fn call_failed(&self, lost: Duration);

    /// So many records failed for good. `cause` is what their errors say.
    fn records_failed(&self, records: usize, cause: &str);

    /// Does nobody wait for the answer any more? Asked before each further try to find the records to blame. If so, the rest of
    /// the batch fails with [`Fault::Over`], and whoever says so must not keep what comes of the batch.
    fn is_over(&self) -> bool {
        false
    }
}

/// Who hears of the faults of a component's instances, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct Watch(Option<Arc<dyn FaultListener>>);

impl Watch {
    pub(crate) fn new(listener: Arc<dyn FaultListener>) -> Watch {
        Watch(Some(listener))
    }

    pub(crate) fn call_failed(&self, fault: &Fault, lost: Duration) {
        if let Some(listener) = self.0.as_ref().filter(|_| !fault.instance_survives()) {
            listener.call_failed(lost);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|listener| listener.is_over())
    }

    pub(crate) fn records_failed(&self, records: usize, fault: &Fault) {
        if let Some(listener) = self.0.as_ref().filter(|_| !fault.instance_survives()) {
            listener.records_failed(records, &fault.to_string());
        }
    }
}
