//! `ARRAY_EXCEPT`.

use calzone_types::Value;

use super::generic::array_of;
use super::value_set::ValueSet;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The distinct elements of the first array that are not in the second.";
    let parameters =
        vec![Parameter::new("left", array_of('T'), "first array"), Parameter::new("right", array_of('T'), "second array")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "ARRAY_EXCEPT",
        "ARRAY",
        description,
        vec![overload],
        &[("ARRAY_EXCEPT(ARRAY[1, 2, 1], ARRAY[2])", "[1]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(left), Value::Array(right)] = arguments else { return Value::Null };
    let excluded = ValueSet::of(right);
    let mut seen = ValueSet::default();
    Value::Array(left.iter().filter(|item| !excluded.contains(item) && seen.insert(item)).cloned().collect())
}
