//! JSON: a record is an object with a field for each column, or one bare value.
//!
//! Reading goes over a record once, noting where the values of wanted columns lie ([`scan`], [`fields`], [`lane`]), and then turns
//! just those into cells ([`decode`], [`convert`], [`loose_text`]). Writing goes straight from columns to bytes ([`encode`], [`write`]).

mod convert;
mod decode;
mod encode;
mod fields;
mod lane;
mod loose_text;
mod plain;
mod scan;
mod write;

pub(crate) use decode::Reader;
pub(crate) use encode::{BoundWriter, Writer};

pub(crate) use convert::{date_from_days, time_from_ms};
pub use convert::{value_from_json, value_from_text};
pub use scan::NESTING_MAX;
pub use write::{write_api_cell, write_api_value, write_string, write_value};
