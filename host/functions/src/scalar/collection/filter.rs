//! `FILTER`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, MapArray, StructArray};
use arrow_buffer::{BooleanBuffer, OffsetBuffer};
use arrow_schema::DataType;
use calzone_types::SqlType;

use super::flat::flatten;
use super::generic::{array_of, map_of, one};
use crate::signature::Returns;
use crate::{Argument, Evaluated, Parameter, ParameterType, Scalar, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The elements of an array, or the entries of a map, for which a lambda is true.";
    let predicate = |inputs: &[char]| ParameterType::Lambda {
        inputs: inputs.iter().map(|v| one(*v)).collect(),
        output: Box::new(SqlType::Boolean.into()),
    };
    let array = vec![
        Parameter::new("array", array_of('T'), "the array"),
        Parameter::new("lambda", predicate(&['T']), "is true for the elements to keep"),
    ];
    let map = vec![
        Parameter::new("map", map_of('K', 'V'), "the map"),
        Parameter::new("lambda", predicate(&['K', 'V']), "is true for the keys and values to keep"),
    ];
    let overloads = vec![
        ScalarOverload::new(description, Signature::new(array, Returns::Type(array_of('T'))), |_| Ok(Box::new(Filter))),
        ScalarOverload::new(description, Signature::new(map, Returns::Type(map_of('K', 'V'))), |_| Ok(Box::new(Filter))),
    ];
    let examples =
        [("FILTER(ARRAY[3, 6, 10], x => x > 5)", "[6,10]"), ("FILTER(MAP('a' := 1, 'b' := 2), (k, v) => v > 1)", r#"{"b":2}"#)];
    ScalarDefinition::built_in("FILTER", "LAMBDA", description, overloads, &examples)
}

struct Filter;

impl Scalar for Filter {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let collections = arguments[0].column().clone();
        let flat = flatten(&collections);
        let kept = flat.evaluate(&mut arguments[1], &SqlType::Boolean);
        let predicate = kept.column.as_boolean();
        // A null counts as false.
        let bits = BooleanBuffer::collect_bool(predicate.len(), |i| predicate.is_valid(i) && predicate.value(i));
        let lengths = flat.offsets.windows(2).map(|w| bits.slice(w[0], w[1] - w[0]).count_set_bits());
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = flat.nulls_with(&kept.errors);
        let mask = BooleanArray::new(bits, None);
        let mut columns = flat
            .columns
            .iter()
            .map(|c| arrow_select::filter::filter(c, &mask).expect("the mask has a bit for each element"))
            .collect::<Vec<_>>();
        let column: ArrayRef = match collections.data_type().clone() {
            DataType::List(field) => Arc::new(ListArray::new(field, offsets, columns.remove(0), nulls)),
            DataType::Map(field, sorted) => {
                let DataType::Struct(fields) = field.data_type().clone() else {
                    unreachable!("the entries of a map are structs")
                };
                Arc::new(MapArray::new(field, offsets, StructArray::new(fields, columns, None), nulls, sorted))
            }
            other => arrow_array::new_null_array(&other, rows),
        };
        Evaluated { column, errors: kept.errors }
    }
}
