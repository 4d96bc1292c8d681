//! `ARRAY_LENGTH`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array};
use calzone_types::SqlType;

use super::generic::array_of;
use crate::{Argument, Evaluated, Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};

struct ArrayLength;

impl Scalar for ArrayLength {
    fn call(&mut self, arguments: &mut [Argument<'_>], _rows: usize) -> Evaluated {
        let lists = arguments[0].column().as_list::<i32>();
        let lengths: Vec<i32> = lists.offsets().windows(2).map(|w| w[1] - w[0]).collect();
        (Arc::new(Int32Array::new(lengths.into(), lists.nulls().cloned())) as ArrayRef).into()
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "The number of elements of an array, nulls among them.";
    let signature = Signature::new(vec![Parameter::new("array", array_of('T'), "the array")], SqlType::Integer.into());
    let overload = ScalarOverload::new(description, signature, |_| Ok(Box::new(ArrayLength)));
    ScalarDefinition::built_in("ARRAY_LENGTH", "ARRAY", description, vec![overload], &[("ARRAY_LENGTH(ARRAY[1, 2])", "2")])
}
