//! `EXPLODE`.

use calzone_types::SqlType;

use crate::signature::Returns;
use crate::{Argument, Evaluated, Parameter, ParameterType, Scalar, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "A row for each element of an array, nulls among them; no row for an empty or null array.";
    let array = || ParameterType::Array(Box::new(ParameterType::Generic('T')));
    let signature = Signature::new(vec![Parameter::new("array", array(), "the array")], Returns::Type(array()));
    let overload = ScalarOverload::new(description, signature, |binding| match &binding.returns {
        SqlType::Array(_) => Ok(Box::new(Explode)),
        other => Err(format!("only arrays can be exploded, not {other}")),
    });
    ScalarDefinition::built_in(
        "EXPLODE",
        "TABLE",
        description,
        vec![overload],
        &[("EXPLODE(ARRAY[1, NULL, 2])", "[1,null,2]"), ("EXPLODE(CAST(NULL AS ARRAY<INT>))", "[]")],
    )
}

/// The rows of a table function are the elements of an array, and that is what there is already.
struct Explode;

impl Scalar for Explode {
    fn call(&mut self, arguments: &mut [Argument<'_>], _rows: usize) -> Evaluated {
        arguments[0].column().clone().into()
    }
}
