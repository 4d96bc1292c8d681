//! KAFKA: one column in the form of Kafka's own serializers: big-endian numbers, UTF-8 text, raw bytes.

mod decode;
mod encode;

pub(crate) use decode::Reader;
pub(crate) use encode::{BoundWriter, Writer};
