//! Bytes to columns and back: the formats of keys and values.
//!
//! A [`Decoder`] turns the key or value bytes of a batch of records into Arrow columns, an [`Encoder`] turns rows of
//! columns back into bytes, and [`validate`] says beforehand whether a format can carry certain columns at all. Each
//! format lies in a folder of its own with the same file names inside: `json`, `delimited`, `kafka`. The formats that
//! need a schema registry have their place reserved in [`Format`]; until this build speaks to one, they are refused.
//!
//! This crate knows codecs; it knows no topics and no queries.

mod cell;
mod column;
mod decode;
mod delimited;
mod encode;
mod format;
pub mod json;
mod kafka;
mod number;
mod text;
mod validate;

pub use decode::{DecodeError, Decoded, Decoder};
pub use encode::{BoundEncoder, Encoder};
pub use format::{Format, FormatColumn, FormatSpec, Part};
pub use validate::{FormatError, FormatErrorKind, validate};
