//! State stores: ordered bytes to bytes, on disk and in memory.
//!
//! Operators see a [`Store`]. A task gives them a [`TransactionStore`]: what the running transaction changed,
//! over what is committed in a [`Keyspace`] of the server's one [`Database`]. When the task commits, the changes
//! are drained into a [`WriteBatch`], which is atomic over all keyspaces, so that a store, the log it comes from
//! and the offsets between them can never disagree. [`MemoryStore`] is for tests and transient queries.
//!
//! This crate alone knows the storage engine (fjall); it knows no operators, records or topics.

mod batch;
mod database;
mod error;
mod group_sync;
mod keyspace;
mod long_key;
mod memory;
mod repair;
mod room;
mod store;
mod transaction;

pub use batch::{Durability, WriteBatch};
pub use database::{Database, Settings};
pub use error::{Result, StateError};
pub use keyspace::{Keys, Keyspace, Layout, Scan, Slice, Snapshot};
pub use memory::MemoryStore;
pub use repair::Repair;
pub use store::{Store, Visit};
pub use transaction::{TransactionStore, VisitChange};
