//! What can go wrong in one call with rows.

use std::fmt;

use crate::limits::Limits;

/// Why a call with a batch gave no answer. The row that it is narrowed down to fails with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The guest answered that it cannot; its instance is fine.
    #[error("{0}")]
    Error(String),
    /// The guest answered with something that is no answer; its instance is dropped.
    #[error("the plugin's answer is wrong: {0}")]
    Answer(String),
    /// The guest trapped, for instance by a panic.
    #[error("the plugin trapped: {0}")]
    Trap(String),
    #[error("the plugin took more than {0} ms for {1}")]
    Deadline(u64, TimeLimit),
    #[error("the plugin needs more than {0} bytes of memory (memory_bytes)")]
    Memory(usize),
    /// How many of what one instance may have, what that is, and the limit's name.
    #[error("the plugin has more than {0} {1} ({2})")]
    Count(usize, &'static str, &'static str),
    #[error("the plugin needs more than {0} bytes of stack (stack_bytes)")]
    Stack(usize),
    #[error("the plugin's answer has more than {0} bytes (output_bytes)")]
    Output(usize),
    /// The rows to blame were not found in time.
    #[error("the plugin failed in this batch, and finding the record took more than {0} ms (isolation_ms)")]
    Isolation(u64),
    /// Nobody waits for the answer any more.
    #[error("the query is ending")]
    Over,
    /// No new instance could be made.
    #[error("the plugin does not start: {0}")]
    Start(String),
}

/// Which limit a call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// Instantiation, describe, bind, open.
    Start,
    /// A call with rows.
    Batch,
    /// A call with an HTTP request.
    Request,
}

impl TimeLimit {
    pub(crate) fn milliseconds(self, limits: &Limits) -> u64 {
        match self {
            TimeLimit::Start => limits.start_ms,
            TimeLimit::Batch => limits.batch_ms,
            TimeLimit::Request => limits.request_ms,
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeLimit::Start => "its start (start_ms)",
            TimeLimit::Batch => "one batch (batch_ms)",
            TimeLimit::Request => "one request (request_ms)",
        })
    }
}

impl Fault {
    /// Is the instance still good for calls?
    pub(crate) fn instance_survives(&self) -> bool {
        matches!(self, Fault::Error(_))
    }

    /// What a failed call into wasmtime means. `reported` is what the guest said before, `denied` the limit that it met when it
    /// asked for more memory or larger tables.
    pub(crate) fn of(
        error: &wasmtime::Error,
        limits: &Limits,
        time: TimeLimit,
        reported: Option<String>,
        denied: Option<Fault>,
    ) -> Fault {
        let trap = error.downcast_ref::<wasmtime::Trap>();
        match trap {
            Some(wasmtime::Trap::Interrupt) => return Fault::Deadline(time.milliseconds(limits), time),
            Some(wasmtime::Trap::StackOverflow) => return Fault::Stack(limits.stack_bytes),
            _ => {}
        }
        // A guest whose memory does not grow mostly panics or gives up: the cause is more use than the effect.
        if let Some(limit) = denied {
            return limit;
        }
        if let Some(message) = reported {
            return Fault::Trap(message);
        }
        let text = format!("{error:#}");
        // wasmtime has no types for these.
        if text.contains("fuel allocated for hostcalls") {
            return Fault::Output(limits.output_bytes);
        }
        let counts = [
            ("instance count too high", limits.core_instances, "core instances inside it", "core_instances"),
            ("memory count too high", limits.memories, "memories", "memories"),
            ("table count too high", limits.tables, "tables", "tables"),
        ];
        if let Some((_, limit, what, name)) = counts.into_iter().find(|(said, ..)| text.contains(said)) {
            return Fault::Count(limit, what, name);
        }
        Fault::Trap(match trap {
            Some(trap) => trap.to_string(),
            None => crate::limits::cut(&text, limits.message_bytes),
        })
    }
}
