//! `CONCAT(text, …)` and `CONCAT(bytes, …)`.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use calzone_types::{SizeLimit, SqlType};

use crate::definition::category;
use crate::evaluate::{Evaluated, RowError, fallible};
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let signature = |ty: SqlType| Signature::variadic(vec![Parameter::new("inputs", ty.clone(), "")], ty.into());
    ScalarDefinition::built_in(
        "CONCAT",
        category::STRING,
        "The texts or bytes one after the other. Nulls are left out.",
        vec![
            ScalarOverload::new("", signature(SqlType::Varchar), |_| fallible(concat_texts)),
            ScalarOverload::new("", signature(SqlType::Bytes), |_| fallible(concat_bytes)),
        ],
        &[("CONCAT('a', NULL, 'b')", "\"ab\"")],
    )
}

fn concat_texts(columns: &[ArrayRef], rows: usize) -> Evaluated {
    let columns: Vec<_> = columns.iter().map(|c| c.as_string::<i32>()).collect();
    let mut builder = StringBuilder::with_capacity(rows, columns.iter().map(|c| c.value_data().len()).sum());
    let (mut limit, mut errors) = (SizeLimit::default(), Vec::new());
    for row in 0..rows {
        let parts = || columns.iter().filter(|c| c.is_valid(row)).map(|c| c.value(row));
        if let Err(message) = limit.take(parts().map(str::len).sum()) {
            errors.push(RowError { row: row as u32, message });
            builder.append_null();
            continue;
        }
        for part in parts() {
            // Writing into a builder cannot fail.
            let _ = builder.write_str(part);
        }
        builder.append_value("");
    }
    Evaluated { column: Arc::new(builder.finish()), errors }
}

fn concat_bytes(columns: &[ArrayRef], rows: usize) -> Evaluated {
    let columns: Vec<_> = columns.iter().map(|c| c.as_binary::<i32>()).collect();
    let mut builder = BinaryBuilder::with_capacity(rows, columns.iter().map(|c| c.value_data().len()).sum());
    let (mut limit, mut errors) = (SizeLimit::default(), Vec::new());
    let mut scratch = Vec::new();
    for row in 0..rows {
        scratch.clear();
        columns.iter().filter(|c| c.is_valid(row)).for_each(|c| scratch.extend_from_slice(c.value(row)));
        match limit.take(scratch.len()) {
            Ok(()) => builder.append_value(&scratch),
            Err(message) => {
                errors.push(RowError { row: row as u32, message });
                builder.append_null();
            }
        }
    }
    Evaluated { column: Arc::new(builder.finish()), errors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};
    use calzone_types::Value;

    #[test]
    fn nulls_are_left_out() {
        check(
            definition,
            &[
                (&[text("a"), Value::Null, text("b")], text("ab")),
                (&[Value::Bytes(vec![1]), Value::Null, Value::Bytes(vec![2])], Value::Bytes(vec![1, 2])),
            ],
        );
    }
}
