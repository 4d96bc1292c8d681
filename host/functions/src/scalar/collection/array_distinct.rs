//! `ARRAY_DISTINCT`.

use calzone_types::Value;

use super::generic::array_of;
use super::value_set::ValueSet;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The distinct elements of an array, in the order in which they first occur.";
    let parameters = vec![Parameter::new("array", array_of('T'), "the array")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "ARRAY_DISTINCT",
        "ARRAY",
        description,
        vec![overload],
        &[("ARRAY_DISTINCT(ARRAY[1, 2, 1])", "[1,2]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(items)] = arguments else { return Value::Null };
    let mut seen = ValueSet::default();
    Value::Array(items.iter().filter(|item| seen.insert(item)).cloned().collect())
}
