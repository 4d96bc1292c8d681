//! `ARRAY_MAX`.

use calzone_types::Value;

use super::generic::{array_of, one};
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The largest element of an array; nulls do not count.";
    let parameters = vec![Parameter::new("array", array_of('T'), "the array")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(one('T'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in("ARRAY_MAX", "ARRAY", description, vec![overload], &[("ARRAY_MAX(ARRAY[3, 7, 5])", "7")])
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(items)] = arguments else { return Value::Null };
    items.iter().filter(|item| !item.is_null()).max_by(|a, b| a.compare(b)).cloned().unwrap_or(Value::Null)
}
