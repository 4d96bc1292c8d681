//! `PI`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use calzone_types::SqlType;

use crate::{Argument, Evaluated, Scalar, ScalarDefinition, ScalarOverload, Signature};

struct Pi;

impl Scalar for Pi {
    fn call(&mut self, _arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        (Arc::new(Float64Array::from(vec![std::f64::consts::PI; rows])) as ArrayRef).into()
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "The ratio of a circle's circumference to its diameter.";
    let overload = ScalarOverload::new(description, Signature::new(vec![], SqlType::Double.into()), |_| Ok(Box::new(Pi)));
    ScalarDefinition::built_in("PI", "MATHEMATICAL", description, vec![overload], &[("PI()", "3.141592653589793")])
}
