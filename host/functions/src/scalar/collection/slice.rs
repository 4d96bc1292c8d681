//! `SLICE`.

use calzone_types::{SqlType, Value};

use super::generic::array_of;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description =
        "The elements of an array from one position to another, both included; the first is 1. Null if they lie outside.";
    let parameters = vec![
        Parameter::new("array", array_of('T'), "the array"),
        Parameter::new("from", SqlType::Integer, "first position; null for the first element"),
        Parameter::new("to", SqlType::Integer, "last position; null for the last element"),
    ];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in("SLICE", "ARRAY", description, vec![overload], &[("SLICE(ARRAY[1, 2, 3, 4], 2, 3)", "[2,3]")])
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(items), from, to] = arguments else { return Value::Null };
    let start = from.as_i64().map_or(0, |from| from - 1);
    let end = to.as_i64().unwrap_or(items.len() as i64);
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => items.get(start..end).map_or(Value::Null, |part| Value::Array(part.to_vec())),
        _ => Value::Null,
    }
}
