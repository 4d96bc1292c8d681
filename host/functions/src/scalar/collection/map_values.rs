//! `MAP_VALUES`.

use calzone_types::Value;

use super::generic::{array_of, map_of};
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The values of a map, in the order of MAP_KEYS.";
    let parameters = vec![Parameter::new("map", map_of('K', 'V'), "the map")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('V'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "MAP_VALUES",
        "MAP",
        description,
        vec![overload],
        &[("MAP_VALUES(MAP('a' := 1, 'b' := 2))", "[1,2]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Map(entries)] = arguments else { return Value::Null };
    Value::Array(entries.iter().map(|(_, v)| v.clone()).collect())
}
