//! `ARRAY_CONTAINS`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use calzone_types::SqlType;
use calzone_types::cast::same_value;
use calzone_types::value_at;

use super::generic::{array_of, one};
use crate::{Argument, Evaluated, Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};

struct ArrayContains;

impl Scalar for ArrayContains {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let (lists, wanted) = (arguments[0].column().as_list::<i32>(), arguments[1].column());
        let items = lists.values();
        let within = |row: usize| {
            let there = if lists.is_valid(row) { lists.value_offsets()[row]..lists.value_offsets()[row + 1] } else { 0..0 };
            there.start as usize..there.end as usize
        };
        let found = match (items.as_string_opt::<i32>(), wanted.as_string_opt::<i32>()) {
            // Text is what filters look for; it is compared in place.
            (Some(items), Some(wanted)) => BooleanBuffer::collect_bool(rows, |row| {
                let text = wanted.is_valid(row).then(|| wanted.value(row));
                within(row).any(|i| items.is_valid(i).then(|| items.value(i)) == text)
            }),
            _ => BooleanBuffer::collect_bool(rows, |row| {
                let value = value_at(wanted, row);
                within(row).any(|i| same_value(&value_at(items, i), &value))
            }),
        };
        (Arc::new(BooleanArray::new(found, None)) as ArrayRef).into()
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "Is the value among the elements of the array? False for a null array.";
    let parameters = vec![
        Parameter::new("array", array_of('T'), "the array"),
        Parameter::new("value", one('T'), "what to look for; may be null"),
    ];
    let signature = Signature::new(parameters, SqlType::Boolean.into());
    let overload = ScalarOverload::new(description, signature, |_| Ok(Box::new(ArrayContains)));
    let examples = [("ARRAY_CONTAINS(ARRAY[1, 2], 2)", "true")];
    ScalarDefinition::built_in("ARRAY_CONTAINS", "ARRAY", description, vec![overload], &examples)
}
