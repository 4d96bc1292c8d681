//! `SIGN`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use calzone_types::SqlType;

use super::of_double::doubles;
use crate::{Argument, Evaluated, Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};

struct Sign;

impl Scalar for Sign {
    fn call(&mut self, arguments: &mut [Argument<'_>], _rows: usize) -> Evaluated {
        let sign = |v: f64| i32::from(v > 0.0) - i32::from(v < 0.0);
        (Arc::new(doubles(arguments[0].column()).unary::<_, Int32Type>(sign)) as ArrayRef).into()
    }
}

pub fn definition() -> ScalarDefinition {
    let description = "-1 for a negative number, 1 for a positive one, 0 for zero and NaN.";
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double].map(|ty| {
        let signature = Signature::new(vec![Parameter::new("value", ty, "")], SqlType::Integer.into());
        ScalarOverload::new(description, signature, |_| Ok(Box::new(Sign)))
    });
    ScalarDefinition::built_in("SIGN", "MATHEMATICAL", description, overloads.to_vec(), &[("SIGN(-7)", "-1")])
}
