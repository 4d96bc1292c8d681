//! Whether a format can carry certain columns.

use calzone_types::SqlType;

use crate::{Format, FormatColumn, FormatSpec, Part};

/// Why a format cannot carry these columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    pub kind: FormatErrorKind,
    /// A whole sentence for the user.
    pub message: String,
}

/// What the user must change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatErrorKind {
    /// The columns do not suit the format: other columns or another format.
    Columns,
    /// The format needs a schema registry, and there is none.
    SchemaRegistry,
}

impl FormatError {
    fn columns(message: String) -> FormatError {
        FormatError { kind: FormatErrorKind::Columns, message }
    }
}

/// Can the format carry these columns as that part of a record?
pub fn validate(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> Result<(), FormatError> {
    let place = if part == Part::Key { "key" } else { "value" };
    if part == Part::Key {
        reject_maps_in_key(columns)?;
    }
    match spec.format {
        Format::Json => columns.iter().try_for_each(|column| string_map_keys(column, &column.ty)),
        // A delimiter of several bytes, or one that also ends a line or field, would make lines ambiguous.
        Format::Delimited if !spec.delimiter.is_ascii() || matches!(spec.delimiter, 0 | b'"' | b'\r' | b'\n') => {
            Err(FormatError::columns(
                "The delimiter of the DELIMITED format must be one ASCII character, and no quote or line end.".into(),
            ))
        }
        Format::Delimited => columns.iter().filter(|column| column.ty.is_nested()).try_for_each(|column| {
            Err(unsupported_type(spec.format, column, "it holds one line of plain values; JSON can carry nested ones"))
        }),
        Format::Kafka => match columns {
            [] => Ok(()),
            [column] if kafka_type(&column.ty) => Ok(()),
            [column] => Err(unsupported_type(
                spec.format,
                column,
                "it knows INTEGER, BIGINT, DOUBLE, STRING and BYTES; use another format",
            )),
            more => Err(FormatError::columns(format!(
                "The KAFKA format holds a single column, but the {place} has {}: {}. Use another format, such as JSON.",
                more.len(),
                names(more),
            ))),
        },
        Format::None if columns.is_empty() => Ok(()),
        Format::None => Err(FormatError::columns(format!(
            "The NONE format means that there is no {place}, but the {place} has columns: {}. Choose another format.",
            names(columns),
        ))),
        Format::Avro | Format::Protobuf | Format::ProtobufNosr | Format::JsonSr => Err(FormatError {
            kind: FormatErrorKind::SchemaRegistry,
            message: format!(
                "The {} format of the {place} needs a schema registry, which this server does not speak to yet. Use JSON, DELIMITED or KAFKA.",
                spec.format.name(),
            ),
        }),
    }
}

/// A key must have one form only, and the entries of a map have no order.
fn reject_maps_in_key(columns: &[FormatColumn]) -> Result<(), FormatError> {
    match columns.iter().find(|column| contains_map(&column.ty)) {
        None => Ok(()),
        Some(column) => Err(FormatError::columns(format!(
            "Key column `{}` of type {} contains a MAP. Equal maps may have different bytes, so a key cannot hold one.",
            column.name, column.ty,
        ))),
    }
}

fn contains_map(ty: &SqlType) -> bool {
    match ty {
        SqlType::Map(..) => true,
        SqlType::Array(element) => contains_map(element),
        SqlType::Struct(fields) => fields.iter().any(|field| contains_map(&field.ty)),
        _ => false,
    }
}

/// The names of a JSON object are strings, so the keys of a MAP must be.
fn string_map_keys(column: &FormatColumn, ty: &SqlType) -> Result<(), FormatError> {
    match ty {
        SqlType::Map(key, _) if **key != SqlType::Varchar => {
            Err(unsupported_type(Format::Json, column, "the keys of a MAP must be STRING there"))
        }
        SqlType::Map(_, value) => string_map_keys(column, value),
        SqlType::Array(element) => string_map_keys(column, element),
        SqlType::Struct(fields) => fields.iter().try_for_each(|field| string_map_keys(column, &field.ty)),
        _ => Ok(()),
    }
}

fn kafka_type(ty: &SqlType) -> bool {
    matches!(ty, SqlType::Integer | SqlType::Bigint | SqlType::Double | SqlType::Varchar | SqlType::Bytes)
}

fn unsupported_type(format: Format, column: &FormatColumn, reason: &str) -> FormatError {
    FormatError::columns(format!(
        "The {} format cannot carry column `{}` of type {}: {reason}.",
        format.name(),
        column.name,
        column.ty
    ))
}

fn names(columns: &[FormatColumn]) -> String {
    columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_refuse_what_they_cannot_carry() {
        let map = |key| SqlType::map(key, SqlType::Integer);
        for (format, part, types, accepted) in [
            (Format::Json, Part::Value, vec![map(SqlType::Varchar)], true),
            (Format::Json, Part::Value, vec![map(SqlType::Integer)], false),
            (Format::Json, Part::Value, vec![SqlType::array(map(SqlType::Bigint))], false),
            (Format::Json, Part::Key, vec![map(SqlType::Varchar)], false),
            (Format::Json, Part::Key, vec![SqlType::array(SqlType::Integer), SqlType::Date], true),
            (Format::Delimited, Part::Value, vec![SqlType::decimal(4, 2), SqlType::Bytes, SqlType::Time], true),
            (Format::Delimited, Part::Value, vec![SqlType::array(SqlType::Integer)], false),
            (Format::Kafka, Part::Key, vec![], true),
            (Format::Kafka, Part::Key, vec![SqlType::Bytes], true),
            (Format::Kafka, Part::Key, vec![SqlType::Boolean], false),
            (Format::Kafka, Part::Value, vec![SqlType::Integer, SqlType::Integer], false),
            (Format::None, Part::Key, vec![], true),
            (Format::None, Part::Key, vec![SqlType::Integer], false),
            (Format::Avro, Part::Value, vec![SqlType::Integer], false),
        ] {
            let columns: Vec<_> = types.into_iter().map(|ty| FormatColumn::new("C", ty)).collect();
            let result = validate(&FormatSpec::new(format), part, &columns);
            assert_eq!(result.is_ok(), accepted, "{format:?} {part:?} {columns:?} {result:?}");
        }
    }
}
