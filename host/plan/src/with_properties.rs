//! The WITH clause: which properties there are, what values they take, which exclude one another.

use std::collections::BTreeMap;

use calzone_formats::{Format, FormatColumn, FormatSpec, Part, validate};
use calzone_sql::Span;
use calzone_sql::ast::{Literal, Property};
use calzone_types::{Column, Schema, Value};

use crate::catalog::{KeyWindow, WindowType};
use crate::context::PlanContext;
use crate::error::{PlanError, PlanErrorKind, Result};
use crate::use_policy::{self, PolicyClause};

/// Properties of `CREATE STREAM|TABLE`.
pub(crate) const SOURCE_PROPERTIES: &[&str] = &[
    "CLEANUP_POLICY",
    "DEAD_LETTER_TOPIC",
    "ERROR_POLICY",
    "FORMAT",
    "KAFKA_TOPIC",
    "KEY_DELIMITER",
    "KEY_FORMAT",
    "KEY_PROTOBUF_NULLABLE_REPRESENTATION",
    "KEY_SCHEMA_FULL_NAME",
    "KEY_SCHEMA_ID",
    "PARTITIONS",
    "REDIRECT_TOPIC",
    "REPLICAS",
    "RETENTION_MS",
    "RETRY_TOPIC",
    "SOURCED_BY_CONNECTOR",
    "TIMESTAMP",
    "TIMESTAMP_FORMAT",
    "VALUE_AVRO_SCHEMA_FULL_NAME",
    "VALUE_DELIMITER",
    "VALUE_FORMAT",
    "VALUE_PROTOBUF_NULLABLE_REPRESENTATION",
    "VALUE_SCHEMA_FULL_NAME",
    "VALUE_SCHEMA_ID",
    "WINDOW_SIZE",
    "WINDOW_TYPE",
    "WRAP_SINGLE_VALUE",
];

/// Properties that a query's sink cannot have: its window comes from the query.
const NOT_FOR_SINKS: &[&str] = &["SOURCED_BY_CONNECTOR", "WINDOW_SIZE", "WINDOW_TYPE"];

/// What a WITH clause says, checked value by value.
#[derive(Clone, Debug, Default)]
pub(crate) struct WithProperties {
    pub topic: Option<String>,
    pub key_format: Option<Format>,
    pub value_format: Option<Format>,
    pub key_delimiter: Option<u8>,
    pub value_delimiter: Option<u8>,
    pub wrap_single_value: Option<bool>,
    pub partitions: Option<i32>,
    pub replicas: Option<i32>,
    pub retention_ms: Option<i64>,
    pub cleanup_policy: Option<String>,
    pub timestamp: Option<String>,
    pub timestamp_format: Option<String>,
    pub window: Option<KeyWindow>,
    pub key_schema_id: Option<i32>,
    pub value_schema_id: Option<i32>,
    pub key_schema_name: Option<String>,
    pub value_schema_name: Option<String>,
    pub policy: PolicyClause,
    /// `VALUE_PROTOBUF_NULLABLE_REPRESENTATION` or that of the key is set.
    nullable_representation: [bool; 2],
}

/// Reads the WITH clause of a declared source.
pub(crate) fn of_source(properties: &[Property]) -> Result<WithProperties> {
    read(properties, &[])
}

/// Reads the WITH clause of a query's sink.
pub(crate) fn of_sink(properties: &[Property]) -> Result<WithProperties> {
    read(properties, NOT_FOR_SINKS)
}

fn read(properties: &[Property], refused: &[&str]) -> Result<WithProperties> {
    let mut seen: BTreeMap<&str, &Property> = BTreeMap::new();
    for property in properties {
        let name = property.name.node.as_str();
        if !SOURCE_PROPERTIES.contains(&name) || refused.contains(&name) {
            let known: Vec<&str> = SOURCE_PROPERTIES.iter().filter(|p| !refused.contains(p)).copied().collect();
            return Err(PlanError::at(
                property.name.span,
                format!("The WITH clause knows no property {name} here. It knows {}.", known.join(", ")),
            ));
        }
        if seen.insert(name, property).is_some() {
            return Err(PlanError::at(property.name.span, format!("The property {name} is given twice.")));
        }
    }
    let with = Reader { seen };
    let both = with.format("FORMAT")?;
    for part in ["KEY_FORMAT", "VALUE_FORMAT"] {
        if both.is_some()
            && let Some(property) = with.seen.get(part)
        {
            let message =
                format!("FORMAT sets the formats of key and value, so {part} cannot be given beside it. Leave one of them out.");
            return Err(PlanError::at(property.name.span, message));
        }
    }
    let value_schema_name = with.schema_name("VALUE_SCHEMA_FULL_NAME")?.or(with.schema_name("VALUE_AVRO_SCHEMA_FULL_NAME")?);
    let read = WithProperties {
        topic: with.text("KAFKA_TOPIC")?,
        key_format: with.format("KEY_FORMAT")?.or(both),
        value_format: with.format("VALUE_FORMAT")?.or(both),
        key_delimiter: with.delimiter("KEY_DELIMITER")?,
        value_delimiter: with.delimiter("VALUE_DELIMITER")?,
        wrap_single_value: with.boolean("WRAP_SINGLE_VALUE")?,
        partitions: with.count("PARTITIONS", i32::MAX.into())?.map(|n| n as i32),
        replicas: with.count("REPLICAS", i16::MAX.into())?.map(|n| n as i32),
        retention_ms: with.number("RETENTION_MS")?,
        cleanup_policy: with.cleanup_policy()?,
        timestamp: with.text("TIMESTAMP")?.map(|name| column_name(&name)),
        timestamp_format: with.text("TIMESTAMP_FORMAT")?,
        window: with.window()?,
        key_schema_id: with.count("KEY_SCHEMA_ID", i32::MAX.into())?.map(|n| n as i32),
        value_schema_id: with.count("VALUE_SCHEMA_ID", i32::MAX.into())?.map(|n| n as i32),
        key_schema_name: with.schema_name("KEY_SCHEMA_FULL_NAME")?,
        value_schema_name,
        policy: use_policy::clause(properties)?,
        nullable_representation: [
            with.seen.contains_key("KEY_PROTOBUF_NULLABLE_REPRESENTATION"),
            with.seen.contains_key("VALUE_PROTOBUF_NULLABLE_REPRESENTATION"),
        ],
    };
    if read.timestamp_format.is_some() && read.timestamp.is_none() {
        return Err(PlanError::new(
            "TIMESTAMP_FORMAT says how to read the column named by TIMESTAMP, but TIMESTAMP is not given.",
        ));
    }
    Ok(read)
}

impl WithProperties {
    /// The key's format with its settings. Settings that the format does not have are refused.
    pub fn key_spec(&self, format: Format) -> Result<FormatSpec> {
        self.check_settings(format, Part::Key)?;
        let delimiter = self.key_delimiter.unwrap_or(b',');
        Ok(FormatSpec { format, delimiter, wrap_single: !format.supports_unwrapping() })
    }

    /// The value's format with its settings, for a value of `columns` columns.
    pub fn value_spec(&self, ctx: &PlanContext, format: Format, columns: usize) -> Result<FormatSpec> {
        self.check_settings(format, Part::Value)?;
        let delimiter = self.value_delimiter.unwrap_or(b',');
        let wrap_single = match self.wrap_single_value {
            Some(_) if columns != 1 => {
                let message = format!(
                    "WRAP_SINGLE_VALUE only means something for a value of one column, but there are {columns}. Leave it out."
                );
                return Err(PlanError::new(message));
            }
            Some(wrap) if wrap && !format.supports_wrapping() || !wrap && !format.supports_unwrapping() => {
                let message =
                    format!("The {} format cannot have WRAP_SINGLE_VALUE={wrap}. Leave the property out.", format.name());
                return Err(PlanError::new(message));
            }
            Some(wrap) => wrap,
            None if columns == 1 && format.supports_wrapping() && format.supports_unwrapping() => {
                ctx.is_enabled("ksql.persistence.wrap.single.values", true)?
            }
            None => format.supports_wrapping(),
        };
        Ok(FormatSpec { format, delimiter, wrap_single })
    }

    fn check_settings(&self, format: Format, part: Part) -> Result<()> {
        let (prefix, delimiter, schema, nullable) = match part {
            Part::Key => ("KEY", self.key_delimiter, &self.key_schema_name, self.nullable_representation[0]),
            Part::Value => ("VALUE", self.value_delimiter, &self.value_schema_name, self.nullable_representation[1]),
        };
        let refuse = |what: &str| {
            let message =
                format!("The {} format has no setting {prefix}_{what}. Leave it out or choose another format.", format.name());
            Err(PlanError::new(message))
        };
        if delimiter.is_some() && !format.supports_delimiter() {
            return refuse("DELIMITER");
        }
        if schema.is_some() && !format.needs_schema_registry() {
            return refuse("SCHEMA_FULL_NAME");
        }
        if nullable && !matches!(format, Format::Protobuf | Format::ProtobufNosr) {
            return refuse("PROTOBUF_NULLABLE_REPRESENTATION");
        }
        let id = if part == Part::Key { self.key_schema_id } else { self.value_schema_id };
        if id.is_some() && !format.supports_schema_inference() {
            return refuse("SCHEMA_ID");
        }
        Ok(())
    }
}

/// Checks that both formats can carry the schema's columns.
pub(crate) fn check_formats(schema: &Schema, key: &FormatSpec, value: &FormatSpec) -> Result<()> {
    let columns = |columns: &mut dyn Iterator<Item = &Column>| -> Vec<FormatColumn> {
        columns.map(|c| FormatColumn { name: c.name.clone(), ty: c.ty.clone() }).collect()
    };
    check_format(key, Part::Key, &columns(&mut schema.key()))?;
    check_format(value, Part::Value, &columns(&mut schema.value()))
}

/// Checks that a format can carry these columns.
pub(crate) fn check_format(spec: &FormatSpec, part: Part, columns: &[FormatColumn]) -> Result<()> {
    validate(spec, part, columns).map_err(|error| {
        let kind = match error.kind {
            calzone_formats::FormatErrorKind::Columns => PlanErrorKind::Statement,
            calzone_formats::FormatErrorKind::SchemaRegistry => PlanErrorKind::SchemaRegistry,
        };
        PlanError::of_kind(kind, error.message)
    })
}

/// A format named by a setting, such as `ksql.persistence.default.format.value`.
pub(crate) fn default_format(ctx: &PlanContext, setting: &str) -> Result<Option<Format>> {
    ctx.property(setting)
        .map(|name| format_named(name).map_err(|message| PlanError::new(format!("{message} It is the setting '{setting}'."))))
        .transpose()
}

/// The format of keys that no WITH clause and no source decides.
pub(crate) fn default_key_format(ctx: &PlanContext) -> Result<Format> {
    Ok(default_format(ctx, "ksql.persistence.default.format.key")?.unwrap_or(Format::Kafka))
}

fn format_named(name: &str) -> std::result::Result<Format, String> {
    Format::parse(name).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(Format::name).collect();
        format!("There is no format '{name}'. The formats are {}.", known.join(", "))
    })
}

/// A column's name as text: folded to upper case unless in back quotes or double quotes.
pub(crate) fn column_name(text: &str) -> String {
    for quote in ['`', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    text.to_uppercase()
}

struct Reader<'a> {
    seen: BTreeMap<&'a str, &'a Property>,
}

impl Reader<'_> {
    fn invalid<T>(&self, name: &str, reason: &str) -> Result<T> {
        let span = self.seen.get(name).map_or(Span::default(), |p| p.value.span);
        Err(PlanError::at(span, format!("The property {name} {reason}")))
    }

    fn literal(&self, name: &str) -> Option<&Literal> {
        self.seen.get(name).map(|property| &property.value)
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        match self.literal(name).map(|l| &l.value) {
            None => Ok(None),
            Some(Value::Varchar(text)) => Ok(Some(text.clone())),
            Some(_) => self.invalid(name, "must be text in single quotes."),
        }
    }

    fn schema_name(&self, name: &str) -> Result<Option<String>> {
        match self.text(name)? {
            Some(text) if text.trim().is_empty() => self.invalid(name, "must not be empty."),
            text => Ok(text),
        }
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.literal(name).map(|l| &l.value) {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(*value)),
            Some(Value::Varchar(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::Varchar(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => self.invalid(name, "must be true or false."),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        match self.literal(name).map(|l| &l.value) {
            None => Ok(None),
            Some(Value::Varchar(text)) => match text.trim().parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => self.invalid(name, "must be a whole number."),
            },
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => self.invalid(name, "must be a whole number."),
            },
        }
    }

    fn count(&self, name: &str, max: i64) -> Result<Option<i64>> {
        match self.number(name)? {
            Some(number) if !(1..=max).contains(&number) => self.invalid(name, &format!("must be between 1 and {max}.")),
            number => Ok(number),
        }
    }

    fn format(&self, name: &str) -> Result<Option<Format>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match format_named(text.trim()) {
            Ok(format) => Ok(Some(format)),
            Err(message) => self.invalid(name, &format!("is wrong: {message}")),
        }
    }

    fn delimiter(&self, name: &str) -> Result<Option<u8>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match text.as_bytes() {
            _ if text.eq_ignore_ascii_case("TAB") => Ok(Some(b'\t')),
            _ if text.eq_ignore_ascii_case("SPACE") => Ok(Some(b' ')),
            [byte] if byte.is_ascii() && !byte.is_ascii_whitespace() => Ok(Some(*byte)),
            _ => self.invalid(name, "must be one ASCII character such as ';', or the word TAB or SPACE."),
        }
    }

    fn cleanup_policy(&self) -> Result<Option<String>> {
        let Some(text) = self.text("CLEANUP_POLICY")? else { return Ok(None) };
        let policy: String = text.to_ascii_lowercase().split_whitespace().collect();
        match policy.as_str() {
            "delete" | "compact" | "compact,delete" | "delete,compact" => Ok(Some(policy)),
            _ => self.invalid("CLEANUP_POLICY", "must be 'delete', 'compact' or 'compact,delete'."),
        }
    }

    fn window(&self) -> Result<Option<KeyWindow>> {
        let size_ms = self.text("WINDOW_SIZE")?.map(|text| match duration_ms(&text) {
            Some(size) if size > 0 => Ok(size),
            _ => self.invalid("WINDOW_SIZE", "must be a number above 0 and a unit, such as '30 SECONDS'. The units are MILLISECONDS, SECONDS, MINUTES, HOURS and DAYS."),
        });
        let size_ms = size_ms.transpose()?;
        let Some(kind) = self.text("WINDOW_TYPE")? else {
            return if size_ms.is_some() { self.invalid("WINDOW_SIZE", "needs WINDOW_TYPE beside it.") } else { Ok(None) };
        };
        let kind = match kind.to_ascii_uppercase().as_str() {
            "TUMBLING" => WindowType::Tumbling,
            "HOPPING" => WindowType::Hopping,
            "SESSION" => WindowType::Session,
            _ => return self.invalid("WINDOW_TYPE", "must be 'TUMBLING', 'HOPPING' or 'SESSION'."),
        };
        match (kind, size_ms) {
            (WindowType::Session, Some(_)) => self.invalid("WINDOW_SIZE", "is not for SESSION windows: they have no fixed size."),
            (WindowType::Tumbling | WindowType::Hopping, None) => {
                self.invalid("WINDOW_TYPE", "needs WINDOW_SIZE beside it, such as WINDOW_SIZE='1 MINUTE'.")
            }
            _ => Ok(Some(KeyWindow { kind, size_ms })),
        }
    }
}

/// `30 SECONDS` in milliseconds.
fn duration_ms(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let (number, unit) = (words.next()?.parse::<i64>().ok()?, words.next()?.to_ascii_uppercase());
    let factor = match unit.trim_end_matches('S') {
        "MILLISECOND" => 1,
        "SECOND" => 1_000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        "DAY" => 86_400_000,
        _ => return None,
    };
    if words.next().is_some() { None } else { number.checked_mul(factor) }
}
