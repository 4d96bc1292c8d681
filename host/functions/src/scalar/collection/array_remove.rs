//! `ARRAY_REMOVE`.

use calzone_types::Value;
use calzone_types::cast::same_value;

use super::generic::{array_of, one};
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The array without all elements that equal the given one.";
    let parameters =
        vec![Parameter::new("array", array_of('T'), "the array"), Parameter::new("element", one('T'), "what to remove")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "ARRAY_REMOVE",
        "ARRAY",
        description,
        vec![overload],
        &[("ARRAY_REMOVE(ARRAY[1, 2, 1], 1)", "[2]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(items), element] = arguments else { return Value::Null };
    Value::Array(items.iter().filter(|item| !same_value(item, element)).cloned().collect())
}
