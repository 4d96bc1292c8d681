//! SQL types, values and columns: what every other crate speaks.
//!
//! In the order data meets them: [`records`] are bytes as the log holds them, a [`batch`] is the same
//! rows as typed columns, a [`Value`] is one cell where a row must be looked at alone (nested data,
//! literals, state), and [`SqlType`] says what a cell may hold.
//!
//! This crate knows nothing of ours: no SQL text, no topics, no queries, no clock.

pub mod batch;
pub mod cast;
pub mod column;
pub mod decimal;
pub mod records;
pub mod schema;
pub mod size_limit;
pub mod sql_type;
pub mod text;
pub mod value;

pub use batch::{Batch, Origin, Side, WindowBounds};
pub use column::{ColumnBuilder, column_from_values, value_at};
pub use decimal::Decimal;
pub use records::{Header, RecordBatch, RecordRef};
pub use schema::{Column, Namespace, Schema};
pub use size_limit::{ELEMENT_BYTES, SizeLimit, VALUE_BYTES_MAX};
pub use sql_type::{Field, SqlType};
pub use value::Value;
