//! DELIMITED: one line with the columns' texts and a delimiter between them, quoted where needed.

mod decode;
mod encode;
mod split;

pub(crate) use decode::Reader;
pub(crate) use encode::{BoundWriter, Writer};
