//! How large a computed value, and a column of them, may become.
//!
//! A few bytes of SQL can ask for gigabytes (`LPAD(a, 2147483647, 'x')`); columns of text have offsets of 32 bits.

use crate::Value;

/// Most bytes of text or bytes in one value that an expression makes, parts of nested values together. Far above what a
/// record of Kafka holds.
pub const VALUE_BYTES_MAX: usize = 16 << 20;

/// What an element of an array or a map counts at least, as it takes memory even if it has no bytes.
pub const ELEMENT_BYTES: usize = 16;

/// Most bytes in a column: what offsets of 32 bits reach.
const COLUMN_BYTES_MAX: usize = i32::MAX as usize;

/// Counts the bytes of a column while it is made.
#[derive(Debug, Default)]
pub struct SizeLimit {
    taken: usize,
}

impl SizeLimit {
    /// Takes room for a value of the next row. The error is a sentence for the processing log.
    pub fn take(&mut self, bytes: usize) -> Result<(), String> {
        if bytes > VALUE_BYTES_MAX {
            return Err(format!("The result would have {bytes} bytes; at most {VALUE_BYTES_MAX} are allowed."));
        }
        if bytes > COLUMN_BYTES_MAX - self.taken {
            return Err(format!("The results of the batch would have more than {COLUMN_BYTES_MAX} bytes together."));
        }
        self.taken += bytes;
        Ok(())
    }

    /// Takes room for a value.
    pub fn take_value(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Varchar(_) | Value::Bytes(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                self.take(bytes_of(value))
            }
            _ => Ok(()),
        }
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Varchar(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) | Value::Struct(items) => items.iter().map(|item| bytes_of(item).max(ELEMENT_BYTES)).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (bytes_of(key) + bytes_of(value)).max(ELEMENT_BYTES)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_columns_have_an_end() {
        let mut limit = SizeLimit::default();
        assert!(limit.take(VALUE_BYTES_MAX + 1).is_err());
        let fitting = (0..200).filter(|_| limit.take(VALUE_BYTES_MAX).is_ok()).count();
        assert_eq!(fitting, COLUMN_BYTES_MAX / VALUE_BYTES_MAX);
        assert!(limit.take_value(&Value::Integer(1)).is_ok());
        assert!(limit.take_value(&Value::Array(vec!["x".repeat(VALUE_BYTES_MAX).as_str().into(), "y".into()])).is_err());
    }
}
