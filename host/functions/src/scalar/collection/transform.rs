//! `TRANSFORM`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;
use calzone_types::{ColumnBuilder, SqlType, Value, value_at};

use super::flat::{flatten, joined_errors};
use super::generic::{array_of, map_of, one};
use crate::signature::Returns;
use crate::{
    Argument, Binding, Evaluated, Parameter, ParameterType, RowError, Scalar, ScalarDefinition, ScalarOverload, Signature,
};

pub fn definition() -> ScalarDefinition {
    let description = "Applies a lambda to every element of an array, or one to the keys and one to the values of a map.";
    let lambda = |inputs: &[char], output: char| ParameterType::Lambda {
        inputs: inputs.iter().map(|v| one(*v)).collect(),
        output: Box::new(one(output)),
    };
    let array = vec![
        Parameter::new("array", array_of('T'), "the array"),
        Parameter::new("lambda", lambda(&['T'], 'U'), "makes an element of the result of an element"),
    ];
    let map = vec![
        Parameter::new("map", map_of('K', 'V'), "the map"),
        Parameter::new("key_lambda", lambda(&['K', 'V'], 'R'), "makes a key of the result of a key and its value"),
        Parameter::new("value_lambda", lambda(&['K', 'V'], 'S'), "makes a value of the result of a key and its value"),
    ];
    let overloads = vec![
        ScalarOverload::new(description, Signature::new(array, Returns::Type(array_of('U'))), make),
        ScalarOverload::new(description, Signature::new(map, Returns::Type(map_of('R', 'S'))), make),
    ];
    let examples = [
        ("TRANSFORM(ARRAY[1, 2], x => x + 5)", "[6,7]"),
        ("TRANSFORM(MAP('a' := 1), (k, v) => UCASE(k), (k, v) => v + 1)", r#"{"A":2}"#),
    ];
    ScalarDefinition::built_in("TRANSFORM", "LAMBDA", description, overloads, &examples)
}

fn make(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    match &binding.returns {
        SqlType::Array(element) => {
            Ok(Box::new(TransformArray { element: (**element).clone(), returns: binding.returns.clone() }))
        }
        SqlType::Map(key, value) => {
            Ok(Box::new(TransformMap { key: (**key).clone(), value: (**value).clone(), returns: binding.returns.clone() }))
        }
        other => Err(format!("TRANSFORM gives arrays and maps, not {other}")),
    }
}

struct TransformArray {
    element: SqlType,
    returns: SqlType,
}

impl Scalar for TransformArray {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let flat = flatten(arguments[0].column());
        let transformed = flat.evaluate(&mut arguments[1], &self.element);
        let DataType::List(field) = self.returns.to_arrow() else {
            return arrow_array::new_null_array(&self.returns.to_arrow(), rows).into();
        };
        let offsets = OffsetBuffer::from_lengths(flat.offsets.windows(2).map(|w| w[1] - w[0]));
        let nulls = flat.nulls_with(&transformed.errors);
        let column: ArrayRef = Arc::new(ListArray::new(field, offsets, transformed.column, nulls));
        Evaluated { column, errors: transformed.errors }
    }
}

struct TransformMap {
    key: SqlType,
    value: SqlType,
    returns: SqlType,
}

impl Scalar for TransformMap {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let flat = flatten(arguments[0].column());
        let keys = flat.evaluate(&mut arguments[1], &self.key);
        let values = flat.evaluate(&mut arguments[2], &self.value);
        let mut errors = joined_errors(keys.errors, values.errors);
        let nulls = flat.nulls_with(&errors);
        let mut builder = ColumnBuilder::new(&self.returns, rows);
        let mut mistaken = Vec::new();
        for row in 0..rows {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                builder.push_null();
                continue;
            }
            let elements = flat.offsets[row]..flat.offsets[row + 1];
            match entries(&keys.column, &values.column, elements) {
                Ok(entries) => builder.push(&Value::Map(entries)),
                Err(message) => {
                    builder.push_null();
                    mistaken.push(RowError { row: row as u32, message });
                }
            }
        }
        errors = joined_errors(errors, mistaken);
        Evaluated { column: builder.finish(), errors }
    }
}

/// The entries of one map. Two equal keys are an error: which value counts would be a matter of chance.
fn entries(keys: &ArrayRef, values: &ArrayRef, elements: std::ops::Range<usize>) -> Result<Vec<(Value, Value)>, String> {
    let mut entries: Vec<(Value, Value)> = Vec::with_capacity(elements.len());
    for i in elements {
        if keys.is_null(i) {
            return Err("The lambda for the keys gave a null key.".into());
        }
        let key = value_at(keys, i);
        if entries.iter().any(|(k, _)| *k == key) {
            return Err("The lambda for the keys gave the same key twice.".into());
        }
        entries.push((key, value_at(values, i)));
    }
    Ok(entries)
}
