//! `ARRAY_UNION`.

use calzone_types::Value;

use super::generic::array_of;
use super::value_set::ValueSet;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The distinct elements of both arrays, in the order in which they first occur.";
    let parameters =
        vec![Parameter::new("left", array_of('T'), "first array"), Parameter::new("right", array_of('T'), "second array")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "ARRAY_UNION",
        "ARRAY",
        description,
        vec![overload],
        &[("ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3])", "[1,2,3]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(left), Value::Array(right)] = arguments else { return Value::Null };
    let mut seen = ValueSet::default();
    Value::Array(left.iter().chain(right).filter(|item| seen.insert(item)).cloned().collect())
}
