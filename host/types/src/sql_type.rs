//! The types of ksqlDB's SQL.

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Fields, TimeUnit};

/// Largest precision a DECIMAL can have here: what 128 bits hold.
pub const DECIMAL_PRECISION_MAX: u16 = 38;

/// A SQL type. `Display` prints it as ksqlDB does in schemas: `INTEGER`, `STRING`,
/// `ARRAY<STRING>`, `STRUCT<`A` INTEGER>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SqlType {
    Boolean,
    /// 32 bits, `INT` or `INTEGER`.
    Integer,
    /// 64 bits.
    Bigint,
    /// IEEE 754, 64 bits.
    Double,
    /// Exact decimal number of at most [`DECIMAL_PRECISION_MAX`] digits, `scale` of them after the point.
    Decimal {
        precision: u16,
        scale: u16,
    },
    /// UTF-8 text; `VARCHAR` or `STRING`.
    Varchar,
    Bytes,
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds of the day.
    Time,
    /// Milliseconds since the epoch, UTC.
    Timestamp,
    Array(Arc<SqlType>),
    Map(Arc<SqlType>, Arc<SqlType>),
    Struct(Arc<[Field]>),
}

/// A field of a STRUCT.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    pub name: Arc<str>,
    pub ty: SqlType,
}

impl Field {
    pub fn new(name: impl Into<Arc<str>>, ty: SqlType) -> Field {
        Field { name: name.into(), ty }
    }
}

impl SqlType {
    pub fn array(element: SqlType) -> SqlType {
        SqlType::Array(Arc::new(element))
    }

    pub fn map(key: SqlType, value: SqlType) -> SqlType {
        SqlType::Map(Arc::new(key), Arc::new(value))
    }

    pub fn structure(fields: impl IntoIterator<Item = Field>) -> SqlType {
        SqlType::Struct(fields.into_iter().collect())
    }

    pub fn decimal(precision: u16, scale: u16) -> SqlType {
        SqlType::Decimal { precision, scale }
    }

    /// INTEGER, BIGINT, DOUBLE or DECIMAL.
    pub fn is_numeric(&self) -> bool {
        matches!(self, SqlType::Integer | SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. })
    }

    /// DATE, TIME or TIMESTAMP.
    pub fn is_temporal(&self) -> bool {
        matches!(self, SqlType::Date | SqlType::Time | SqlType::Timestamp)
    }

    pub fn is_nested(&self) -> bool {
        matches!(self, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_))
    }

    /// The name without parameters, as ksqlDB's REST schemas give it in `type`: `DECIMAL`, `ARRAY`, `STRING`.
    pub fn base_name(&self) -> &'static str {
        match self {
            SqlType::Boolean => "BOOLEAN",
            SqlType::Integer => "INTEGER",
            SqlType::Bigint => "BIGINT",
            SqlType::Double => "DOUBLE",
            SqlType::Decimal { .. } => "DECIMAL",
            SqlType::Varchar => "STRING",
            SqlType::Bytes => "BYTES",
            SqlType::Date => "DATE",
            SqlType::Time => "TIME",
            SqlType::Timestamp => "TIMESTAMP",
            SqlType::Array(_) => "ARRAY",
            SqlType::Map(..) => "MAP",
            SqlType::Struct(_) => "STRUCT",
        }
    }

    /// The Arrow type that a column of this type has in a [`crate::Batch`].
    pub fn to_arrow(&self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::Integer => DataType::Int32,
            SqlType::Bigint => DataType::Int64,
            SqlType::Double => DataType::Float64,
            SqlType::Decimal { precision, scale } => DataType::Decimal128(*precision as u8, *scale as i8),
            SqlType::Varchar => DataType::Utf8,
            SqlType::Bytes => DataType::Binary,
            SqlType::Date => DataType::Date32,
            SqlType::Time => DataType::Time32(TimeUnit::Millisecond),
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            SqlType::Array(element) => DataType::List(Arc::new(ArrowField::new("item", element.to_arrow(), true))),
            SqlType::Map(key, value) => {
                // Map keys may be null in ksqlDB's lenient formats, but not in Arrow; decoders drop such entries.
                let entries = Fields::from(vec![
                    ArrowField::new("keys", key.to_arrow(), false),
                    ArrowField::new("values", value.to_arrow(), true),
                ]);
                DataType::Map(Arc::new(ArrowField::new("entries", DataType::Struct(entries), false)), false)
            }
            SqlType::Struct(fields) => {
                DataType::Struct(fields.iter().map(|f| ArrowField::new(f.name.as_ref(), f.ty.to_arrow(), true)).collect())
            }
        }
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            SqlType::Array(element) => write!(f, "ARRAY<{element}>"),
            SqlType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            SqlType::Struct(fields) => {
                f.write_str("STRUCT<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {}", field.name.replace('`', "``"), field.ty)?;
                }
                f.write_str(">")
            }
            simple => f.write_str(simple.base_name()),
        }
    }
}
