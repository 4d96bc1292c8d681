//! Which formats there are, and what distinguishes them for the planner.

use std::sync::Arc;

use calzone_types::SqlType;

/// A format with its settings, for the key or the value of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FormatSpec {
    pub format: Format,
    /// `VALUE_DELIMITER` of DELIMITED; `,` by default.
    pub delimiter: u8,
    /// `WRAP_SINGLE_VALUE`: is a single column put into a record (`{"A": 1}`) or written bare (`1`)?
    /// Keys of one column are never wrapped unless the format knows no bare values.
    pub wrap_single: bool,
}

impl FormatSpec {
    /// The format with its default settings.
    pub fn new(format: Format) -> FormatSpec {
        FormatSpec { format, delimiter: b',', wrap_single: true }
    }
}

/// The formats of ksqlDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    Json,
    Delimited,
    Kafka,
    None,
    Avro,
    Protobuf,
    ProtobufNosr,
    JsonSr,
}

/// The two parts of a record that have a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Key,
    Value,
}

/// A column to decode or encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatColumn {
    pub name: Arc<str>,
    pub ty: SqlType,
}

impl FormatColumn {
    pub fn new(name: impl Into<Arc<str>>, ty: SqlType) -> FormatColumn {
        FormatColumn { name: name.into(), ty }
    }
}

impl Format {
    /// All formats, in the order their names are listed to users.
    pub const ALL: [Format; 8] = [
        Format::Avro,
        Format::Delimited,
        Format::Json,
        Format::JsonSr,
        Format::Kafka,
        Format::None,
        Format::Protobuf,
        Format::ProtobufNosr,
    ];

    /// The format of that name, in upper or lower case.
    pub fn parse(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// The name as users write it in `VALUE_FORMAT`.
    pub fn name(&self) -> &'static str {
        match self {
            Format::Json => "JSON",
            Format::Delimited => "DELIMITED",
            Format::Kafka => "KAFKA",
            Format::None => "NONE",
            Format::Avro => "AVRO",
            Format::Protobuf => "PROTOBUF",
            Format::ProtobufNosr => "PROTOBUF_NOSR",
            Format::JsonSr => "JSON_SR",
        }
    }

    /// Can a single column lie inside a record: may `WRAP_SINGLE_VALUE` be `true`?
    pub fn supports_wrapping(&self) -> bool {
        matches!(self, Format::Json | Format::JsonSr | Format::Avro | Format::Protobuf | Format::ProtobufNosr)
    }

    /// Can a single column stand alone: may `WRAP_SINGLE_VALUE` be `false`?
    pub fn supports_unwrapping(&self) -> bool {
        matches!(self, Format::Json | Format::JsonSr | Format::Avro | Format::Delimited | Format::Kafka)
    }

    /// Is `VALUE_DELIMITER` or `KEY_DELIMITER` allowed?
    pub fn supports_delimiter(&self) -> bool {
        *self == Format::Delimited
    }

    /// Are the bytes of no use without a schema from the registry?
    pub fn needs_schema_registry(&self) -> bool {
        matches!(self, Format::Avro | Format::Protobuf | Format::JsonSr)
    }

    /// Can columns be left out of a statement because the registry knows them?
    pub fn supports_schema_inference(&self) -> bool {
        self.needs_schema_registry()
    }
}
