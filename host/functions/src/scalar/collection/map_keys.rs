//! `MAP_KEYS`.

use calzone_types::Value;

use super::generic::{array_of, map_of};
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The keys of a map.";
    let parameters = vec![Parameter::new("map", map_of('K', 'V'), "the map")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('K'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "MAP_KEYS",
        "MAP",
        description,
        vec![overload],
        &[("MAP_KEYS(MAP('a' := 1, 'b' := 2))", "[\"a\",\"b\"]")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Map(entries)] = arguments else { return Value::Null };
    Value::Array(entries.iter().map(|(k, _)| k.clone()).collect())
}
