//! Error policies at work: what becomes of records that fail.
//!
//! A record that fails on its way through a task has done nothing yet: the task's gate holds its rows back, and the
//! [`pass::Pass`] that the records belong to asks the policy. What it decides is done by the partition's [`Desk`]: a dead letter
//! or a record for the retry topic is sent in the same commit as the record's offset. The query reads its retry topic too;
//! what it finds there waits in the store `retry` ([`waiting::Waiting`]) until it is due, and then goes through the task again as
//! a record of its own topic.
//!
//! A record that is processed in order locks its group. Records of the group that come later go the same way behind it.
//! The lock is in the same store as the records, and so in the same commit.
//!
//! Where the gate is no help, because a store has changed or the log refuses what was written, everything since the last commit
//! is undone and done again without the record ([`guarded`]).

mod desk;
mod entry;
mod guarded;
mod headers;
mod locks;
mod pass;
mod statistics;
mod topics;
mod waiting;

pub use desk::Desk;
pub use guarded::{Fed, Guard};
pub use headers::{ATTEMPT, DEAD_LETTER_HEADERS};
pub use locks::{LockHead, LockInfo, read_locks};
pub use statistics::{Counted, PolicyStatistics, WaitingRecords};

#[cfg(test)]
mod tests;
